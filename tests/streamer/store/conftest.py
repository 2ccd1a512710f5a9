from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.store import MemoryStore, Node, SqliteStore, Store
from ncs_streamer.store.nodes import LocalNodes

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


FACTORIES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda path: MemoryStore(),
    "sqlite": SqliteStore,
    "sqlite, reopened": lambda path: Reopened(lambda: SqliteStore(path)),
}


@pytest.fixture(params=FACTORIES.values(), ids=[*FACTORIES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Return an open store of each kind that there is."""
    store = request.param(tmp_path / "ncs.db")
    await store.open()
    yield store
    await store.close()


class Pair:
    """Two nodes on the same state, and a hand on the clock of their store."""

    def __init__(self) -> None:
        self.now = 0.0
        self.a: Store = MemoryStore(LocalNodes(lambda: self.now))
        self.b: Store = self.a.beside()  # type: ignore[attr-defined]

    async def let_leases_end(self) -> None:
        """Bring it about that the leases of both nodes have ended."""
        self.now += self.a.ownership.lease_s


@pytest.fixture(params=[Pair], ids=["memory"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Return two nodes that have joined, of each kind of store that is shared."""
    pair = request.param()
    for store, name in ((pair.a, "a"), (pair.b, "b")):
        await store.open()
        await store.ownership.join(Node(name, f"{name}:8000", 1))
    yield pair
    for store in (pair.a, pair.b):
        await store.close()
