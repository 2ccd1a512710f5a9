"""When a stream's model is due to be saved.

A snapshot bounds what a restart has to replay, in time (points, bytes) and what the
journal takes on the disk; an old one is also renewed when little happens.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

__all__ = ["SnapshotPolicy", "Unsaved"]


class SnapshotPolicy(NamedTuple):
    """A model is saved when the first of these has passed since the last time."""

    points: float
    seconds: float
    journal_bytes: float


@dataclasses.dataclass(slots=True)
class Unsaved:
    """What the model has applied since it was last saved."""

    policy: SnapshotPolicy
    since: float
    """Monotonic time of the first of it."""
    points: int = 0
    journal_bytes: int = 0

    def __bool__(self) -> bool:
        """Return whether there is anything."""
        return self.journal_bytes > 0

    def add(self, points: int, journal_bytes: int, now: float) -> None:
        """Count an entry."""
        if not self:
            self.since = now
        self.points += points
        self.journal_bytes += journal_bytes

    def is_due(self, now: float) -> bool:
        """Return whether it is time."""
        return bool(self) and (
            self.points >= self.policy.points
            or self.journal_bytes >= self.policy.journal_bytes
            or now - self.since >= self.policy.seconds
        )

    def clear(self) -> None:
        """Begin anew: it is being saved."""
        self.points = self.journal_bytes = 0
