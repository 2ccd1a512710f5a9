from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_servers import VALKEY, RedisServer, redis_cluster

from ncs_streamer.redis_address import Address
from ncs_streamer.store import MemoryStore, Node, SqliteStore, Store
from ncs_streamer.store.nodes import LocalNodes
from ncs_streamer.store.redis.call import Call
from ncs_streamer.store.redis.options import RedisOptions
from ncs_streamer.store.redis.store import RedisStore

LOOKS = (
    "read",
    "tail",
    "load",
    "offsets",
    "recent",
    "user",
    "users",
    "key",
    "keys",
    "streams",
)


class Reopened:
    """A store that is closed and opened again before every look into it.

    What a test finds through it has been kept on disk, not in the object.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.store = make()
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name in ("journal", "snapshots", "history", "directory"):
            return _Part(self, name)
        if name in ("ownership", "channel"):
            return getattr(self.store, name)
        return self.call(name, lambda store: getattr(store, name))

    def call(self, name: str, find: Callable[[Any], Any]) -> Any:
        looks = name in LOOKS

        async def call(*args: Any, **more: Any) -> Any:
            if looks:
                await self.store.close()
                self.store = self._make()
                await self.store.open()
            return await find(self.store)(*args, **more)

        return call

    async def open(self) -> None:
        await self.store.open()

    async def close(self) -> None:
        await self.store.close()


class _Part:
    def __init__(self, owner: Reopened, name: str) -> None:
        self._owner = owner
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return self._owner.call(
            name, lambda store: getattr(getattr(store, self._name), name)
        )


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that any test may use, under a prefix of its own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey that any test may use, under a prefix of its own."""
    with RedisServer(tmp_path_factory.mktemp("valkey"), program=VALKEY) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster_of_three(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[RedisServer]]:
    """A cluster that any test may use, under a prefix of its own."""
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers


Make = Callable[[], Any]


def redis_factory(
    name: str, request: pytest.FixtureRequest, **more: Any
) -> Callable[[], RedisStore]:
    """Return what makes stores on a server of the session, all on the same prefix."""
    found = request.getfixturevalue(name)
    url = found.url if isinstance(found, RedisServer) else cluster_url(found)
    prefix = f"t{secrets.token_hex(8)}"
    options = RedisOptions(address=Address.parse(url), prefix=prefix, **more)
    return lambda: RedisStore(options)


def cluster_url(servers: list[RedisServer]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{s.port}" for s in servers)


FACTORIES: dict[str, Callable[[pytest.FixtureRequest, Path], Make]] = {
    "memory": lambda request, path: MemoryStore,
    "sqlite": lambda request, path: lambda: SqliteStore(path),
    "sqlite, reopened": lambda request, path: (
        lambda: Reopened(lambda: SqliteStore(path))
    ),
    "redis": lambda request, path: redis_factory("redis_server", request),
    "redis, reopened": lambda request, path: _reopened(
        redis_factory("redis_server", request)
    ),
    "redis cluster": lambda request, path: redis_factory(
        "redis_cluster_of_three", request
    ),
    "valkey": lambda request, path: redis_factory("valkey_server", request),
}


def _reopened(make: Make) -> Make:
    return lambda: Reopened(make)


@pytest.fixture(params=FACTORIES.values(), ids=[*FACTORIES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Return an open store of each kind that there is."""
    store: Store = request.param(request, tmp_path / "ncs.db")()
    await store.open()
    yield store
    await store.close()


class Pair:
    """Two nodes on the same state, and a hand on the clock of their store."""

    a: Store
    b: Store

    async def let_leases_end(self) -> None:
        """Bring it about that the leases of both nodes have ended."""
        raise NotImplementedError


class _InMemory(Pair):
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._now = 0.0
        one = MemoryStore(LocalNodes(lambda: self._now))
        self.a, self.b = one, one.beside()

    async def let_leases_end(self) -> None:
        self._now += self.a.ownership.lease_s


class _InRedis(Pair):
    server = "redis_server"

    def __init__(self, request: pytest.FixtureRequest) -> None:
        make = redis_factory(self.server, request)
        self.a, self.b = self.stores = make(), make()

    async def let_leases_end(self) -> None:
        state = self.stores[0]._state
        leases = state.keys.leases
        found = await state.links.call(Call.of("HGETALL", leases))
        for name, lease in found.items():
            ended = b" ".join((b"1", *lease.split(b" ", 1)[1:]))
            await state.links.call(Call.of("HSET", leases, name, ended))


class _InCluster(_InRedis):
    server = "redis_cluster_of_three"


PAIRS = {"memory": _InMemory, "redis": _InRedis, "redis cluster": _InCluster}


@pytest.fixture(params=PAIRS.values(), ids=[*PAIRS])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Return two nodes that have joined, of each kind of store that is shared."""
    pair: Pair = request.param(request)
    for store, name in ((pair.a, "a"), (pair.b, "b")):
        await store.open()
        await store.ownership.join(Node(name, f"{name}:8000", 1))
    yield pair
    for store in (pair.a, pair.b):
        await store.close()
