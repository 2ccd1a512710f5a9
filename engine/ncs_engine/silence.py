"""Silence: whether a cluster that should have taken many points by now has taken none.

Time is told in *missed visits*. Visits and not points: a stream that dwells in a
cluster stays away for long, too. A cluster of a share p has p (1 - p) visits per point
in a stream without memory, but its points come in runs in another one. Where clusters
come back after a long time, as in a daily cycle, they are waited for longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .result import OUTLIER
from .shares import Counts, Shares

__all__ = ["MISSED", "Silence"]

MISSED = 16.0
"""Visits that a silent cluster has missed at least: by chance exp(-16)."""

_RECORD = 1.5  # times the longest wait of late that has ended
_RECORD_HALF_LIFE = 16_384.0  # points
_LONG = 4.0  # visits, of a wait that is worth remembering
_BACK = 0.5  # of its share: of a cluster that came back; what is less may be noise


class Silence:
    """Since when clusters are silent.

    Attributes:
        seen: cluster id -> number of its last point.
        waiting: cluster id -> visits missed at the last look, if they are many.
        record: visits missed by a cluster that came back, older ones count less.
    """

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        self.waiting: dict[int, float] = {}
        self.record = 0.0

    def follow(self, moved: list[tuple[int, int, float]], at: int) -> None:
        """Go where the micro-clusters go, see `DriftDetector.follow`."""
        parents = {old for old, _, _ in moved}
        for old, new, _ in moved:
            if new not in parents:
                self.seen[new] = self.seen.get(old, at)
        for old, new, part in moved:
            if part == 1.0 and new != old:
                gone = self.seen.pop(old, at)
                self.seen[new] = max(gone, self.seen.get(new, gone))

    def keep(self, clusters: Iterable[int], at: int) -> None:
        """Forget all other clusters."""
        self.seen = {c: self.seen.get(c, at) for c in sorted(clusters)}

    def missed(self, cluster: int, shares: Shares, at: int) -> float:
        """Return how often it should have been visited since its last point."""
        if cluster == OUTLIER:
            return 0.0
        waits = at - self.seen.get(cluster, at)
        return waits * shares.visits.get(cluster, 0.0)

    def missing(self, shares: Shares, at: int) -> dict[int, float]:
        """Return cluster id -> visits missed, of those that missed many."""
        seen, visits = self.seen, shares.visits
        return {
            cluster: missed
            for cluster in sorted(shares.slow)
            if (missed := (at - seen.get(cluster, at)) * visits.get(cluster, 0.0))
            >= _LONG
            and cluster != OUTLIER
        }

    @property
    def enough(self) -> float:
        """Visits missed that are more than could be chance, or usual here."""
        return max(MISSED, _RECORD * self.record)

    def is_silent(self, cluster: int, shares: Shares, at: int) -> bool:
        """Whether it has missed enough."""
        return self.missed(cluster, shares, at) >= self.enough

    def look(
        self, counts: Counts, n: int, shares: Shares, missing: dict[int, float]
    ) -> None:
        """Learn from the last n points which waits have ended; see `missing`."""
        self.record *= 0.5 ** (n / _RECORD_HALF_LIFE)
        for cluster, missed in self.waiting.items():
            points, _ = counts.get(cluster, (0, 0))
            if points > _BACK * shares.slow.get(cluster, 0.0) * n:
                self.record = max(self.record, missed)
        self.waiting = missing

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        return {
            "seen": sorted(self.seen.items()),
            "waiting": sorted(self.waiting.items()),
            "record": self.record,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave; an older snapshot lacks some of it."""
        self.seen = {int(k): int(v) for k, v in state.get("seen", [])}
        self.waiting = {int(k): float(v) for k, v in state.get("waiting", [])}
        self.record = float(state.get("record", 0.0))
