"""Deciding on each batch before it is journaled: order, duplicates, dimension, epoch.

It runs ahead of the model by the batches in flight. Should the journal refuse them, it
is set back to what the model knows.
"""

from __future__ import annotations

import dataclasses

from ncs_protocol import Code, NcsError

from .entry import Entry
from .idempotency import Keys, Request
from .stream_model import Mark, StreamModel

__all__ = ["Admission"]


@dataclasses.dataclass(slots=True)
class Admission:
    """What the stream will be once everything admitted is applied.

    Attributes:
        offset: of the last entry admitted.
        dimension: of the points, None before the first or after a reset.
        marks: producer -> last batch admitted.
        keys: of requests admitted.
        max_producers: how many producers a stream remembers at most.
    """

    offset: int
    dimension: int | None
    marks: dict[str, Mark]
    keys: Keys
    max_producers: int

    @classmethod
    def after(cls, model: StreamModel, max_producers: int) -> Admission:
        """Return the admission that follows exactly what `model` has applied."""
        marks = {name: Mark(m.epoch, m.seq) for name, m in model.marks.items()}
        dimension, keys = model.engine.dimension, model.keys.copy()
        return cls(model.offset, dimension, marks, keys, max_producers)

    def copy(self) -> Admission:
        """Return an independent copy."""
        marks = {name: Mark(m.epoch, m.seq) for name, m in self.marks.items()}
        keys = self.keys.copy()
        return Admission(self.offset, self.dimension, marks, keys, self.max_producers)

    def admit(self, entry: Entry) -> int | None:
        """Return the journal offset for `entry`, or None if it is a duplicate.

        Raises:
            NcsError: if it does not fit; nothing is changed then.
        """
        if not self.check(entry):
            return None
        if entry.kind == "points":
            self.dimension = entry.block.shape[1]
        elif entry.kind == "reset":
            self.dimension = None
        if entry.producer is not None:
            self.marks[entry.producer] = Mark(entry.producer_epoch, entry.seq)
        self.offset += 1
        if entry.key is not None:
            self.keys.add(entry.key, Request(self.offset, entry.digest))
        return self.offset

    def check(self, entry: Entry) -> bool:
        """Return whether `entry` would be admitted; False for a duplicate.

        Raises:
            NcsError: as `admit`.
        """
        if not self._is_next(entry):
            return False
        if entry.key is not None and self.keys.find(entry.key, entry.digest):
            return False
        if entry.kind == "points" and self.dimension is not None:
            dimension = entry.block.shape[1]
            if dimension != self.dimension:
                raise NcsError(
                    Code.DIMENSION_MISMATCH,
                    f"points have {dimension} dimensions, expected {self.dimension}",
                )
        return True

    def _is_next(self, entry: Entry) -> bool:
        if entry.producer is None:
            return True
        mark = self.marks.get(entry.producer)
        if mark is None:
            if len(self.marks) >= self.max_producers and not entry.is_relayed:
                raise NcsError(Code.TOO_MANY_PRODUCERS)
            mark = Mark(entry.producer_epoch, 0)
        if entry.producer_epoch < mark.epoch:
            raise NcsError(
                Code.STALE_PRODUCER_EPOCH,
                f"producer {entry.producer!r} is at epoch {mark.epoch}, this batch is"
                f" of epoch {entry.producer_epoch}",
            )
        last = mark.seq if entry.producer_epoch == mark.epoch else 0
        if entry.seq <= last:
            return False
        # One above it: else there is a gap, or the first frames of it are known, and
        # then they have to come one by one.
        if entry.from_seq != last + 1 and not entry.is_relayed:
            raise NcsError(
                Code.SEQ_GAP,
                f"seq {entry.from_seq} does not follow {last}; send from {last + 1} on",
                expected_seq=last + 1,
            )
        return True
