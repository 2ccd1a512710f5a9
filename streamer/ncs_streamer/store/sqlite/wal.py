"""Moving what is in the write-ahead log to its place, mostly beside the writer.

An fsync after writing over blocks that the file has is cheaper than one that makes it
longer, where the file system commits a journal of its own, with whatever else the disk
has to do: at the median 0.8 ms against 2.8. So the log is not cut but begun anew, and
for that SQLite must find nothing left in it. A thread moves the bulk while the writer
goes on; what has been added meanwhile is little, and the writer moves it between two
commits. Where readers hold it up it is tried again later, and nobody waits for them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["MOST", "WalCleaner"]

_FRAME_BYTES = 4096 + 24  # a page and its header, in the log
_FROM = 8 * 2**20
_REST = 2**20  # that the writer moves itself
MOST = 64 * 2**20
"""From which on the writer does not run ahead of the thread; the log is cut to that."""


class WalCleaner:
    """Belongs to the writing thread.

    Args:
        connect: makes a connection to the store.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._thread = ThreadPoolExecutor(1, "ncs-store-clean")
        self._bulk: Future[int] | None = None
        self._waiting = 0  # bytes in the log that are not where they belong, roughly
        self._moving = 0  # of them, when the bulk was begun
        self._from = _FROM

    def written(self, connection: sqlite3.Connection, size: int) -> None:
        """Take note of a commit.

        Args:
            connection: of the writer, in no transaction.
            size: bytes that it made the log longer by, roughly.
        """
        self._waiting += size
        if self._bulk is not None:
            if not self._bulk.done() and self._waiting < MOST:
                return
            left = self._bulk.result()
            moved, self._bulk = self._moving - left, None
            self._waiting -= moved
            if self._waiting <= _REST or self._waiting >= MOST:
                self._waiting = _move(connection, self._waiting)
                moved = 0
            self._from = _REST if moved > 0 else self._waiting + _FROM
        if self._waiting >= self._from:
            self._moving = self._waiting
            self._bulk = self._thread.submit(self._move_bulk, self._moving)

    def _move_bulk(self, size: int) -> int:
        try:
            with contextlib.closing(self._connect()) as connection:
                return _move(connection, size)
        except sqlite3.Error:  # it cannot even be opened: nothing has been moved
            return size

    def close(self) -> None:
        """Let what runs end."""
        self._thread.shutdown()


def _move(connection: sqlite3.Connection, size: int) -> int:
    """Move what can be moved without waiting; return bytes left of `size`."""
    try:
        query = connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        is_busy, frames, moved = query.fetchone()
    except sqlite3.Error:  # the disk may be full; the next commit tells
        return size
    return size if is_busy else (frames - moved) * _FRAME_BYTES
