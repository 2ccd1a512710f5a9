"""The books of a gateway: what it pushed, and what was confirmed to be in its spool.

A gateway does not choose the numbers under which its batches travel, nor which of its
two lanes they take. What it is promised is simpler: a batch whose push was confirmed
is in the model once, whatever is killed. One whose push a kill cut short is there once
or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from ..entry import Entry
from .batches import Batches, mark_of
from .ledger import Violation

__all__ = ["PushLedger", "judge_pushes", "lanes_of", "pushed_in"]


def lanes_of(gateway: str) -> tuple[str, str]:
    """Return the names of the producers that a gateway is to the server."""
    return gateway, f"{gateway}.backfill"


class PushLedger:
    """What one gateway did, in all its lives.

    Args:
        name: the gateway's.

    Attributes:
        sent: batches whose push began; their numbers count from 1.
        confirmed: numbers of those that were confirmed.
        duplicates: acks that said a batch was in the model already.
        refusals: why batches were dropped -> how many; none may be.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent = 0
        self.confirmed: set[int] = set()
        self.duplicates = 0
        self.refusals: dict[str, int] = {}
        self.waits_s: list[float] = []  # to the spool is no way to the model
        self.violations: list[Violation] = []

    @property
    def acked(self) -> int:
        """How many pushes were confirmed."""
        return len(self.confirmed)

    @property
    def again(self) -> int:
        """Transmissions that are known to have been repeated."""
        return self.duplicates

    @property
    def in_doubt(self) -> set[int]:
        """Batches whose push began and was not confirmed."""
        return set(range(1, self.sent + 1)) - self.confirmed

    def began(self, number: int) -> None:
        """Take down that a batch is about to be pushed."""
        self.sent = number

    def confirm(self, number: int) -> None:
        """Take down that it is in the spool."""
        self.confirmed.add(number)

    def duplicated(self, count: int) -> None:
        """Take down acks of batches that were in the model already."""
        self.duplicates += count

    def dropped(self, reason: str, count: int) -> None:
        """Take down a loss that the gateway itself tells of: here there is none."""
        self.refusals[reason] = self.refusals.get(reason, 0) + count
        text = f"gateway {self.name} dropped {count} batches: {reason}"
        self.violations.append(Violation("dropped", text))


def pushed_in(entry: Entry, producer: int, batches: Batches) -> list[int] | str:
    """Return the numbers of the batches in an entry, or what is wrong with it."""
    points: np.ndarray[Any, np.dtype[np.float64]]
    points, found = np.asarray(entry.block, np.float64), []
    for start in range(0, len(points), batches.size):
        part = points[start : start + batches.size]
        mark = mark_of(part[0])
        number = batches.seq_of(mark)
        if mark.producer != producer:
            return f"points of producer {mark.producer} under {entry.producer}"
        if not np.array_equal(batches.block(number), part):
            return f"not exactly the points of batch {number} of {entry.producer}"
        found.append(number)
    return found


def judge_pushes(
    ledger: PushLedger,
    applied: Collection[int],
    last: Mapping[str, int],
    marks: Mapping[str, int],
) -> Iterable[Violation]:
    """Yield what contradicts a gateway's books, as far as no other sender's would.

    Args:
        ledger: its books.
        applied: batches in the journal.
        last: lane -> last number in the journal.
        marks: lane -> last number, as the server says.
    """
    for number in sorted(ledger.confirmed.difference(applied)):
        text = f"batch {number} of {ledger.name} was confirmed and is not there"
        yield Violation("loss", text)
    for lane in lanes_of(ledger.name):
        if marks[lane] != last.get(lane, 0):
            text = f"{lane} is told {marks[lane]}, applied is {last.get(lane, 0)}"
            yield Violation("resume", text)
