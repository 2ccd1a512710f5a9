"""Occupancy: whether clusters have the shares of the points that they used to have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import Field, Whole
from .ledger import Ledger, add_up
from .memory import FAST_POINTS, SLOW_POINTS, rate, sizes

__all__ = ["Shares"]

_UNKNOWN = -1.0
_NEGLIGIBLE = 1e-6
_OUTLIERS = 0  # their column

Floats = NDArray[np.float64]


class Shares:
    """Recent and long-run shares of the points, by cluster.

    Args:
        ledger: INOUT, `fast`, `slow` and `came`.

    Attributes:
        fresh: points in `fast`.
        points: points in `slow`.
        spread: by how much shares differ by chance, see `noise`; in all clusters, as of
            the last look, negative if they have changed since.
    """

    fresh = Whole(0)
    points = Whole(1)
    spread = Field(2)

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.values = ledger.values
        self.spread = _UNKNOWN

    @property
    def outliers(self) -> float:
        """Long-run share of outliers, times the mean length of a run beyond chance.

        Of independent points a run of a share p has 1 / (1 - p) of them.
        """
        share = float(self.ledger.slow[_OUTLIERS])
        alone = float(self.ledger.came[_OUTLIERS])
        if share <= 0.0 or alone <= 0.0:
            return share
        return share * max(1.0, share / alone * (1.0 - share))

    def follow(self, moved: list[tuple[int, int, float]]) -> None:
        """Go where the micro-clusters go, see `DriftDetector.follow`."""
        shares = self.ledger.shares[:3].T
        old = self.ledger.places([cluster for cluster, _, _ in moved])
        new = self.ledger.places([cluster for _, cluster, _ in moved])
        parts = shares[old] * np.array([part for _, _, part in moved])[:, None]
        shares[old] = 0.0
        np.add.at(shares, new, parts)
        self.spread = _UNKNOWN

    def take(self, points: NDArray[np.int64], visits: NDArray[np.int64]) -> None:
        """Take a block of points, and of runs, per cluster; not an empty one."""
        n = int(points.sum())
        self.fresh += n
        self.points += n
        quickly = rate(n, self.fresh, FAST_POINTS)
        slowly = rate(n, self.points, SLOW_POINTS)
        ledger = self.ledger
        for average, part, by in (
            (ledger.fast, points, quickly),
            (ledger.slow, points, slowly),
            (ledger.came, visits, slowly),
        ):
            average *= 1.0 - by
            average += by * (part / n)
            average[average <= _NEGLIGIBLE] = 0.0
        self.spread = _UNKNOWN

    def begin(self) -> None:
        """Let the recent shares begin anew: they are of the time after a change."""
        self.ledger.fast, self.fresh = 0.0, 0

    def settle(self, silent: NDArray[np.bool_]) -> None:
        """Let what came since the change be the past, but for clusters that ended."""
        self.ledger.slow = np.where(silent, 0.0, self.ledger.fast)
        self.points = self.fresh
        self.spread = _UNKNOWN

    @property
    def change(self) -> Floats:
        """By how much the share of each cluster has changed, float64 (k,)."""
        change: Floats = np.abs(self.ledger.fast - self.ledger.slow)
        return change

    def distance(self) -> float:
        """Return the total variation distance of the two, less what is so by chance."""
        noise = add_up(self.noise) * math.sqrt(sizes(self.fresh, self.points))
        return max(0.0, 0.5 * (add_up(self.change) - noise))

    def distance_of(self, points: NDArray[np.int64], n: int) -> float:
        """Return the same of n points that were not taken yet and the long run.

        Args:
            points: int64 (k,), per cluster.
            n: how many they are.
        """
        slow = self.ledger.slow
        known = slow > 0.0
        total = add_up(np.where(known, np.abs(points / n - slow), 0.0))
        total += (n - int(points[known].sum())) / n
        if self.spread < 0.0:
            self.spread = add_up(self.noise)
        return 0.5 * (total - self.spread * math.sqrt(sizes(n, self.points)))

    @property
    def noise(self) -> Floats:
        """Twice the mean absolute difference of two shares by chance, float64 (k,).

        That is, of the shares of n and m points, over sqrt(1 / n + 1 / m). Of binomial
        shares it would be sqrt(2 / pi p (1 - p) (1 / n + 1 / m)). Being in
        the cluster or not is taken for a Markov chain, of which neighbours correlate by
        1 - x with x = visits / (p (1 - p)); that makes the variance (2 - x) / x-fold.
        """
        past = np.minimum(self.ledger.slow, 1.0)
        spread = past * (1.0 - past)
        varies = spread > 0.0
        apart = np.divide(
            self.ledger.came, spread, out=np.ones_like(past), where=varies
        )
        apart = np.minimum(1.0, np.maximum(apart, 1e-3))
        inflation = (2.0 - apart) / apart
        return np.where(varies, 2.0 * np.sqrt(2 / math.pi * spread * inflation), 0.0)

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        ledger = self.ledger
        return {
            "fast": ledger.told(ledger.fast),
            "slow": ledger.told(ledger.slow),
            "visits": ledger.told(ledger.came),
            "fresh": self.fresh,
            "points": self.points,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave; the oldest snapshots of format 1 lack some."""
        self.ledger.put("fast", state["fast"])
        self.ledger.put("slow", state["slow"])
        self.ledger.put("came", state.get("visits", []))
        self.fresh = int(state.get("fresh", state["points"]))
        self.points = int(state["points"])
        self.spread = _UNKNOWN
