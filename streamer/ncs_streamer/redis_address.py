"""Where a Redis is, and as whom to go there: `redis://user:password@host:6379/0`.

    redis://HOST[:PORT][/DATABASE]             one server; Valkey too
    redis+sentinel://HOST[,HOST...]/SERVICE    a primary that Sentinels know
    redis+cluster://HOST[,HOST...]             a Redis Cluster

`rediss` instead of `redis` takes TLS. A password is better kept out of the address, in
the setting `redis_password`, which may be a file.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Literal
from urllib.parse import unquote

__all__ = ["Address", "without_password"]

_FORM = re.compile(
    r"redis(?P<tls>s)?(\+(?P<kind>sentinel|cluster))?://"
    r"((?P<username>[^:@/]*)(:(?P<password>[^@/]*))?@)?"
    r"(?P<hosts>[^/@?#]+)(/(?P<path>[^?#]*))?"
)
_HOST = re.compile(
    r"(\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^\s:\[\]]+))(:(?P<port>\d+))?"
)
_PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}


def without_password(store: str) -> str:
    """Return the setting `store` as it may be shown."""
    return re.sub(r"(://[^:@/]*):[^@/]*@", r"\1:***@", store)


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """See the module."""

    kind: Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]
    is_tls: bool = False
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    database: int = 0
    service: str = ""
    """Name of the primary, for Sentinels."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address in a URL.

        Raises:
            ValueError: saying what is wrong, without the password.
        """
        shown = without_password(text)
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{shown!r}: expected sqlite, memory, redis://HOST,"
                " redis+sentinel://HOST,HOST/SERVICE or redis+cluster://HOST,HOST"
            )
        kind = match["kind"] or "single"
        hosts = tuple(_host(host, _PORTS[kind]) for host in match["hosts"].split(","))
        if kind == "single" and len(hosts) > 1:
            raise ValueError(f"{shown}: one server has one host")
        parts = [part for part in (match["path"] or "").split("/") if part]
        service = parts.pop(0) if kind == "sentinel" and parts else ""
        if kind == "sentinel" and not service:
            raise ValueError(f"{shown}: which service? ...://HOST,HOST/SERVICE")
        database = parts.pop(0) if kind != "cluster" and parts else "0"
        if parts or not database.isdecimal():
            raise ValueError(f"{shown}: {match['path']!r} is no database")
        return cls(
            kind=kind,  # type: ignore[arg-type] # the pattern knows only these
            hosts=hosts,
            is_tls=bool(match["tls"]),
            username=unquote(match["username"] or ""),
            password=unquote(match["password"] or ""),
            database=int(database),
            service=unquote(service),
        )


def _host(text: str, port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match["port"] or port) < 65536:
        raise ValueError(f"{text!r} is no host with a port")
    return match["v6"] or match["name"], int(match["port"] or port)
