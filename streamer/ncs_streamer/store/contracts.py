"""What a store promises. One contract test suite runs against every implementation.

All methods are coroutines called from the event loop's thread. Any of them may raise
`StoreError`; the store stays usable and the call may be repeated. Payloads are opaque
bytes to the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ..auth.directory import Directory

__all__ = [
    "Append",
    "Directory",
    "EventHistory",
    "Journal",
    "SnapshotStore",
    "Store",
    "StoreError",
    "StreamKey",
]


class StoreError(Exception):
    """The store cannot do what was asked, for now; the message says why."""


class StreamKey(NamedTuple):
    """Identity of a stream."""

    tenant: str
    stream: str


class Append(NamedTuple):
    """One journal entry to append."""

    key: StreamKey
    offset: int
    payload: bytes


class Journal(Protocol):
    """The ordered record of everything that was applied to each stream."""

    async def append(self, entries: Sequence[Append]) -> None:
        """Make all entries durable, or none.

        Offsets of a stream follow each other without a gap. When this returns, the
        entries survive whatever the store's level of durability promises; when it
        raises, whether they do is unknown until `tail` is asked.
        """

    async def read(
        self, key: StreamKey, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Return up to `limit` (offset, payload) with offset > `after`, ascending."""

    async def tail(self, key: StreamKey) -> int:
        """Return the last offset, or 0 for a stream without entries."""

    async def truncate(self, key: StreamKey, through: int) -> None:
        """Forget entries with offset <= `through`; `tail` does not change."""


class SnapshotStore(Protocol):
    """Saved models; the last two of each stream are kept."""

    async def save(self, key: StreamKey, offset: int, payload: bytes) -> None:
        """Keep a snapshot of the stream at a journal offset, durably, or not at all."""

    async def load(self, key: StreamKey) -> list[tuple[int, bytes]]:
        """Return (offset, payload), newest first."""


class EventHistory(Protocol):
    """The last lossless events of each stream, for readers that come back."""

    async def record(
        self, key: StreamKey, events: Sequence[tuple[int, bytes]], keep: int
    ) -> None:
        """Keep (offset, payload), and of the stream only the `keep` newest.

        An offset that is already there is left as it is: replay records again.
        """

    async def recent(self, key: StreamKey, through: int) -> list[tuple[int, bytes]]:
        """Return (offset, payload) with offset <= `through`, ascending."""


class Store(Protocol):
    """All of it, opened and closed together."""

    durability: str
    """The level at which an append is durable: `memory` or `local`."""
    journal: Journal
    snapshots: SnapshotStore
    history: EventHistory
    directory: Directory

    async def open(self) -> None:
        """Make it usable, checking that it can keep its level of durability.

        Raises:
            StoreError: saying what is in the way and where.
        """

    async def check(self) -> None:
        """Write something small durably, to find out whether it can be done."""

    async def streams(self) -> list[StreamKey]:
        """Return every stream that has entries or a snapshot, sorted."""

    async def close(self) -> None:
        """Finish what was begun and let go."""
