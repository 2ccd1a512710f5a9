from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.store import Append, SqliteStore, StoreError, StreamKey

pytestmark = pytest.mark.unit

LARGEST_GROUP = 256


class Watched:
    """A store whose commits are counted, and the next of which can be held up.

    While a commit is held, whatever is written has to wait and gathers; so that which
    writes come together does not depend on how fast the disk is.
    """

    def __init__(self, path: Path) -> None:
        self.commits = 0
        self.connections: list[sqlite3.Connection] = []
        self._may_commit = threading.Event()
        self._may_commit.set()
        self._in_transaction = False
        self._traced = ""
        self._connect = sqlite3.connect
        self.store = SqliteStore(path)

    def connect(self, *args: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._connect(*args, **more)
        connection.set_trace_callback(self._trace)
        self.connections.append(connection)
        return connection

    def _trace(self, statement: str) -> None:
        if statement == self._traced:  # once more for each statement of its trigger
            return
        self._traced = statement
        if statement.startswith("BEGIN"):
            self._in_transaction = True
            return
        alone = statement.startswith("INSERT INTO journal") and not self._in_transaction
        if statement == "COMMIT" or alone:
            self._in_transaction = False
            self._may_commit.wait(timeout=10)
            self.commits += 1

    async def append(self, stream: int, offset: int = 1, payload: Any = b"") -> None:
        key = StreamKey("acme", str(stream))
        await self.store.journal.append([Append(key, offset, payload)])

    async def together(self, *writes: Any) -> list[Any]:
        """Let writes gather behind a first one; return what each came to.

        Also counts the commits of all of them anew.
        """
        self._may_commit.clear()
        self.commits = 0

        async def release() -> None:
            self._may_commit.set()

        first = self.append(10**6)
        _, *results, _ = await asyncio.gather(
            first, *writes, release(), return_exceptions=True
        )
        return results


@pytest.fixture
async def watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path / "ncs.db")
    monkeypatch.setattr(sqlite3, "connect", watched.connect)
    await watched.store.open()
    yield watched
    await watched.store.close()


async def test_a_write_that_is_alone_is_committed_alone(watched: Watched) -> None:
    watched.commits = 0
    await watched.append(1)
    assert watched.commits == 1


async def test_writes_one_after_the_other_are_committed_one_by_one(
    watched: Watched,
) -> None:
    watched.commits = 0
    for offset in range(1, 6):
        await watched.append(1, offset)
    assert watched.commits == 5


@pytest.mark.parametrize("writes", [2, 50, LARGEST_GROUP - 1])
async def test_writes_that_gather_share_one_commit(
    watched: Watched, writes: int
) -> None:
    await watched.together(*(watched.append(n) for n in range(writes)))
    assert watched.commits <= 2  # the first one's, and one for all that gathered


async def test_a_group_is_bounded(watched: Watched) -> None:
    await watched.together(*(watched.append(n) for n in range(3 * LARGEST_GROUP)))
    assert 4 <= watched.commits <= 5


async def test_writes_of_all_other_kinds_share_a_commit(watched: Watched) -> None:
    store, key = watched.store, StreamKey("acme", "a")
    await watched.together(
        store.snapshots.save(key, 1, b""),
        store.history.record(key, [(1, b"")], 0),
        store.directory.delete_user("ada"),
    )
    assert watched.commits <= 2


async def test_what_is_appended_does_not_wait_for_other_writes(
    watched: Watched,
) -> None:
    store, key, order = watched.store, StreamKey("acme", "a"), list[str]()

    async def note(name: str, write: Any) -> None:
        await write
        order.append(name)

    await watched.together(
        note("saved", store.snapshots.save(key, 1, b"")),
        note("truncated", store.journal.truncate(key, 1)),
        note("appended", watched.append(1)),
        note("appended", watched.append(2)),
    )
    assert order == ["appended", "appended", "saved", "truncated"]


async def test_other_writes_do_not_wait_for_ever(watched: Watched) -> None:
    store, key = watched.store, StreamKey("acme", "a")

    async def append_for_ever() -> None:
        for offset in itertools.count(1):
            await asyncio.gather(watched.append(1, offset), watched.append(2, offset))

    appending = asyncio.create_task(append_for_ever())
    async with asyncio.timeout(10):
        for offset in range(1, 6):
            await store.snapshots.save(key, offset, b"")
    appending.cancel()


async def test_only_what_is_lazy_does_not_wait_for_the_disk(watched: Watched) -> None:
    levels: list[tuple[str, int]] = []
    writing = watched.connections[0]

    def look(statement: str) -> None:
        kind = statement.split()[0]
        if kind in ("INSERT", "DELETE"):
            writing.set_trace_callback(None)
            (level,) = writing.execute("PRAGMA synchronous").fetchone()
            writing.set_trace_callback(look)
            levels.append((kind, level))

    store, key = watched.store, StreamKey("acme", "1")
    await watched.append(1)
    writing.set_trace_callback(look)
    await store.journal.truncate(key, 1)
    await watched.append(1, 2)
    assert ("DELETE", 1) in levels
    assert {level for kind, level in levels if kind == "INSERT"} == {2}


async def test_writes_to_one_stream_keep_their_order(watched: Watched) -> None:
    results = await watched.together(*(watched.append(1, n) for n in range(1, 101)))
    assert results == [None] * 100
    assert await watched.store.journal.tail(StreamKey("acme", "1")) == 100


FAILING = {"a gap": {"offset": 5}, "a payload that is none": {"payload": []}}


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("place", [0, 5, 9])
async def test_a_write_that_fails_does_not_fail_those_that_came_with_it(
    watched: Watched, failing: dict[str, Any], place: int
) -> None:
    writes = [watched.append(n, **(failing if n == place else {})) for n in range(10)]
    results = await watched.together(*writes)
    kinds = [StoreError if n == place else type(None) for n in range(10)]
    assert [*map(type, results)] == kinds


async def test_of_a_group_with_a_failure_each_write_is_kept_once(
    watched: Watched,
) -> None:
    good = [watched.append(1, n) for n in range(1, 6)]
    await watched.together(*good, watched.append(2, 7))
    streams = await watched.store.streams()
    entries = await watched.store.journal.read(StreamKey("acme", "1"), 0, 99)
    assert [offset for offset, _ in entries] == [1, 2, 3, 4, 5]
    assert StreamKey("acme", "2") not in streams


async def test_several_failures_in_a_group_are_each_told(watched: Watched) -> None:
    writes = [watched.append(n, offset=1 if n % 2 else 9) for n in range(10)]
    results = await watched.together(*writes)
    assert [type(result) for result in results] == [StoreError, type(None)] * 5


async def test_who_gives_up_waiting_leaves_the_others_alone(watched: Watched) -> None:
    impatient = asyncio.create_task(watched.append(1))

    async def give_up() -> None:
        impatient.cancel()

    results = await watched.together(impatient, watched.append(2), give_up())
    assert isinstance(results[0], asyncio.CancelledError)
    assert await watched.store.journal.tail(StreamKey("acme", "2")) == 1


async def test_a_full_disk_is_an_error_and_nothing_is_kept(watched: Watched) -> None:
    writing = watched.connections[0]
    (pages,) = writing.execute("PRAGMA page_count").fetchone()
    writing.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match=r"ncs\.db: .*full"):
        await watched.append(1, payload=bytes(1_000_000))
    assert await watched.store.streams() == []


async def test_when_there_is_room_again_the_store_works_again(
    watched: Watched,
) -> None:
    writing = watched.connections[0]
    (pages,) = writing.execute("PRAGMA page_count").fetchone()
    writing.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError):
        await watched.append(1, payload=bytes(1_000_000))
    writing.execute(f"PRAGMA max_page_count={pages + 10_000}")
    await watched.append(1, payload=bytes(1_000_000))
    assert await watched.store.journal.tail(StreamKey("acme", "1")) == 1


async def test_reading_does_not_wait_for_a_commit(watched: Watched) -> None:
    await watched.append(1)

    async def look() -> int:
        return await watched.store.journal.tail(StreamKey("acme", "1"))

    watched._may_commit.clear()
    write = asyncio.create_task(watched.append(1, 2))
    tails = [await look()]
    watched._may_commit.set()
    await write
    assert [*tails, await look()] == [1, 2]
