"""How many connections a client keeps for requests, and how long it waits on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

__all__ = ["PoolOptions"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PoolOptions:
    """Bounds of the pool of connections; all times in seconds.

    Attributes:
        max_connections: at most so many at a time.
        max_connections_per_host: at most so many to one address. A client talks to one,
            so the smaller of the two counts.
        connection_timeout: to get a connection, be it made or waited for.
        read_timeout: without a byte of the answer.
        keepalive_timeout: an idle connection is kept so long, by the asynchronous
            client; the other keeps it until the server closes it.
        enable_tcp_nodelay: accepted for compatibility: small requests never wait for
            more to come.

    Raises:
        ValueError: if one is not above 0.
    """

    max_connections: int = 100
    max_connections_per_host: int = 30
    connection_timeout: float = 30.0
    read_timeout: float = 60.0
    keepalive_timeout: float = 30.0
    enable_tcp_nodelay: bool = True

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) > 0 and field.name != "enable_tcp_nodelay":
                raise ValueError(f"{field.name} must be above 0")

    @classmethod
    def of(cls, given: PoolOptions | Mapping[str, Any] | None) -> PoolOptions:
        """Return options from what a user gave.

        Raises:
            TypeError: for a name that is no option.
        """
        if isinstance(given, PoolOptions):
            return given
        return cls(**(given or {}))

    @property
    def most(self) -> int:
        """How many connections there may be to one server."""
        return min(self.max_connections, self.max_connections_per_host)
