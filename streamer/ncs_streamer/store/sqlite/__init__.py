"""The embedded store: one SQLite file, WAL, fsync before every commit returns."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

from ..contracts import (
    Channel,
    Directory,
    EventHistory,
    Journal,
    Losses,
    Ownership,
    SnapshotStore,
    StreamKey,
)
from ..nodes import LocalChannel, LocalOwnership
from .connections import Connections
from .directory import SqliteDirectory
from .streams import SqliteHistory, SqliteJournal, SqliteSnapshots, replace_stream

__all__ = ["SqliteStore"]

_LEAST = 4096  # bytes of a check


class SqliteStore:
    """Implements `Store` in one file, for one node; see `lock_folder`.

    Args:
        path: the file; its folder is made if it is missing.
        read_only: only look, also beside a running server.
    """

    durability: str = "local"

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.place = str(path)
        self._connections = Connections(path, read_only=read_only)
        self.journal: Journal = SqliteJournal(self._connections)
        self.snapshots: SnapshotStore = SqliteSnapshots(self._connections)
        self.history: EventHistory = SqliteHistory(self._connections)
        self.directory: Directory = SqliteDirectory(self._connections)
        self.ownership: Ownership = LocalOwnership()
        self.channel: Channel = LocalChannel()
        self.losses = Losses()

    async def open(self) -> None:
        """See `Store.open`."""
        await self._connections.open()

    async def check(self, size: int) -> None:
        """See `Store.check`."""
        # In two transactions: what is dropped in the same one is never written.
        for fill in (max(size, _LEAST), _LEAST):
            await self._connections.write(partial(_check, fill), size=fill)

    async def streams(self) -> list[StreamKey]:
        """See `Store.streams`."""
        rows = await self._connections.read(
            lambda c: c.execute(
                "SELECT tenant, stream FROM streams WHERE tail > 0"
                " OR EXISTS (SELECT 1 FROM snapshots WHERE stream = streams.id)"
                " ORDER BY tenant, stream"
            ).fetchall()
        )
        return [StreamKey(*row) for row in rows]

    async def replace(self, key: StreamKey, offset: int, snapshot: bytes) -> None:
        """See `Store.replace`."""
        await self._connections.write(
            lambda c: replace_stream(c, key, offset, snapshot)
        )

    async def close(self) -> None:
        """See `Store.close`."""
        await self._connections.close()


def _check(size: int, connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO checks VALUES (1, randomblob(?))"
        " ON CONFLICT DO UPDATE SET filler=excluded.filler",
        (size,),
    )
    # The pages that the next append needs may be bad while others are good.
    connection.execute(
        "SELECT (SELECT max(offset) FROM journal WHERE stream=id) FROM streams"
    ).fetchall()
