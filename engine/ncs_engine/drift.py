"""Drift: how far the recent occupancy of the clusters is from the long-run one.

Two exponential averages of the share of points per cluster (and of the share of
outliers) run side by side, a fast and a slow one. Their total variation distance, less
what sampling alone would give, is the statistic: the share of points that fall
elsewhere than they did. A drift is reported when it is found and again when it turns
out more severe, until the averages agree again.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from .result import OUTLIER, Drift

__all__ = ["DriftDetector"]

_FAST_POINTS = 600.0  # memory of the averages, in points
_SLOW_POINTS = 8000.0
_POINTS_BEFORE_TRUST = 2000
_AFFECTED_FROM = 0.03

Severity = Literal["low", "medium", "high"]
_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

_ADVICE: dict[Severity, str] = {
    "low": "Nothing to do: the model is following.",
    "medium": "Check the sources of the affected clusters; the model is adapting.",
    "high": "Check the sources; if the change is meant to stay, a reset lets the model"
    " forget the past at once.",
}


class DriftDetector:
    """Feed it the cluster ids of consecutive blocks of points.

    Attributes:
        fast: cluster id -> recent share of points.
        slow: cluster id -> long-run share of points.
        points: points observed.
        reported: severity of the present drift that was reported: 0 for none, 1 to 3.
    """

    def __init__(self) -> None:
        self.fast: dict[int, float] = {}
        self.slow: dict[int, float] = {}
        self.points = 0
        self.reported = 0

    def rename(
        self, merged: list[tuple[int, int]], split: list[tuple[int, int, float]]
    ) -> None:
        """Follow the identities: neither a merge nor a split is drift.

        Args:
            merged: (id given up, id that took it in).
            split: (new id, id it came out of, share of the old weight it took along).
        """
        for shares in (self.fast, self.slow):
            for gone, into in merged:
                if gone in shares:
                    shares[into] = shares.get(into, 0.0) + shares.pop(gone)
            whole = {parent: shares.get(parent, 0.0) for _, parent, _ in split}
            for new, parent, part in split:
                shares[new] = part * whole[parent]
                shares[parent] = shares.get(parent, 0.0) - shares[new]

    def observe(self, ids: list[int], at: int, sensitivity: float) -> Drift | None:
        """Take the ids of one block; return the drift that it completes, if any.

        Args:
            ids: cluster id per point, -1 for outliers.
            at: number of points learned by the end of the block.
            sensitivity: 0 .. 1, see `EngineParams.drift_sensitivity`.
        """
        share: dict[int, float] = {}
        for cluster in ids:
            share[cluster] = share.get(cluster, 0.0) + 1.0 / len(ids)
        self.points += len(ids)
        self.fast = _blend(self.fast, share, self._rate(len(ids), _FAST_POINTS))
        self.slow = _blend(self.slow, share, self._rate(len(ids), _SLOW_POINTS))
        if self.points < _POINTS_BEFORE_TRUST:
            return None
        statistic = self._distance()
        threshold = 0.35 - 0.3 * sensitivity
        if statistic < 0.5 * threshold:
            self.reported = 0
        level = sum(statistic >= bound for bound in _levels(threshold))
        if level <= self.reported:
            return None
        self.reported = level
        return self._report(_SEVERITIES[level - 1], statistic, at)

    def _rate(self, block: int, memory: float) -> float:
        """Return the share that a block gets; at first, all points count equally."""
        return max(1.0 - math.exp(-block / memory), block / self.points)

    def _distance(self) -> float:
        noise, total = 0.0, 0.0
        for cluster in sorted(self.fast.keys() | self.slow.keys()):
            recent, past = self.fast.get(cluster, 0.0), self.slow.get(cluster, 0.0)
            total += abs(recent - past)
            # Mean absolute deviation of a binomial share, doubled: neighbouring points
            # of a real stream are not independent.
            noise += 2.0 * math.sqrt(
                2 / math.pi * past * (1.0 - min(past, 1.0)) / _FAST_POINTS
            )
        return max(0.0, 0.5 * (total - noise))

    def _report(self, severity: Severity, statistic: float, at: int) -> Drift:
        affected = (
            cluster
            for cluster in sorted(self.fast.keys() | self.slow.keys())
            if cluster != OUTLIER
            and abs(self.fast.get(cluster, 0.0) - self.slow.get(cluster, 0.0))
            >= _AFFECTED_FROM
        )
        return Drift(
            severity, min(1.0, statistic), tuple(affected), _ADVICE[severity], at
        )

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        return {
            "fast": sorted(self.fast.items()),
            "slow": sorted(self.slow.items()),
            "points": self.points,
            "reported": self.reported,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> DriftDetector:
        """Return the detector that gave `state`."""
        self = cls()
        self.fast = {int(k): float(v) for k, v in state["fast"]}
        self.slow = {int(k): float(v) for k, v in state["slow"]}
        self.points = int(state["points"])
        self.reported = int(state["reported"])
        return self


def _levels(threshold: float) -> tuple[float, float, float]:
    """Return the statistic from which drift is low, medium and high."""
    return threshold, min(0.6, 2 * threshold), min(0.8, 3 * threshold)


def _blend(
    average: dict[int, float], share: dict[int, float], rate: float
) -> dict[int, float]:
    blended = {
        cluster: (1.0 - rate) * average.get(cluster, 0.0)
        + rate * share.get(cluster, 0.0)
        for cluster in sorted(average.keys() | share.keys())
    }
    return {cluster: value for cluster, value in blended.items() if value > 1e-6}
