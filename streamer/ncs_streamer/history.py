"""The lossless events that a stream still has, for readers that come back.

Bounded by count, by bytes and by age; the store keeps exactly the same. It gives
everything after an offset, or nothing: what is not complete is no recovery.

Updates of clusters need no history, for each of them is replaced by the next: the model
itself knows which clusters changed after an offset.
"""

from __future__ import annotations

import dataclasses
from collections import deque

from .encoded import Encoded

__all__ = ["History", "HistoryBounds"]


@dataclasses.dataclass(frozen=True, slots=True)
class HistoryBounds:
    """How much of a stream is kept."""

    events: int
    bytes: int
    age_s: float


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    encoded: Encoded
    size: int
    at: float


class History:
    """See the module.

    Args:
        bounds: how much is kept.

    Attributes:
        forgotten: the last offset that is not there any more, or never was.
    """

    def __init__(self, bounds: HistoryBounds) -> None:
        self.forgotten = 0
        self._bounds = bounds
        self._kept: deque[_Kept] = deque()
        self._bytes = 0

    def add(self, encoded: Encoded, size: int, now: float) -> None:
        """Keep the next event.

        Args:
            encoded: its offset is the one after the last, or begins the history.
            size: bytes that it takes in the store.
            now: epoch seconds.
        """
        event = encoded.event
        if not self._kept:
            self.forgotten = event.last - 1
        at = now if event.times is None else event.times.ingest
        self._kept.append(_Kept(encoded, size, at))
        self._bytes += size
        self.trim(now)

    def trim(self, now: float) -> None:
        """Forget what is beyond the bounds."""
        kept, bounds = self._kept, self._bounds
        while kept and (
            len(kept) > bounds.events
            or self._bytes > bounds.bytes
            or now - kept[0].at > bounds.age_s
        ):
            oldest = kept.popleft()
            self._bytes -= oldest.size
            self.forgotten = oldest.encoded.event.last

    @property
    def kept(self) -> list[Encoded]:
        """What is there, oldest first."""
        return [kept.encoded for kept in self._kept]

    def between(self, after: int, last: int) -> list[Encoded] | None:
        """Return every event with an offset in (`after`, `last`], or None."""
        found = [k.encoded for k in self._kept if after < k.encoded.event.last <= last]
        return found if len(found) == last - after else None
