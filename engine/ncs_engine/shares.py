"""Occupancy: whether clusters have the shares of the points that they used to have."""

from __future__ import annotations

import math
from typing import Any

from .memory import FAST_POINTS, SLOW_POINTS, rate, sizes
from .result import OUTLIER

__all__ = ["Counts", "Shares"]

Counts = dict[int, list[int]]
"""Cluster id, -1 for outliers -> [points, visits], a visit being a run of points."""


class Shares:
    """Recent and long-run shares of the points, by cluster.

    Attributes:
        fast: cluster id -> recent share of points.
        slow: cluster id -> long-run share of points.
        visits: cluster id -> long-run rate of points that come to it from elsewhere.
        fresh: points in `fast`.
        points: points in `slow`.
    """

    def __init__(self) -> None:
        self.fast: dict[int, float] = {}
        self.slow: dict[int, float] = {}
        self.visits: dict[int, float] = {}
        self.fresh = 0
        self.points = 0
        self._spread: float | None = None  # sum of all `_noise`

    @property
    def clusters(self) -> list[int]:
        """Return all of them, ascending, -1 for outliers too."""
        return sorted(self.fast.keys() | self.slow.keys())

    @property
    def outliers(self) -> float:
        """Long-run share of outliers, times the mean length of a run beyond chance.

        Of independent points a run of a share p has 1 / (1 - p) of them.
        """
        share = self.slow.get(OUTLIER, 0.0)
        alone = self.visits.get(OUTLIER, 0.0)
        if share <= 0.0 or alone <= 0.0:
            return share
        return share * max(1.0, share / alone * (1.0 - share))

    def follow(self, moved: list[tuple[int, int, float]]) -> None:
        """Go where the micro-clusters go, see `DriftDetector.follow`."""
        parents = {old for old, _, _ in moved}
        for shares in (self.fast, self.slow, self.visits):
            whole = {old: shares.pop(old, 0.0) for old in parents}
            for old, new, part in moved:
                shares[new] = shares.get(new, 0.0) + part * whole[old]
        # In the order in which they are restored: sums go along it.
        self.fast = dict(sorted(self.fast.items()))
        self.slow = dict(sorted(self.slow.items()))
        self._spread = None

    def take(self, counts: Counts) -> None:
        """Take a block of points; not an empty one."""
        n = sum(points for points, _ in counts.values())
        self.fresh += n
        self.points += n
        quickly = rate(n, self.fresh, FAST_POINTS)
        slowly = rate(n, self.points, SLOW_POINTS)
        share = {cluster: points / n for cluster, (points, _) in counts.items()}
        came = {cluster: visits / n for cluster, (_, visits) in counts.items()}
        self.fast = _blend(self.fast, share, quickly)
        self.slow = _blend(self.slow, share, slowly)
        self.visits = _blend(self.visits, came, slowly)
        self._spread = None

    def begin(self) -> None:
        """Let the recent shares begin anew: they are of the time after a change."""
        self.fast, self.fresh = {}, 0

    def settle(self, silent: list[int]) -> None:
        """Let what came since the change be the past, but for clusters that ended."""
        self.slow = {c: share for c, share in self.fast.items() if c not in silent}
        self.points = self.fresh
        self._spread = None

    def change(self, cluster: int) -> float:
        """Return by how much the share of a cluster has changed."""
        return abs(self.fast.get(cluster, 0.0) - self.slow.get(cluster, 0.0))

    def distance(self) -> float:
        """Return the total variation distance of the two, less what is so by chance."""
        noise, total = 0.0, 0.0
        for cluster in self.clusters:
            total += self.change(cluster)
            noise += self._noise(cluster)
        noise *= math.sqrt(sizes(self.fresh, self.points))
        return max(0.0, 0.5 * (total - noise))

    def distance_of(self, counts: Counts, n: int) -> float:
        """Return the same of n points that were not taken yet and the long run."""
        known, total = 0, 0.0
        for cluster, share in self.slow.items():
            points, _ = counts.get(cluster, (0, 0))
            known += points
            total += abs(points / n - share)
        total += (n - known) / n
        if self._spread is None:
            self._spread = sum(self._noise(cluster) for cluster in self.slow)
        return 0.5 * (total - self._spread * math.sqrt(sizes(n, self.points)))

    def _noise(self, cluster: int) -> float:
        """Return twice the mean absolute difference of two shares by chance.

        That is, of the shares of n and m points, over sqrt(1 / n + 1 / m). Of binomial
        shares it would be sqrt(2 / pi p (1 - p) (1 / n + 1 / m)). Being in
        the cluster or not is taken for a Markov chain, of which neighbours correlate by
        1 - x with x = visits / (p (1 - p)); that makes the variance (2 - x) / x-fold.
        """
        past = min(max(self.slow.get(cluster, 0.0), 0.0), 1.0)
        spread = past * (1.0 - past)
        if spread <= 0.0:
            return 0.0
        apart = min(1.0, max(self.visits.get(cluster, 0.0) / spread, 1e-3))
        inflation = (2.0 - apart) / apart
        return 2.0 * math.sqrt(2 / math.pi * spread * inflation)

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        return {
            "fast": sorted(self.fast.items()),
            "slow": sorted(self.slow.items()),
            "visits": sorted(self.visits.items()),
            "fresh": self.fresh,
            "points": self.points,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave; the oldest snapshots of format 1 lack some."""
        self.fast = {int(k): float(v) for k, v in state["fast"]}
        self.slow = {int(k): float(v) for k, v in state["slow"]}
        self.visits = {int(k): float(v) for k, v in state.get("visits", [])}
        self.fresh = int(state.get("fresh", state["points"]))
        self.points = int(state["points"])


def _blend(
    average: dict[int, float], share: dict[int, float], by: float
) -> dict[int, float]:
    blended = {
        cluster: (1.0 - by) * average.get(cluster, 0.0) + by * share.get(cluster, 0.0)
        for cluster in sorted(average.keys() | share.keys())
    }
    return {cluster: value for cluster, value in blended.items() if value > 1e-6}
