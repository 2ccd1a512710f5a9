from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ncs_streamer.store import Append, SqliteStore, StoreError, StreamKey
from ncs_streamer.store.sqlite import connections
from ncs_streamer.store.sqlite.connections import Connections
from ncs_streamer.store.sqlite.schema import SCHEMA_VERSION

pytestmark = pytest.mark.unit

A = StreamKey("acme", "a")
FULL = 2  # https://www.sqlite.org/pragma.html#pragma_synchronous


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ncs.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


def ask(path: Path, question: str) -> Any:
    """Ask the file through a connection of the test's own."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question).fetchone()[0]
    finally:
        connection.close()


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def content(path: Path) -> bytes:
    return path.read_bytes()


def wrong(path: Path, content: bytes) -> Path:
    """Put something else into the place of the file."""
    path.parent.mkdir()
    path.write_bytes(content)
    return path


# What durability needs


async def test_the_file_is_in_wal_mode(store: SqliteStore, path: Path) -> None:
    assert ask(path, "PRAGMA journal_mode") == "wal"


async def test_the_writing_connection_waits_for_the_disk(path: Path) -> None:
    opened = Connections(path)
    await opened.open()
    try:
        level = await opened.write(
            lambda c: c.execute("PRAGMA synchronous").fetchone()[0]
        )
    finally:
        await opened.close()
    assert level == FULL


async def test_what_is_acknowledged_is_seen_by_others_at_once(
    store: SqliteStore, path: Path
) -> None:
    await store.journal.append([Append(A, 1, b"one")])
    assert ask(path, "SELECT payload FROM journal") == b"one"


async def test_what_a_process_that_died_had_written_is_there(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    await store.journal.append([Append(A, 1, b"one")])
    shutil.copytree(path.parent, tmp_path / "left")  # as it is on disk, not closed
    found = SqliteStore(tmp_path / "left" / path.name)
    await found.open()
    entries = await found.journal.read(A, 0, 9)
    await found.close()
    assert entries == [(1, b"one")]


# The file


async def test_a_missing_folder_is_made(store: SqliteStore, path: Path) -> None:
    assert names(path.parent) >= {"ncs.db"}


async def test_the_file_tells_its_schema_version(
    store: SqliteStore, path: Path
) -> None:
    assert ask(path, "PRAGMA user_version") == SCHEMA_VERSION


async def test_closing_leaves_one_file(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.check(4096)
    await store.close()
    assert names(path.parent) == {"ncs.db"}


async def test_no_thread_is_left_after_closing(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.streams()
    await store.close()
    left = [thread.name for thread in threading.enumerate()]
    assert not [name for name in left if name.startswith("ncs-store")]


async def refusal(path: Path) -> str:
    """Return why the store cannot be opened."""
    store = SqliteStore(path)
    with pytest.raises(StoreError) as caught:
        await store.open()
    await store.close()
    return str(caught.value)


async def test_a_folder_that_is_a_file_is_told_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert str(tmp_path / "data") in await refusal(tmp_path / "data" / "ncs.db")


async def test_a_folder_that_cannot_be_written_is_told_by_its_path() -> None:
    # Permissions do not stop root; nobody can make a folder here.
    assert "/proc/ncs/ncs.db" in await refusal(Path("/proc/ncs/ncs.db"))


async def test_a_file_that_is_a_folder_is_told_by_its_path(path: Path) -> None:
    folder = wrong(path, b"").parent
    assert str(folder) in await refusal(folder)


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" * 50])
async def test_a_file_that_is_no_database_is_told_by_its_path(
    path: Path, content: bytes
) -> None:
    assert str(path) in await refusal(wrong(path, content))


async def test_a_file_that_is_no_database_is_left_as_it_is(path: Path) -> None:
    await refusal(wrong(path, b"precious" * 1000))
    assert content(path) == b"precious" * 1000


async def test_a_newer_schema_is_told_with_both_versions(path: Path) -> None:
    connection = sqlite3.connect(wrong(path, b""))
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    message = await refusal(path)
    assert str(path) in message
    assert f"schema {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION}" in message


# Trouble while it is open


async def test_a_file_that_another_process_locks_is_an_error_until_it_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_BUSY_S", 0.01)
    store = SqliteStore(path)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=rf"{path}: .*locked"):
        await store.journal.append([Append(A, 1, b"")])
    other.execute("COMMIT")
    other.close()
    await store.journal.append([Append(A, 1, b"")])
    await store.close()


CALLS: dict[str, Callable[[SqliteStore], Awaitable[object]]] = {
    "append": lambda store: store.journal.append([Append(A, 1, b"")]),
    "read": lambda store: store.journal.read(A, 0, 1),
    "tail": lambda store: store.journal.tail(A),
    "save": lambda store: store.snapshots.save(A, 1, b""),
    "load": lambda store: store.snapshots.load(A),
    "record": lambda store: store.history.record(A, [(1, b"")], 0),
    "recent": lambda store: store.history.recent(A, 1),
    "user": lambda store: store.directory.user("ada"),
    "check": lambda store: store.check(4096),
    "streams": lambda store: store.streams(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_closed_store_is_an_error_that_names_the_path(
    path: Path, call: Callable[[SqliteStore], Awaitable[object]]
) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()
    with pytest.raises(StoreError) as caught:
        await call(store)
    assert str(path) in str(caught.value)


async def test_closing_twice_is_closing_once(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.close()
    await store.close()


async def test_what_was_begun_before_closing_is_finished(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    appends = [store.journal.append([Append(A, n, b"")]) for n in range(1, 51)]
    await asyncio.gather(*appends, store.close())
    assert ask(path, "SELECT count(*) FROM journal") == 50


async def test_a_write_while_it_closes_is_finished_or_refused(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    closing = asyncio.create_task(store.close())
    append = asyncio.create_task(store.journal.append([Append(A, 1, b"")]))
    await closing
    done, _ = await asyncio.wait([append], timeout=1)
    append.cancel()
    await asyncio.gather(append, return_exceptions=True)
    assert done
