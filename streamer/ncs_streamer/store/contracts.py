"""What a store promises. One contract test suite runs against every implementation.

All methods are coroutines called from the event loop's thread. Any of them may raise
`StoreError`; the store stays usable and the call may be repeated. Payloads are opaque
bytes to the store.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from ..auth.directory import Directory

__all__ = [
    "TOOL",
    "Append",
    "Channel",
    "DamageError",
    "Directory",
    "EventHistory",
    "FencedError",
    "Journal",
    "Losses",
    "LostError",
    "Node",
    "Owner",
    "Ownership",
    "SnapshotStore",
    "Store",
    "StoreError",
    "StreamKey",
    "within",
]


TOOL = "@tool"
"""The owner that is no node, see `Ownership.seize`."""


class StreamKey(NamedTuple):
    """Identity of a stream."""

    tenant: str
    stream: str


class StoreError(Exception):
    """The store cannot do what was asked, for now; the message says why."""


class FencedError(StoreError):
    """The stream is not this store's to write, or not any more; nothing was written.

    Attributes:
        key: the stream.
        holder: whose it is; empty if that is not known.
        start: the last offset that was there when they took it; None if unknown.
    """

    def __init__(self, key: StreamKey, holder: str, start: int | None = None) -> None:
        super().__init__(
            f"fenced: stream {key.stream!r} of tenant {key.tenant!r} belongs to"
            f" {holder or 'nobody'}"
        )
        self.key = key
        self.holder = holder
        self.start = start


class LostError(StoreError):
    """The node's lease had ended: others may have taken over what it owned."""


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
    """The ordered record of everything that was applied to each stream.

    It is fenced: a stream that ever had an owner is written by that owner alone, which
    is the store object whose `ownership` has acquired it. That goes for everything that
    is written of a stream, snapshots and events too.
    """

    async def append(self, entries: Sequence[Append]) -> None:
        """Make the entries durable, of each stream all or none.

        Offsets of a stream follow each other without a gap. Several calls may be on
        their way at once, of different streams. When this returns, the entries survive
        whatever the store's level of durability promises; when it raises, whether they
        do is unknown until `tail` is asked, or until the same is appended again: what
        is there already, byte for byte, is no error.

        Raises:
            FencedError: one of the streams belongs to another; nothing of it is kept.
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


class Owner(NamedTuple):
    """Who may write a stream."""

    node: str
    """Its name; empty once it has let go."""
    epoch: int
    """Grows with every change of owner, for ever; it is never reused."""
    nonce: str
    """Of the life of the node: another one of the same name has another."""
    successor: str = ""
    """Whom it was left to, by preference, when it was let go."""


class Node(NamedTuple):
    """One server of several on the same store."""

    name: str
    address: str
    """Where the others reach it; theirs to understand."""
    version: int
    """Of what it speaks with the others."""
    is_draining: bool = False
    """Whether it gives its streams away, and is given none."""


class Ownership(Protocol):
    """Which node may write which stream.

    Liveness is one lease a node, and the store's clock alone says when it has ended.
    Nothing rests on that but who may try to take over: what keeps a stream whole is
    that writes of anyone but its owner are refused, see `Journal`.

    One object belongs to one node, whose `Owner` of each stream it remembers.
    """

    lease_s: float
    """How long a node lives after `join` or `renew` was asked for."""

    async def join(self, node: Node) -> None:
        """Begin a new life of this node: what an earlier one owned is up for taking."""

    async def renew(self, node: Node | None = None) -> None:
        """Extend the lease.

        Args:
            node: what the others see of this node from now on; None for no change.

        Raises:
            LostError: it has ended, or was never begun. All that was owned is given
                up then, whether somebody else has it or not; `join` begins anew.
        """

    async def leave(self) -> None:
        """End the lease now; what is still owned may be taken at once."""

    async def nodes(self) -> list[Node]:
        """Return the nodes that live, by name."""

    async def owner(self, key: StreamKey) -> tuple[Owner, bool] | None:
        """Return the owner and whether it lives; None for a stream that had none."""

    async def owners(self) -> dict[StreamKey, Owner]:
        """Return the owner of every stream that ever had one, living or not."""

    async def acquire(self, key: StreamKey, seen: Owner | None) -> Owner | None:
        """Take a stream over, if nothing has changed since `seen` was read.

        Returns:
            The new owner, with the epoch after that of `seen`; None if somebody was
            faster, or if the owner lives and has not let go.

        Raises:
            LostError: this node has not joined.
        """

    async def seize(self, key: StreamKey) -> Owner:
        """Take a stream that no living node owns without being a node, as tools do.

        There is no lease behind it: a node may take the stream over at any time, and
        what is written from then on is refused.

        Raises:
            FencedError: its owner lives, or somebody was faster.
        """

    async def release(self, key: StreamKey, owner: Owner, successor: str = "") -> None:
        """Let a stream go, after the last write; nothing happens if it is not owned."""

    def held(self, key: StreamKey) -> Owner | None:
        """Return this node's own right to write, as far as it knows."""


class Channel(Protocol):
    """Live events between nodes: at most once, and in order for each publisher.

    What is missed shows in the events' offsets, and is in the history. Nothing is
    buffered for who does not listen.
    """

    async def publish(self, key: StreamKey, payloads: Sequence[bytes]) -> None:
        """Send to all who listen now, those of this node included."""

    async def subscribe(
        self,
        key: StreamKey,
        receive: Callable[[StreamKey, bytes], None],
        missed: Callable[[StreamKey], None],
    ) -> None:
        """Listen; when this returns, nothing that is published later is left out.

        Args:
            key: of the stream; a second subscription to it replaces the first.
            receive: called on the event loop with one payload after the other.
            missed: called when the way was broken and is whole again.
        """

    async def unsubscribe(self, key: StreamKey) -> None:
        """Listen no more; nothing is received once this is called."""

    @property
    def heard_ago_s(self) -> float:
        """How long ago a message of its own came back on the way that events take."""


@dataclasses.dataclass(slots=True)
class Losses:
    """What a store had lost although it was acknowledged, in journal entries.

    The store notes what it has given back and whether there may be more; streams, which
    know what they have acknowledged, note what is lost.
    """

    restored: int = 0
    """Given back by the node that had appended them."""
    lost: int = 0
    """Not given back: somebody else went on without them."""
    may_lack: bool = False
    """Whether it may lack more: every stream is to look, see `Stream.compare`."""

    def take(self) -> tuple[int, int]:
        """Return (restored, lost) since the last time."""
        taken = self.restored, self.lost
        self.restored = self.lost = 0
        return taken


class Store(Protocol):
    """All of it, opened and closed together."""

    durability: str
    """The level at which an append is durable: `memory`, `local`, `redis-primary` or
    `redis-all`."""
    place: str
    """Where it is, for messages."""
    journal: Journal
    snapshots: SnapshotStore
    history: EventHistory
    directory: Directory
    ownership: Ownership
    channel: Channel
    losses: Losses

    async def open(self) -> None:
        """Make it usable, checking that it can keep its level of durability.

        Raises:
            StoreError: saying what is in the way and where.
        """

    async def check(self, size: int) -> None:
        """Write so many bytes durably, and drop them, to see whether it can be done."""

    async def streams(self) -> list[StreamKey]:
        """Return every stream that has entries or a snapshot, sorted."""

    async def replace(self, key: StreamKey, offset: int, snapshot: bytes) -> None:
        """Let the stream consist of one snapshot; what it had is gone. All or nothing.

        The journal goes on behind `offset`.
        """

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
