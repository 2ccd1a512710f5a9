"""Whether a Redis can keep the level of durability that it is asked for.

`redis-primary` needs a primary that answers after its fsync: appendonly, and
appendfsync always. `redis-all` also needs WAITAOF, which Redis has from 7.2 on, and
Valkey: WAIT would tell that replicas have an entry in memory, and that is not enough.
At every level nothing may be evicted.
"""

from __future__ import annotations

from typing import Any

from ..contracts import StoreError
from .call import Call
from .links import Links
from .options import RedisOptions
from .primary import Copies, Primary

__all__ = ["check_durability"]

_LEAST_VERSION = (7, 0)
_NEEDED = {"appendonly": "yes", "appendfsync": "always"}
_SHARE = 0.8  # of a round trip's time that copies may take


async def check_durability(
    links: Links, options: RedisOptions, fillers: dict[Primary, str]
) -> Copies | None:
    """Return what appends have to wait for.

    Args:
        links: the ways to Redis.
        options: with the level.
        fillers: a key for each primary, to try it.

    Raises:
        StoreError: the level cannot be kept; says which server lacks what.
    """
    replicas = [await _check(p, key, options) for p, key in fillers.items()]
    if options.level != "redis-all":
        return None
    wanted = min(replicas) if options.replicas is None else options.replicas
    if not wanted:
        raise StoreError(
            f"redis_level: {links.place}: redis-all needs a replica, and none is"
            " connected"
        )
    copies = Copies(wanted, int(1000 * _SHARE * options.timeout_s))
    for key in fillers.values():
        try:
            await links.call(Call.of("SET", key, b""), copies)
        except StoreError as error:
            raise StoreError(
                f"redis_level: redis-all cannot be kept: {error}. Replicas need"
                " appendonly yes too"
            ) from None
    return copies


async def _check(primary: Primary, key: str, options: RedisOptions) -> int:
    """Check one server; return how many replicas follow it."""
    calls = [
        Call(key, ("INFO", "server")),
        Call(key, ("INFO", "replication")),
        Call(key, ("INFO", "memory")),
        Call(key, ("CONFIG GET", "append*")),
    ]
    if options.level == "redis-all":
        calls.append(Call(key, ("WAITAOF", 0, 0, 1)))
    server, replication, memory, config, *waited = await primary.run(calls)
    for answer in (server, replication, memory):
        if isinstance(answer, StoreError):
            raise answer
    place = primary.place
    version = str(server["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < _LEAST_VERSION:
        raise StoreError(f"redis_version: {place}: {version}; it takes 7.0 or newer")
    if replication["role"] != "master":
        raise StoreError(f"redis_readonly: {place}: it is a replica")
    if (policy := memory["maxmemory_policy"]) != "noeviction":
        raise StoreError(
            f"redis_eviction: {place}: maxmemory-policy is {policy}, so that what was"
            " acknowledged may be dropped; CONFIG SET maxmemory-policy noeviction"
        )
    if options.level != "memory":
        _check_log(place, config)
    if waited and isinstance(waited[0], StoreError):
        raise StoreError(
            f"redis_level: {place}: redis-all needs WAITAOF, which this server"
            f" ({version}) lacks or does not allow; take Redis 7.2 or"
            " newer, Valkey, or redis-primary"
        )
    return int(replication["connected_slaves"])


def _check_log(place: str, config: Any) -> None:
    if isinstance(config, StoreError):
        raise StoreError(
            f"redis_level: {place}: whether it answers after its fsync cannot be seen."
            " Grant the user +config|get, or take the level memory, which promises"
            f" nothing: {config}"
        )
    for name, needed in _NEEDED.items():
        found = _text(config.get(name, config.get(name.encode(), "")))
        if found != needed:
            raise StoreError(
                f"redis_level: {place}: {name} is {found or 'unknown'}, so that an"
                f" acknowledged point could be lost; CONFIG SET {name} {needed}"
            )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
