"""Reading a stream's whole journal off the store's file, past the server.

A server forgets entries that its snapshots cover. A trigger keeps a copy of each entry
at that moment, in the same transaction, so that recovery runs as it always does and the
books are complete all the same.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ..entry import Entry, decode_entry

__all__ = ["hold_lock", "journal_of", "keep_what_is_forgotten"]

_FILE = "ncs.db"


def keep_what_is_forgotten(folder: Path) -> None:
    """Have the store of a data folder keep the entries that it forgets."""
    with contextlib.closing(_connect(folder)) as connection:
        connection.executescript(
            """
            CREATE TABLE IF NOT EXISTS forgotten (
              stream INTEGER NOT NULL, offset INTEGER NOT NULL, payload BLOB NOT NULL
            );
            CREATE TRIGGER IF NOT EXISTS keep_forgotten AFTER DELETE ON journal BEGIN
              INSERT INTO forgotten VALUES (old.stream, old.offset, old.payload);
            END;
            """
        )


def journal_of(folder: Path, stream: str) -> Iterator[tuple[int, Entry]]:
    """Yield (offset, entry) of the only stream of that name, from the beginning.

    Raises:
        DamagedError: if an entry is not what was written.
    """
    with contextlib.closing(_connect(folder)) as connection:
        rows = connection.execute(
            "SELECT offset, payload FROM (SELECT * FROM journal UNION ALL"
            " SELECT * FROM forgotten) WHERE stream = (SELECT id FROM streams WHERE"
            " stream = ?) ORDER BY offset",
            (stream,),
        )
        for offset, payload in rows:
            yield offset, decode_entry(payload)


def hold_lock(folder: Path, seconds: float) -> None:
    """Hold the lock on writing to the store; blocks."""
    with contextlib.closing(_connect(folder)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


def _connect(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / _FILE, timeout=30.0, isolation_level=None)
