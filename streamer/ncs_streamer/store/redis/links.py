"""The ways to Redis: which server has a key, whatever kind of set-up it is.

One server, a primary that Sentinels know, or a cluster of primaries: for all of them
calls are sorted by primary, and each primary gets its own in one round trip.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ConnectionError,
    MovedError,
    RedisClusterException,
    RedisError,
)

from ..contracts import StoreError
from .call import Call
from .errors import store_error
from .options import RedisOptions
from .primary import CONNECTIONS, Copies, Primary

__all__ = ["Links"]

_REDIRECTIONS = 3
_SEARCHED = 10_000  # names for a key on each primary; some may have no slots


class _Map(Protocol):
    """Knows which primary has a key. `refresh` may raise RedisError or OSError."""

    def of(self, key: str) -> Primary: ...
    def at(self, host: str, port: int) -> Primary: ...
    def all(self) -> list[Primary]: ...
    def is_doubtful(self) -> bool: ...
    async def refresh(self) -> None: ...
    async def close(self) -> None: ...


class Links:
    """See the module.

    Args:
        options: where to go, and how.
    """

    def __init__(self, options: RedisOptions) -> None:
        self.place = ",".join(f"{h}:{p}" for h, p in options.address.hosts)
        kinds: dict[str, Callable[[RedisOptions], _Map]]
        kinds = {"single": _Single, "sentinel": _Sentinels, "cluster": _Cluster}
        self._map = kinds[options.address.kind](options)
        self._refreshing: asyncio.Task[None] | None = None

    def everywhere(self, name: Callable[[int], str]) -> dict[Primary, str]:
        """Return a key for each primary, that it has.

        Args:
            name: makes one of a number.
        """
        found: dict[Primary, str] = {}
        primaries = self._map.all()
        for number in range(_SEARCHED):
            if len(found) == len(primaries):
                break
            key = name(number)
            with contextlib.suppress(StoreError):  # a slot that nobody has just now
                found.setdefault(self._map.of(key), key)
        return found

    def primary_of(self, key: str) -> Primary:
        """Return the server that has a key, as far as is known."""
        return self._map.of(key)

    def primaries(self) -> list[Primary]:
        """Return all servers that take writes, as far as is known."""
        return self._map.all()

    async def run(
        self, calls: Sequence[Call], copies: Copies | None = None
    ) -> list[Any]:
        """Make calls; those for one server go there in one round trip, in order.

        Args:
            calls: to make.
            copies: see `Primary.run`.

        Returns:
            For each its result, or the StoreError that it failed with.
        """
        results: list[Any] = [None] * len(calls)
        todo = list(range(len(calls)))
        for _ in range(_REDIRECTIONS):
            groups: dict[Primary, list[int]] = {}
            for i in todo:
                try:
                    groups.setdefault(self._map.of(calls[i].key), []).append(i)
                except StoreError as error:
                    results[i] = error
            answers = await asyncio.gather(
                *(p.run([calls[i] for i in own], copies) for p, own in groups.items())
            )
            for own, answer in zip(groups.values(), answers, strict=True):
                for i, result in zip(own, answer, strict=True):
                    if isinstance(result, AskError):
                        result = await self._ask(calls[i], result, copies)
                    results[i] = result
            todo = [i for i, r in enumerate(results) if isinstance(r, MovedError)]
            if not todo:
                break
            with contextlib.suppress(StoreError):  # what is known may be good enough
                await self.refresh()
        return [
            store_error(self.place, r) if isinstance(r, RedisError) else r
            for r in results
        ]

    async def call(self, call: Call, copies: Copies | None = None) -> Any:
        """Make one call.

        Raises:
            StoreError: it failed.
        """
        (result,) = await self.run([call], copies)
        if isinstance(result, StoreError):
            raise result
        return result

    async def all_of(self, calls: Sequence[Call]) -> list[Any]:
        """Make calls; return the results.

        Raises:
            StoreError: one failed.
        """
        results = await self.run(calls)
        for result in results:
            if isinstance(result, StoreError):
                raise result
        return results

    async def _ask(self, call: Call, error: AskError, copies: Copies | None) -> Any:
        """Follow a key that is on its way to another server."""
        there = self._map.at(error.host, error.port)
        asking = call._replace(args=("ASKING",), text=None)
        return (await there.run([asking, call], copies))[1]

    async def look(self) -> None:
        """Find out anew who has what if that may have changed; for now and then.

        Raises:
            StoreError: nobody could be asked.
        """
        if self._map.is_doubtful():
            await self.refresh()

    async def refresh(self) -> None:
        """Find out anew who has what; callers at the same time share it.

        Raises:
            StoreError: nobody could be asked.
        """
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._map.refresh())
        try:
            await asyncio.shield(self._refreshing)
        except (RedisError, OSError) as error:
            raise store_error(self.place, error) from None

    async def close(self) -> None:
        """Let all connections go."""
        if self._refreshing is not None:
            await asyncio.gather(self._refreshing, return_exceptions=True)
        await self._map.close()


def _connection(options: RedisOptions) -> dict[str, Any]:
    """Return the arguments of every connection."""
    return {
        "socket_timeout": options.timeout_s,
        "socket_connect_timeout": options.timeout_s,
        # A second try, on a connection that is new: the first may have been idle for
        # so long that the server had closed it. Calls may be made twice.
        "retry": Retry(NoBackoff(), 1, (ConnectionError,)),
        "protocol": 2,
        "client_name": "ncs",
    }


def _credentials(options: RedisOptions) -> dict[str, Any]:
    more: dict[str, Any] = {
        "username": options.username or None,
        "password": options.password or None,
    }
    if options.address.is_tls:
        more |= {
            "ssl": True,
            "ssl_ca_certs": None if options.ca_file is None else str(options.ca_file),
        }
    return more


class _Single:
    def __init__(self, options: RedisOptions) -> None:
        host, port = options.address.hosts[0]
        client = Redis(
            host=host,
            port=port,
            db=options.address.database,
            max_connections=CONNECTIONS,
            **_connection(options),
            **_credentials(options),
        )
        self._primary = Primary(f"{host}:{port}", client)

    def of(self, key: str) -> Primary:
        return self._primary

    def at(self, host: str, port: int) -> Primary:
        return self._primary

    def all(self) -> list[Primary]:
        return [self._primary]

    def is_doubtful(self) -> bool:
        return False

    async def refresh(self) -> None:
        """Do nothing: it is where it is."""

    async def close(self) -> None:
        await self._primary.close()


class _Sentinels(_Single):
    def __init__(self, options: RedisOptions) -> None:
        address = options.address
        watch = _connection(options)
        if address.is_tls:
            watch |= {
                "ssl": True,
                "ssl_ca_certs": _credentials(options)["ssl_ca_certs"],
            }
        if options.sentinel_password:
            watch["password"] = options.sentinel_password
        self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
            address.hosts, sentinel_kwargs=watch
        )
        client = self._sentinel.master_for(
            address.service,
            db=address.database,
            max_connections=CONNECTIONS,
            **_connection(options),
            **_credentials(options),
        )
        self._service = address.service
        self._address: tuple[str, int] | None = None
        self._primary = Primary(f"the primary of {address.service}", client)

    def is_doubtful(self) -> bool:
        return True  # one that was replaced may go on answering

    async def refresh(self) -> None:
        """Leave a primary that is none any more, even if it still answers."""
        address = await self._sentinel.discover_master(self._service)
        if self._address not in (None, address):
            await self._primary.client.connection_pool.disconnect()
        self._address = address
        self._primary.place = f"{address[0]}:{address[1]}"

    async def close(self) -> None:
        await super().close()
        await self._sentinel.aclose()


class _Cluster:
    """Takes from redis-py's cluster client who has what; calls go their own way.

    For its pipelines neither promise one connection, which WAITAOF needs, nor that
    what one server does not answer leaves the others' results alone.
    """

    def __init__(self, options: RedisOptions) -> None:
        self._more = _connection(options) | _credentials(options)
        self._client: RedisCluster | None = None
        self._hosts = options.address.hosts
        self._primaries: dict[tuple[str, int], Primary] = {}

    def of(self, key: str) -> Primary:
        if self._client is None:
            raise StoreError("redis_unavailable: the cluster is not known yet")
        node = self._client.get_node_from_key(key)
        if node is None:
            raise StoreError("redis_clusterdown: a slot has no server")
        return self.at(str(node.host), int(node.port))

    def at(self, host: str, port: int) -> Primary:
        found = self._primaries.get((host, port))
        if found is None:
            client = Redis(
                host=host, port=port, max_connections=CONNECTIONS, **self._more
            )
            found = self._primaries[host, port] = Primary(f"{host}:{port}", client)
        return found

    def all(self) -> list[Primary]:
        if self._client is None:
            return []
        nodes = self._client.get_primaries()
        return [self.at(str(node.host), int(node.port)) for node in nodes]

    def is_doubtful(self) -> bool:
        return any(primary.is_failing for primary in self.all())

    async def refresh(self) -> None:
        known = list(self._primaries) if self._client is not None else []
        client = RedisCluster(
            startup_nodes=[
                ClusterNode(host, port) for host, port in (*known, *self._hosts)
            ],
            require_full_coverage=False,
            **self._more,
        )
        try:
            await client.initialize()
        except RedisClusterException as error:
            await client.aclose()
            raise ConnectionError(str(error)) from None
        except BaseException:
            await client.aclose()
            raise
        old, self._client = self._client, client
        if old is not None:
            await old.aclose()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        for primary in self._primaries.values():
            await primary.close()
