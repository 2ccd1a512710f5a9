"""The threads that talk to SQLite: one writes, by group commit, and one reads.

The writer commits what has gathered meanwhile together: idle, a write passes at once;
loaded, many share one fsync. Rows that somebody waits for come before other jobs, and
those that gather are inserted at once. WAL lets the reader run beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..contracts import StoreError
from ..file_system import check_file_system
from .schema import SCHEMA, SCHEMA_VERSION, TRIGGERS
from .wal import MOST, WalCleaner

__all__ = ["Connections"]

_BUSY_S = 5.0
_MAX_GROUP = 256
_PASS_BY = 4  # groups of rows, before jobs have to wait no more
_ROWS = 333  # inserted by one statement: three values each, of 999 that may be
_NORMAL, _FULL = 1, 2  # of PRAGMA synchronous: FULL is an fsync before a commit returns
_DAMAGED = ("database disk image is malformed", "file is not a database")
_SIZE = 64 * 1024  # of what a job writes that does not say

_T = TypeVar("_T")


class _Write(NamedTuple):
    """A job to run, or rows to insert by it."""

    future: asyncio.Future[Any]
    size: int
    job: Callable[..., Any]
    is_lazy: bool = False
    rows: Sequence[Any] = ()
    """To call `job` with, together with those of others; or none."""


class Connections:
    """The writing thread with its group commit, and the reading thread.

    Args:
        path: of the file.
        read_only: whether there is no writing thread, and nothing is made or changed.

    Attributes:
        rollbacks: how often what jobs had done was undone. For the writing thread.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._is_open = False
        self.rollbacks = 0
        self._arriving: queue.SimpleQueue[_Write | None]
        self._arriving = queue.SimpleQueue()  # bounded by its callers, who await each
        self._writer: threading.Thread | None = None  # while it is open
        self._level = _FULL  # of PRAGMA synchronous, for the writing thread
        self._reader = ThreadPoolExecutor(1, "ncs-store-read")
        self._cleaner = WalCleaner(self._connect)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        connection = await asyncio.to_thread(self._prepare)
        if self._read_only:
            self._reading = connection
        else:
            self._writer = threading.Thread(
                target=self._write_loop, args=(connection,), name="ncs-store-write"
            )
            self._writer.start()
            connect = self._connect
            self._reading = await self._loop.run_in_executor(self._reader, connect)
        self._is_open = True

    async def close(self) -> None:
        was_open, self._is_open = self._is_open, False  # from here on nothing is taken
        if was_open:
            assert self._loop is not None
            if self._writer is not None:
                self._arriving.put(None)
                await asyncio.to_thread(self._writer.join)
            await self._loop.run_in_executor(self._reader, self._reading.close)
        self._reader.shutdown()

    async def write(
        self,
        job: Callable[[sqlite3.Connection], _T],
        *,
        is_lazy: bool = False,
        size: int = _SIZE,
    ) -> _T:
        """Run `job` in a transaction; return when it is on disk.

        Args:
            job: called on the writing thread.
            is_lazy: whether it may be undone by a crash of the machine.
            size: bytes that it writes, roughly.
        """
        future = self._future()
        self._arriving.put(_Write(future, size, job, is_lazy))
        result: _T = await future
        return result

    async def insert(
        self,
        job: Callable[[sqlite3.Connection, Sequence[_T]], None],
        rows: Sequence[_T],
        size: int,
    ) -> None:
        """Insert rows, all or none, before other jobs; return when they are on disk.

        Args:
            job: does it in one statement, or begins a transaction; always the same.
            rows: one at least; those of others may come with them.
            size: bytes that they take, roughly.
        """
        future = self._future()
        self._arriving.put(_Write(future, size, job, rows=rows))
        await future

    def _future(self) -> asyncio.Future[Any]:
        loop = self._open_loop()
        if self._writer is None:
            raise StoreError(f"{self._path}: opened for reading only")
        return loop.create_future()

    async def read(self, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `job` on the reading connection."""
        loop = self._open_loop()
        try:
            return await loop.run_in_executor(self._reader, job, self._reading)
        except sqlite3.Error as error:
            raise _store_error(self._path, error) from None

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        if not self._is_open or self._loop is None:
            raise StoreError(f"{self._path}: the store is closed")
        return self._loop

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"PRAGMA journal_size_limit={MOST}")
        return connection

    def _prepare(self) -> sqlite3.Connection:
        """Open the file, bring it to today's schema, check what durability needs."""
        if self._read_only and not self._path.exists():
            raise StoreError(
                f"there is no store at {self._path}; choose its folder with --data-dir"
            )
        try:
            if self._read_only:
                connection = self._connect()
                self._check_version(connection)
                return connection
            self._path.parent.mkdir(parents=True, exist_ok=True)
            check_file_system(self._path.parent)
            self._path.touch(mode=0o600)  # it holds hashes of passwords
            connection = self._connect()
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise StoreError(
                    f"{self._path}: the file system does not allow SQLite's WAL mode"
                    f" (got {mode!r}); put data_dir on a local disk"
                )
            (level,) = connection.execute("PRAGMA synchronous").fetchone()
            if level < _FULL:
                raise StoreError(
                    f"{self._path}: this SQLite does not wait for the disk (PRAGMA"
                    f" synchronous is {level}), so nothing could be acknowledged"
                )
            if self._check_version(connection) == 0:
                connection.executescript(
                    f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
                )
            connection.executescript(TRIGGERS)
            # Shows now, and not at the first point, that the folder can be written.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise _store_error(self._path, error) from None
        return connection

    def _check_version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self._path} was written by a newer version (schema {version},"
                f" this one knows {SCHEMA_VERSION})"
            )
        return version

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        inserts, jobs = deque[_Write](), deque[_Write]()
        closing, passed_by = False, 0
        while True:
            while not self._arriving.empty() or not (inserts or jobs or closing):
                write = self._arriving.get()
                if write is None:
                    closing = True
                else:
                    (inserts if write.rows else jobs).append(write)
            if inserts and (not jobs or passed_by < _PASS_BY):
                passed_by = passed_by + 1 if jobs else 0
                group = _next(inserts)
            elif jobs:
                passed_by = 0
                group = _next(jobs)
            else:
                break
            self._commit(connection, group)
            self._cleaner.written(connection, sum(write.size for write in group))
        self._cleaner.close()
        connection.close()

    def _commit(self, connection: sqlite3.Connection, group: list[_Write]) -> None:
        try:
            results = self._run(connection, group)
        except Exception as error:
            self.rollbacks += 1
            with contextlib.suppress(sqlite3.Error):  # SQLite may have done so already
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if len(group) > 1:  # find the culprit; the others shall not suffer
                for one in group:
                    self._commit(connection, [one])
            else:
                self._answer(group[0].future, None, _store_error(self._path, error))
            return
        for write, result in zip(group, results, strict=True):
            self._answer(write.future, result, None)

    def _run(self, connection: sqlite3.Connection, group: list[_Write]) -> list[Any]:
        """Run the jobs, or insert the rows; return what came of each once it is safe.

        After each statement the thread has to wait for the interpreter's lock. So rows
        that one statement takes need no transaction beside it.
        """
        self._wait_for_disk(connection, level=_NORMAL if group[0].is_lazy else _FULL)
        rows = [row for write in group for row in write.rows]
        if not 0 < len(rows) <= _ROWS:
            connection.execute("BEGIN IMMEDIATE")
        if rows:
            results = [None] * len(group)
            for start in range(0, len(rows), _ROWS):
                group[0].job(connection, rows[start : start + _ROWS])
        else:
            results = [write.job(connection) for write in group]
        if connection.in_transaction:  # a job may have begun one
            connection.execute("COMMIT")
        return results

    def _wait_for_disk(self, connection: sqlite3.Connection, level: int) -> None:
        """Let commits wait for the disk, or not, from here on."""
        if level != self._level:
            connection.execute(f"PRAGMA synchronous={level}")
            self._level = level

    def _answer(
        self, future: asyncio.Future[Any], result: Any, error: StoreError | None
    ) -> None:
        def settle() -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        assert self._loop is not None
        self._loop.call_soon_threadsafe(settle)


def _next(waiting: deque[_Write]) -> list[_Write]:
    """Take what can be committed together; what is lazy may take long, and is alone."""
    group = [waiting.popleft()]
    while (
        waiting
        and len(group) < _MAX_GROUP
        and not (group[0].is_lazy or waiting[0].is_lazy)
    ):
        group.append(waiting.popleft())
    return group


def _store_error(path: Path, error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    if isinstance(error, sqlite3.DatabaseError) and str(error) in _DAMAGED:
        return StoreError(
            f"store_damaged: {path}: {error}. Put the data folder's backup back, or"
            " save what can be read: `sqlite3 ncs.db .recover | sqlite3 saved.db`"
        )
    return StoreError(f"{path}: {error}")
