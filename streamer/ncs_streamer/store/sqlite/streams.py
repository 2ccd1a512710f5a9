"""Journal, snapshots and event history of the streams, in SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from ..contracts import Append, StreamKey, within
from .connections import Connections

__all__ = ["SqliteHistory", "SqliteJournal", "SqliteSnapshots", "replace_stream"]

_PAGES_BYTES = 16 * 1024  # of pages that an append changes beside those it fills
_ROWS_DELETED = 16  # in a first transaction: those of many points are large
_DELETE_S = 0.002  # that a transaction of deletions may take


def _stream_id(connection: sqlite3.Connection, key: StreamKey) -> int | None:
    row = connection.execute(
        "SELECT id FROM streams WHERE tenant=? AND stream=?", key
    ).fetchone()
    return None if row is None else int(row[0])


def _stream_id_made(connection: sqlite3.Connection, key: StreamKey) -> int:
    connection.execute(
        "INSERT INTO streams (tenant, stream) VALUES (?, ?) ON CONFLICT DO NOTHING", key
    )
    found = _stream_id(connection, key)
    assert found is not None
    return found


class _Ids:
    """The ids of streams, remembered; belongs to the writing thread."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._known: dict[StreamKey, int] = {}
        self._rollbacks = 0

    def of(self, connection: sqlite3.Connection, key: StreamKey) -> int:
        """Return the id of a stream; if it is new it is made, in a transaction."""
        if self._rollbacks != self._connections.rollbacks:
            # Some of the ids may never have come to be, and another stream get them.
            self._known.clear()
            self._rollbacks = self._connections.rollbacks
        found = self._known.get(key)
        if found is None:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            found = self._known[key] = _stream_id_made(connection, key)
        return found


class SqliteJournal:
    """See `contracts`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._ids = _Ids(connections)

    async def append(self, entries: Sequence[Append]) -> None:
        if entries:
            size = sum(len(entry.payload) for entry in entries) + _PAGES_BYTES
            await self._connections.insert(self._insert, entries, size)

    def _insert(
        self, connection: sqlite3.Connection, entries: Sequence[Append]
    ) -> None:
        """Append by one statement; a trigger does what goes with it."""
        marks = ",".join(("(?,?,?)",) * len(entries))
        values = [
            value
            for key, offset, payload in entries
            for value in (self._ids.of(connection, key), offset, payload)
        ]
        connection.execute(
            f"INSERT INTO journal (stream, offset, payload) VALUES {marks}",  # noqa: S608 - question marks
            values,
        )

    async def read(
        self, key: StreamKey, after: int, limit: int, max_bytes: int | None = None
    ) -> list[tuple[int, bytes]]:
        return await self._connections.read(
            lambda c: within(
                c.execute(
                    "SELECT offset, payload FROM journal WHERE stream=? AND offset>?"
                    " ORDER BY offset LIMIT ?",
                    (_stream_id(c, key), after, limit),
                ),
                max_bytes,
            )
        )

    async def tail(self, key: StreamKey) -> int:
        row = await self._connections.read(
            lambda c: c.execute(
                "SELECT tail FROM streams WHERE tenant=? AND stream=?", key
            ).fetchone()
        )
        return 0 if row is None else int(row[0])

    async def truncate(self, key: StreamKey, through: int) -> None:
        """Delete a few rows at a time: what waits to be appended comes in between."""
        rows = _ROWS_DELETED

        def job(connection: sqlite3.Connection) -> tuple[int, float]:
            began = time.perf_counter()
            stream = _stream_id(connection, key)
            deleted = connection.execute(
                "DELETE FROM journal WHERE stream=? AND offset<=min(?,"
                " (SELECT min(offset) FROM journal WHERE stream=?) + ?)",
                (stream, through, stream, rows - 1),
            ).rowcount
            return deleted, time.perf_counter() - began

        while True:
            deleted, seconds = await self._connections.write(job, is_lazy=True)
            if deleted < rows:
                return
            # Many of a point each, or few of a thousand.
            rows = 2 * rows if seconds < _DELETE_S / 2 else max(1, rows // 2)


class SqliteSnapshots:
    """See `contracts`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def save(self, key: StreamKey, offset: int, payload: bytes) -> None:
        def job(connection: sqlite3.Connection) -> None:
            stream = _stream_id_made(connection, key)
            connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)",
                (stream, offset, payload),
            )
            connection.execute(
                "DELETE FROM snapshots WHERE stream=? AND offset NOT IN (SELECT offset"
                " FROM snapshots WHERE stream=? ORDER BY offset DESC LIMIT 2)",
                (stream, stream),
            )

        await self._connections.write(job)

    async def load(self, key: StreamKey) -> list[tuple[int, bytes]]:
        return await self._connections.read(
            lambda c: c.execute(
                "SELECT offset, payload FROM snapshots WHERE stream=?"
                " ORDER BY offset DESC",
                (_stream_id(c, key),),
            ).fetchall()
        )

    async def offsets(self, key: StreamKey) -> list[int]:
        rows = await self._connections.read(
            lambda c: c.execute(
                "SELECT offset FROM snapshots WHERE stream=? ORDER BY offset DESC",
                (_stream_id(c, key),),
            ).fetchall()
        )
        return [int(row[0]) for row in rows]


class SqliteHistory:
    """See `contracts`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def record(
        self, key: StreamKey, events: Sequence[tuple[int, bytes]], forget: int
    ) -> None:
        def job(connection: sqlite3.Connection) -> None:
            stream = _stream_id_made(connection, key)
            connection.executemany(
                "INSERT OR IGNORE INTO events VALUES (?, ?, ?)",
                [(stream, offset, payload) for offset, payload in events],
            )
            connection.execute(
                "DELETE FROM events WHERE stream=? AND offset<=?", (stream, forget)
            )

        await self._connections.write(job)

    async def recent(self, key: StreamKey, through: int) -> list[tuple[int, bytes]]:
        return await self._connections.read(
            lambda c: c.execute(
                "SELECT offset, payload FROM events WHERE stream=? AND offset<=?"
                " ORDER BY offset",
                (_stream_id(c, key), through),
            ).fetchall()
        )

    async def clear(self, key: StreamKey) -> None:
        await self._connections.write(
            lambda c: c.execute(
                "DELETE FROM events WHERE stream=?", (_stream_id(c, key),)
            )
        )


def replace_stream(
    connection: sqlite3.Connection, key: StreamKey, offset: int, snapshot: bytes
) -> None:
    """See `SqliteStore.replace`; within a transaction."""
    stream = _stream_id_made(connection, key)
    for table in ("journal", "snapshots", "events"):
        connection.execute(f"DELETE FROM {table} WHERE stream=?", (stream,))  # noqa: S608 - constants
    connection.execute(
        "INSERT INTO snapshots VALUES (?, ?, ?)", (stream, offset, snapshot)
    )
    connection.execute("UPDATE streams SET tail=? WHERE id=?", (offset, stream))
