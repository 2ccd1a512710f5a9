"""The threads that talk to SQLite: one writes, by group commit, and one reads.

The writer commits everything that has gathered meanwhile in one transaction: idle, a
write passes at once; loaded, many share one fsync. WAL lets the reader run beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ..contracts import StoreError
from ..file_system import check_file_system
from .schema import SCHEMA, SCHEMA_VERSION, TRIGGERS
from .wal import MOST, WalCleaner

__all__ = ["Connections"]

_BUSY_S = 5.0
_MAX_GROUP = 256
_FULL = 2  # of PRAGMA synchronous: an fsync before a commit returns
_DAMAGED = ("database disk image is malformed", "file is not a database")
_SIZE = 64 * 1024  # of what a job writes that does not say

_T = TypeVar("_T")
_Job = Callable[[sqlite3.Connection], Any]
_Write = tuple[_Job, asyncio.Future[Any], bool, int]


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
        self._jobs: queue.SimpleQueue[_Write | None]
        self._jobs = queue.SimpleQueue()  # bounded by its callers, who await each job
        self._writer: threading.Thread | None = None  # while it is open
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
                self._jobs.put(None)
                await asyncio.to_thread(self._writer.join)
            await self._loop.run_in_executor(self._reader, self._reading.close)
        self._reader.shutdown()

    async def write(
        self,
        job: Callable[[sqlite3.Connection], _T],
        *,
        is_atomic: bool = False,
        size: int = _SIZE,
    ) -> _T:
        """Run `job` in a transaction; return when it is on disk.

        Args:
            job: called on the writing thread.
            is_atomic: whether it may do without, because one statement does it all.
            size: bytes that it writes, roughly.
        """
        loop = self._open_loop()
        if self._writer is None:
            raise StoreError(f"{self._path}: opened for reading only")
        future: asyncio.Future[_T] = loop.create_future()
        self._jobs.put((job, future, is_atomic, size))
        return await future

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
        closing = False
        while not closing:
            group = []
            job = self._jobs.get()
            while job is not None:
                group.append(job)
                if len(group) >= _MAX_GROUP or self._jobs.empty():
                    break
                job = self._jobs.get()
            closing = job is None
            if group:
                self._commit(connection, group)
                size = sum(size for *_, size in group)
                self._cleaner.written(connection, size)
        self._cleaner.close()
        connection.close()

    def _commit(self, connection: sqlite3.Connection, group: list[_Write]) -> None:
        job, future, is_atomic, _ = group[0]
        try:
            if len(group) == 1 and is_atomic:  # each statement waits for other threads
                results = [job(connection)]
            else:
                connection.execute("BEGIN IMMEDIATE")
                results = [job(connection) for job, *_ in group]
                connection.execute("COMMIT")
        except Exception as error:
            self.rollbacks += 1
            with contextlib.suppress(sqlite3.Error):  # SQLite may have done so already
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if len(group) > 1:  # find the culprit; the others shall not suffer
                for one in group:
                    self._commit(connection, [one])
            else:
                self._answer(future, None, _store_error(self._path, error))
            return
        for (_, future, *_), result in zip(group, results, strict=True):
            self._answer(future, result, None)

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


def _store_error(path: Path, error: Exception) -> StoreError:
    if isinstance(error, StoreError):
        return error
    if isinstance(error, sqlite3.DatabaseError) and str(error) in _DAMAGED:
        return StoreError(
            f"store_damaged: {path}: {error}. Put the data folder's backup back, or"
            " save what can be read: `sqlite3 ncs.db .recover | sqlite3 saved.db`"
        )
    return StoreError(f"{path}: {error}")
