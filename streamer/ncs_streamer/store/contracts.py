"""What a store promises. One contract test suite runs against every implementation.

All methods are coroutines called from the event loop's thread. Any of them may raise
`StoreError`; the store stays usable and the call may be repeated. Payloads are opaque
bytes to the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from ..auth.directory import Directory

__all__ = [
    "Append",
    "DamageError",
    "Directory",
    "EventHistory",
    "Journal",
    "SnapshotStore",
    "Store",
    "StoreError",
    "StreamKey",
    "within",
]


class StreamKey(NamedTuple):
    """Identity of a stream."""

    tenant: str
    stream: str


class StoreError(Exception):
    """The store cannot do what was asked, for now; the message says why."""


class DamageError(StoreError):
    """What is stored is not what was written; going on without it would lose points.

    Attributes:
        code: `journal_entry_missing`, `journal_entry_damaged`, `snapshot_damaged`,
            `replay_failed`.
        key: the stream.
        offset: where in its journal.
    """

    def __init__(
        self, code: str, key: StreamKey, offset: int, place: str, what: str, advice: str
    ) -> None:
        super().__init__(
            f"{code}: stream {key.stream!r} of tenant {key.tenant!r}, offset {offset},"
            f" in {place}: {what}. {advice}"
        )
        self.code = code
        self.key = key
        self.offset = offset


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
        self, key: StreamKey, after: int, limit: int, max_bytes: int | None = None
    ) -> list[tuple[int, bytes]]:
        """Return up to `limit` (offset, payload) with offset > `after`, ascending.

        No more are returned than `max_bytes` hold, but one at least if there is one.
        """

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

    async def offsets(self, key: StreamKey) -> list[int]:
        """Return the offsets alone, newest first."""


class EventHistory(Protocol):
    """The last lossless events of each stream, for readers that come back."""

    async def record(
        self, key: StreamKey, events: Sequence[tuple[int, bytes]], forget: int
    ) -> None:
        """Keep (offset, payload), and forget the stream's with offset <= `forget`.

        An offset that is already there is left as it is: replay records again.
        """

    async def recent(self, key: StreamKey, through: int) -> list[tuple[int, bytes]]:
        """Return (offset, payload) with offset <= `through`, ascending."""

    async def clear(self, key: StreamKey) -> None:
        """Forget all events of the stream."""


class Store(Protocol):
    """All of it, opened and closed together."""

    durability: str
    """The level at which an append is durable: `memory` or `local`."""
    place: str
    """Where it is, for messages."""
    journal: Journal
    snapshots: SnapshotStore
    history: EventHistory
    directory: Directory

    async def open(self) -> None:
        """Make it usable, checking that it can keep its level of durability.

        Raises:
            StoreError: saying what is in the way and where.
        """

    async def check(self, size: int) -> None:
        """Write so many bytes durably, and drop them, to see whether it can be done."""

    async def streams(self) -> list[StreamKey]:
        """Return every stream that has entries or a snapshot, sorted."""

    async def close(self) -> None:
        """Finish what was begun and let go."""


def within(
    entries: Iterable[tuple[int, bytes]], max_bytes: int | None
) -> list[tuple[int, bytes]]:
    """Return the first entries that `max_bytes` hold, one at least; see `Journal`."""
    taken, size = list[tuple[int, bytes]](), 0
    for offset, payload in entries:
        size += len(payload)
        if taken and max_bytes is not None and size > max_bytes:
            break
        taken.append((offset, payload))
    return taken
