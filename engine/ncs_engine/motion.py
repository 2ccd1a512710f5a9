"""Motion: whether clusters have left the places that the model remembers them at.

A long memory is right for data that stand still. Of a cluster that moves it keeps a
trail, into which the next cluster runs, and two that follow each other become one. So
the mean of the points that came last is compared with that of all that is remembered;
a cluster that has moved is founded anew from the former (`model`). Memory is as long as
the data stand still, cluster by cluster.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .microclusters import MicroClusters
from .result import OUTLIER

__all__ = ["Motion"]

_POINTS = 32  # of a cluster, for a mean that says something
_SURE = 8.0  # standard deviations beyond chance: something moves
_ON = 1.0  # the same, to go on with it
_LAG = 0.02  # variances; a smaller one blurs nothing

Floats = NDArray[np.float64]


class _Lag(NamedTuple):
    """How far a cluster is from where it is remembered."""

    cluster: int
    excess: float
    """Squared lag / its expectation by chance, minus 1."""
    squared: float
    """Squared lag without what is chance, in variances along it."""


class Motion:
    """What moves.

    Attributes:
        going_on: whether anything moved when that was looked at last.
    """

    def __init__(self) -> None:
        self.going_on = False

    def moved(
        self, points: Floats, cluster: NDArray[np.int64], micro: MicroClusters
    ) -> list[int]:
        """Return the clusters that have moved away from their micro-clusters.

        One that certainly has; and while motion as a whole, over all clusters, is
        beyond chance, each that is behind by 0.02 variances or more. Whether motion
        begins takes much more evidence than whether it goes on.

        Args:
            points: float64 (n, d), standardised, those that came last, oldest first.
            cluster: int64 (n,), where they belong, -1 for nowhere.
            micro: what is remembered.
        """
        lags = _lags(points, cluster, micro)
        deviation = math.sqrt(2.0 * max(len(lags), 1))
        beyond = sum(lag.excess for lag in lags) / deviation
        together = beyond > (_ON if self.going_on else _SURE)
        alone = _SURE * math.sqrt(2.0)
        moved = [
            lag.cluster
            for lag in lags
            if lag.squared > _LAG and (together or lag.excess > alone)
        ]
        self.going_on = together or bool(moved)
        return moved


def _lags(
    points: Floats, cluster: NDArray[np.int64], micro: MicroClusters
) -> list[_Lag]:
    tally = kernel.active.tally(cluster, 0, len(cluster), OUTLIER)
    many = (c for c, points, *_ in tally if points >= _POINTS and c != OUTLIER)
    lags = []
    for name in sorted(many):
        lag = _lag(name, points[cluster == name], micro)
        if lag is not None:
            lags.append(lag)
    return lags


@np.errstate(over="ignore", invalid="ignore")  # what overflows is left alone
def _lag(name: int, points: Floats, micro: MicroClusters) -> _Lag | None:
    own = np.flatnonzero(micro.label[: micro.count] == name)
    weight = micro.weight[own] / micro.weight[own].sum()
    centres, spread = micro.centres[:, own], micro.spread[:, own]
    mean = (centres * weight).sum(axis=1)
    off = centres - mean[:, None]
    total = float(((np.square(off) + spread) * weight).sum())
    gap = points.mean(axis=0) - mean
    squared = float(np.square(gap).sum())
    independent = _independent(points)
    if not (0.0 < total < math.inf and 0.0 < squared < math.inf and independent > 0.0):
        return None
    axis = (gap / math.sqrt(squared))[:, None]
    between, within = (axis * off).sum(axis=0), (axis * axis * spread).sum(axis=0)
    along = float(((between * between + within) * weight).sum())
    chance = total / independent
    if along <= 0.0:
        return None
    return _Lag(name, squared / chance - 1.0, (squared - chance) / along)


def _independent(points: Floats) -> float:
    """Return how many independent points these, in the order in which they came, equal.

    By the correlation r of neighbours, a linear trend taken out: n (1 - r) / (1 + r),
    as in a first-order autoregression (Bartlett 1946).
    """
    n = len(points)
    off = points - points.mean(axis=0)
    at = np.arange(n) - 0.5 * (n - 1)
    off -= at[:, None] * ((at[:, None] * off).sum(axis=0) / np.square(at).sum())
    squares = float(np.square(off).sum())
    product = float((off[1:] * off[:-1]).sum())
    r = min(max(product / squares, 0.0), 1.0) if squares > 0.0 else 1.0
    return n * (1.0 - r) / (1.0 + r)
