"""The batches that wait to get to the owner of their stream, in order.

Without I/O. What was sent and not answered is kept: when the owner is lost or has
moved, all of it goes to the next one, in the same order and under the same identity, so
that each batch counts once whatever had become of it. Senders without an identity of
their own get that of this node.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterator

from ncs_protocol.messages import ResultDetail

from ..entry import NODE, Entry
from ..stream import Done

__all__ = ["Batch", "Identity", "Line"]

_WINDOW_BYTES = 4 * 1024 * 1024  # that are sent without an answer


@dataclasses.dataclass(slots=True, eq=False)
class Batch:
    """A batch on its way."""

    entry: Entry
    size: int
    done: Done
    detail: ResultDetail
    order: int = dataclasses.field(default_factory=itertools.count(1).__next__)
    """By it they came."""
    is_relayed: bool = False
    """Whether another node sent it here: it goes no further."""
    held: int = 0
    """Bytes that it counts for in the backlog of this node."""


class Identity:
    """Under which this node sends on what has no name.

    Args:
        node: its name.
        life: greater with every start of it.
    """

    def __init__(self, node: str, life: int) -> None:
        self._name = NODE + node
        self._life = life
        self._count = itertools.count(1)

    def give(self, entry: Entry) -> None:
        """Give an entry the next number, unless a resend of it is known anyway."""
        if entry.producer is None and entry.key is None:
            entry.producer, entry.producer_epoch = self._name, self._life
            entry.seq = next(self._count)


class Line:
    """See the module.

    Attributes:
        number: of the attempt; grows when all begins anew.
        bytes: sent and not answered.
    """

    def __init__(self) -> None:
        self.number = 1
        self.bytes = 0
        self._waiting: deque[Batch] = deque()
        self._sent: dict[int, Batch] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    def add(self, batch: Batch) -> None:
        """Take a batch, to be sent after all that came before it."""
        at = len(self._waiting)
        while at and self._waiting[at - 1].order > batch.order:
            at -= 1
        self._waiting.insert(at, batch)

    def take(self) -> Iterator[Batch]:
        """Yield the batches that may be sent now; each is to be `sent`."""
        while self._waiting and (not self._sent or self.bytes < _WINDOW_BYTES):
            yield self._waiting.popleft()

    def take_all(self) -> Iterator[Batch]:
        """Yield all that wait, for an owner on this node."""
        while self._waiting:
            yield self._waiting.popleft()

    def sent(self, id: int, batch: Batch) -> None:
        """Take note that a batch is on its way."""
        self._sent[id] = batch
        self.bytes += batch.size

    def answered(self, id: int) -> Batch | None:
        """Return the batch that was sent with this id, if it is still waited for."""
        batch = self._sent.pop(id, None)
        if batch is not None:
            self.bytes -= batch.size
        return batch

    def begin_anew(self) -> None:
        """Let everything that was not answered wait again, in order."""
        self.number += 1
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        self.bytes = 0

    def refuse_relayed(self) -> list[Batch]:
        """Remove and return what other nodes sent: it goes to the owner from there."""
        refused = [batch for batch in self._waiting if batch.is_relayed]
        self._waiting = deque(b for b in self._waiting if not b.is_relayed)
        return refused
