"""The write-ahead log of the embedded store: it stays small, whatever is written."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.store import Append, SqliteStore, StreamKey

pytestmark = pytest.mark.unit

KEY = StreamKey("acme", "line")


async def fill(store: SqliteStore, first: int, count: int) -> None:
    for offset in range(first, first + count):
        await store.journal.append([Append(KEY, offset, bytes(100_000))])


async def test_the_log_is_written_over_and_does_not_grow(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ncs.db")
    await store.open()
    wal = tmp_path / "ncs.db-wal"
    sizes = []
    for round_ in range(20):
        await fill(store, 1 + 100 * round_, 100)  # 10 MB
        sizes.append(wal.stat().st_size)
    assert max(sizes) < 70 * 2**20
    assert len(set(sizes[-5:])) < 5, "it was longer each time"
    await store.close()


async def test_a_reader_that_holds_the_log_up_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "ncs.db")
    await store.open()
    await fill(store, 1, 10)
    wal = tmp_path / "ncs.db-wal"
    with contextlib.closing(sqlite3.connect(tmp_path / "ncs.db")) as reader:
        rows = reader.execute("SELECT offset FROM journal")
        assert rows.fetchone() == (1,)
        async with asyncio.timeout(20):
            await fill(store, 11, 1000)  # 100 MB
        assert wal.stat().st_size > 90 * 2**20
        rows.close()
    # Once it is gone the log is moved and cut to its size again.
    offset = 1011
    async with asyncio.timeout(20):
        while wal.stat().st_size > 65 * 2**20:
            await fill(store, offset, 1)
            offset += 1
    await store.close()


async def test_a_log_that_cannot_be_moved_stops_no_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "ncs.db")
    await store.open()

    def fail(*args: Any, **more: Any) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", fail)
        await fill(store, 1, 200)  # 20 MB
    await fill(store, 201, 200)
    assert await store.journal.tail(KEY) == 400
    await store.close()


async def test_what_is_in_the_log_is_there_after_a_crash(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ncs.db")
    await store.open()
    await fill(store, 1, 60)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("ncs.db", "ncs.db-wal"):  # as a power cut would leave them
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    await store.close()
    again = SqliteStore(copy / "ncs.db")
    await again.open()
    assert await again.journal.tail(KEY) == 60
    assert len(await again.journal.read(KEY, 0, 100)) == 60
    await again.close()


async def test_a_long_truncation_lets_appends_in_between(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ncs.db")
    await store.open()
    await fill(store, 1, 200)
    done: list[str] = []

    async def truncate() -> None:
        await store.journal.truncate(KEY, 150)
        done.append("truncated")

    async def append() -> None:
        await asyncio.sleep(0)
        await fill(store, 201, 1)
        done.append("appended")

    await asyncio.gather(truncate(), append())
    assert done == ["appended", "truncated"]
    assert [offset for offset, _ in await store.journal.read(KEY, 0, 3)] == [
        151,
        152,
        153,
    ]
    await store.close()
