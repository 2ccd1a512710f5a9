from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.store import MemoryStore, SqliteStore, Store

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
