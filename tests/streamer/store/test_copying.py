from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ncs_streamer.store import Append, SqliteStore, StoreError, StreamKey
from ncs_streamer.store.sqlite.copying import copy_file

pytestmark = pytest.mark.unit

A, B = StreamKey("acme", "a"), StreamKey("acme", "b")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store with two streams that look alike."""
    store = SqliteStore(tmp_path / "ncs.db")
    await store.open()
    for key in (A, B):
        name = key.stream.encode()
        entries = [Append(key, n, name) for n in range(1, 6)]
        await store.journal.append(entries)
        await store.snapshots.save(key, 2, name)
        await store.snapshots.save(key, 4, name)
        await store.journal.truncate(key, 2)
        await store.history.record(key, [(7, name)], 0)
    yield store
    await store.close()


async def everything(store: SqliteStore, key: StreamKey) -> list[object]:
    return [
        await store.journal.read(key, 0, 99),
        await store.journal.tail(key),
        await store.snapshots.load(key),
        await store.history.recent(key, 99),
    ]


async def test_a_copy_has_all_of_one_stream_and_nothing_else(
    store: SqliteStore, tmp_path: Path
) -> None:
    target = tmp_path / "backups" / "one" / "ncs.db"
    copy_file(tmp_path / "ncs.db", B, target)
    copy = SqliteStore(target, read_only=True)
    await copy.open()
    try:
        assert await copy.streams() == [B]
        assert await everything(copy, B) == await everything(store, B)
    finally:
        await copy.close()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


async def test_a_folder_that_is_there_is_not_written_into(
    store: SqliteStore, tmp_path: Path
) -> None:
    target = tmp_path / "one" / "ncs.db"
    copy_file(tmp_path / "ncs.db", A, target)
    with pytest.raises(StoreError, match="cannot be copied"):
        copy_file(tmp_path / "ncs.db", B, target)


async def test_a_store_for_reading_is_not_written(
    store: SqliteStore, tmp_path: Path
) -> None:
    await store.check(4096)
    looking = SqliteStore(tmp_path / "ncs.db", read_only=True)
    await looking.open()
    try:
        assert await looking.streams() == [A, B]
        with pytest.raises(StoreError, match="opened for reading only"):
            await looking.journal.append([Append(A, 6, b"")])
        await store.journal.append([Append(A, 6, b"new")])
        assert await looking.journal.tail(A) == 6
    finally:
        await looking.close()


async def test_a_store_for_reading_is_not_made(tmp_path: Path) -> None:
    looking = SqliteStore(tmp_path / "none" / "ncs.db", read_only=True)
    with pytest.raises(StoreError, match="there is no store at"):
        await looking.open()
    await looking.close()
    assert not (tmp_path / "none").exists()
