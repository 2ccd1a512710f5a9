"""Outlier scores: how strange a point is, in [0, 1], monotone in its strangeness.

Two layers judge a point by its distance to the nearest micro-cluster that belongs to a
cluster. Geometric: the distance in vigilance radii. Statistical, one-sided: the
distance against the recent ones by median and MAD, which a few outliers do not move. A
point that both find strange scores half as much again. The temporal layer, runs of
strange points, never judges a point: it brings the next density step forward, in which
a new mode of the data becomes a cluster (see `model`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RecentGaps", "outlier_score"]

_LIMIT_RADII = 4.0  # radii at which the geometric layer alone gives 0.5
_DEVIATIONS = 6.0
_MAD_TO_SIGMA = 1.4826
_BOTH = 1.5


def outlier_score(gap: float, radius: float, usual: float) -> float:
    """Return the score of a point in [0, 1].

    Args:
        gap: distance to the nearest micro-cluster of a cluster; infinite without any.
        radius: vigilance radius, in the same unit.
        usual: upper end of the usual gaps, see `RecentGaps.usual`.
    """
    if radius <= 0.0 or gap == 0.0:
        return 0.0 if gap <= radius else 1.0
    if gap == np.inf:
        return 1.0
    ratio = gap / (_LIMIT_RADII * radius)
    score = ratio * ratio / (1.0 + ratio * ratio)
    return min(1.0, _BOTH * score) if gap > usual else score


class RecentGaps:
    """The gaps of the last points, outliers left out.

    Attributes:
        ring: float64 (capacity,).
        filled: how many of it are in use.
        at: where the next one goes.
        usual: median + 6 sigma (by MAD) at the last `refresh`; infinite before it.
    """

    ARRAYS = ("ring",)

    def __init__(self, capacity: int) -> None:
        self.ring: NDArray[np.float64] = np.zeros(capacity)
        self.filled = 0
        self.at = 0
        self.usual = np.inf

    def add(self, gap: float) -> None:
        """Remember one gap."""
        self.ring[self.at] = gap
        self.at = (self.at + 1) % len(self.ring)
        self.filled = min(self.filled + 1, len(self.ring))

    def rescale(self, change: float) -> None:
        """Follow a change of all distances by a factor."""
        self.ring *= change
        self.usual *= change

    @property
    def remembered(self) -> NDArray[np.float64]:
        """The gaps, float64 (n,), in no order."""
        return self.ring[: self.filled]

    def refresh(self) -> None:
        """Work out `usual` anew."""
        if self.filled >= 30:
            gaps = self.remembered
            middle = float(np.median(gaps))
            sigma = _MAD_TO_SIGMA * float(np.median(np.abs(gaps - middle)))
            self.usual = middle + _DEVIATIONS * max(sigma, 0.05 * middle)
