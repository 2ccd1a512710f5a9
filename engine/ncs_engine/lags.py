"""How far clusters are from where they are remembered.

This is the reference of `native/lags.c`, bit for bit: sums go along points, then along
features, or where it says so the other way round.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .microclusters import MicroClusters

__all__ = ["Lag", "lags"]

Floats = NDArray[np.float64]


class Lag(NamedTuple):
    """How far a cluster is from where it is remembered."""

    cluster: int
    excess: float
    """Squared lag / its expectation by chance, minus 1."""
    squared: float
    """Squared lag without what is chance, in variances along it."""


@np.errstate(over="ignore", invalid="ignore")  # what overflows is left alone
def lags(
    points: Floats,
    cluster: NDArray[np.int64],
    micro: MicroClusters,
    count: int,
    least: int,
) -> list[Lag]:
    """Return the lags of the clusters with enough points, ascending. O(n d + count d).

    Args:
        points: float64 (n, d), standardised, oldest first.
        cluster: int64 (n,), where they belong, -1 for nowhere.
        micro: read only.
        count: how many are in use.
        least: points that are enough, 2 or more.
    """
    names, points_of = np.unique(cluster[cluster >= 0], return_counts=True)
    many = names[points_of >= least].tolist()
    found = (_lag(name, points[cluster == name], micro, count) for name in many)
    return [lag for lag in found if lag is not None]


def _lag(name: int, points: Floats, micro: MicroClusters, count: int) -> Lag | None:
    own = np.flatnonzero(micro.label[:count] == name)
    share = micro.weight[own] / _sum(micro.weight[own])
    centres, spread = micro.centres[:, own].T, micro.spread[:, own].T
    mean = _sum(centres * share[:, None])
    off = centres - mean
    total = float(_sum(_sum((off * off + spread) * share[:, None])))
    gap = _sum(points) / len(points) - mean
    squared = float(_sum(gap * gap))
    independent = _independent(points)
    if not (0.0 < total < math.inf and 0.0 < squared < math.inf and independent > 0.0):
        return None
    axis = gap / math.sqrt(squared)
    between = _sum((axis * off).T)  # along features first
    within = _sum((axis * axis * spread).T)
    along = float(_sum((between * between + within) * share))
    chance = total / independent
    if not along > 0.0:
        return None
    return Lag(name, squared / chance - 1.0, (squared - chance) / along)


def _independent(points: Floats) -> float:
    """Return how many independent points these, in the order in which they came, equal.

    By the correlation r of neighbours, a linear trend taken out: n (1 - r) / (1 + r),
    as in a first-order autoregression (Bartlett 1946).
    """
    n = len(points)
    off = points - _sum(points) / n
    at = np.arange(n) - 0.5 * (n - 1)
    off = off - at[:, None] * (_sum(at[:, None] * off) / _sum(at * at))
    squares = float(_sum(_sum((off * off).T)))  # along features first
    product = float(_sum(_sum((off[1:] * off[:-1]).T)))
    r = min(max(product / squares, 0.0), 1.0) if squares > 0.0 else 1.0
    return n * (1.0 - r) / (1.0 + r)


def _sum(rows: Floats) -> Floats:
    """Return the sum of rows, or numbers, one after the other."""
    total: Floats = np.cumsum(rows, axis=0)[-1]
    return total
