"""How long a node may act as the owner of its streams, by its own clock.

The store alone decides when a lease ends. A node counts from before it asked, and stops
a part of the lease early: so it has stopped when anybody else may begin, however long
the answer took, unless the clocks' speeds differ by more than that part. Nothing is
lost if they do, or if the node was asleep meanwhile: appends are fenced.
"""

from __future__ import annotations

import dataclasses
import math

__all__ = ["Lease"]

_MARGIN = 0.2  # of the lease, before its end
_RENEWALS = 5  # in one lease


@dataclasses.dataclass(slots=True)
class Lease:
    """The lease of a node; times are monotonic seconds.

    Attributes:
        seconds: that it lasts.
        asked_at: when the last renewal that succeeded was asked for.
    """

    seconds: float
    asked_at: float = -math.inf

    @property
    def interval_s(self) -> float:
        """Time between two renewals."""
        return self.seconds / _RENEWALS

    def renewed(self, asked_at: float) -> None:
        """Take note of a renewal that was asked for then."""
        self.asked_at = max(self.asked_at, asked_at)

    def ended(self) -> None:
        """Take note that it is over."""
        self.asked_at = -math.inf

    def holds(self, now: float) -> bool:
        """Return whether the node may act as an owner."""
        return now < self.asked_at + self.seconds * (1.0 - _MARGIN)
