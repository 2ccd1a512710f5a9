"""Outlier scores: how strange a point is, in [0, 1], monotone in its strangeness.

Three layers. Geometric: the distance to the nearest micro-cluster that belongs to a
cluster, in vigilance radii. Statistical, one-sided: that distance against the recent
ones by median and MAD, which a few outliers do not move. They alone decide how far a
point is from being an outlier (`outlier_score`). Temporal: how far the point, and where
strangeness lasts also the points just before it, lie from the middle of all data. That
only puts points in order (`Background.lift`): a point in a far and dense cluster, or in
a run of strange points, is no outlier for that reason. What a run does is bring the
next density step forward, in which a new mode of the data becomes a cluster (`model`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .fields import Field

__all__ = ["LIMIT_RADII", "YOUNG", "Background", "RecentGaps", "outlier_score"]

LIMIT_RADII = 3.2
"""Vigilance radii at which the geometric layer alone gives 0.5: what is further from a
cluster is not in it."""

YOUNG = 256
"""Points during which nothing is told as an outlier: most places are new then."""

_DEVIATIONS = 6.0
_MAD_TO_SIGMA = 1.4826
_BOTH = 1.5
_HALF = 0.5
_LIFT = 0.4  # of the room up to the next half, at most
_RUN_POINTS = 16.0  # memory of the temporal layer
_LASTING_POINTS = 256.0  # memory of how long strangeness lasts here
_RUN_WEIGHT = 4.0


def outlier_score(gap: float, radius: float, usual: float) -> float:
    """Return the score by the geometric and the statistical layer, in [0, 1].

    With q = (gap / (3.2 radius))^4 it is q / (1 + q): next to 0 up to one radius, where
    points of clusters are, and a half at 3.2 radii. Half as much again, but not more
    than 1, where the gap is also beyond the usual.

    Args:
        gap: distance to the nearest micro-cluster of a cluster; infinite without any.
        radius: vigilance radius, in the same unit.
        usual: upper end of the usual gaps, see `RecentGaps.usual`.
    """
    if radius <= 0.0 or gap == 0.0:
        return 0.0 if gap <= radius else 1.0
    if gap == np.inf:
        return 1.0
    ratio = gap / (LIMIT_RADII * radius)
    ratio *= ratio
    if ratio > 1e100:
        return 1.0
    score = ratio * ratio / (1.0 + ratio * ratio)
    return min(1.0, _BOTH * score) if gap > usual else score


class Background:
    """The temporal layer: how strange points have been of late, and how lastingly.

    The strangeness of a point is b = 1 - (1 - s) / (1 + m), with s by the first two
    layers and m = |z|^2 / d of its standardised coordinates, which is 1 on average.
    `recent` averages it over about 16 points. Over about 256 points run its mean, its
    variance and its covariance with that of the point before, whose quotient r is the
    correlation between neighbours: next to 0 where points come in no order, next to 1
    in a slow series, in which a strange point is the stranger for a strange past.

    Attributes:
        recent: recent average of b.
        mean: long average of b.
        variance: of b.
        covariance: of b with the b before.
        last: deviation of the last b from the mean.
        points: taken since the last `begin`.
        total: of their b.
        squares: of their b, added up.
        run_weight: 4 r^2 at the last `refresh`.
    """

    ARRAYS = ("values",)

    recent = Field(0)
    mean = Field(1)
    variance = Field(2)
    covariance = Field(3)
    last = Field(4)
    points = Field(5)
    total = Field(6)
    squares = Field(7)
    run_weight = Field(8)

    def __init__(self) -> None:
        self.values: NDArray[np.float64] = np.zeros(9)
        self.recent = self.mean = _HALF

    def lift(self, score: float, norm: float) -> float:
        """Return the score raised by the temporal layer; learn nothing.

        With t = (b + w a) / (1 + w), where a is `recent` as it would be with this point
        and w is `run_weight`: score + 0.4 t (top - score), where top is 0.5 for a score
        below and 1 for others. So it never crosses 0.5 for being far from the middle.

        Args:
            score: see `outlier_score`.
            norm: m, mean square of the standardised coordinates.
        """
        strange = _strangeness(score, norm)
        recent = self.recent + (strange - self.recent) / _RUN_POINTS
        lasting = (strange + self.run_weight * recent) / (1.0 + self.run_weight)
        top = 1.0 if score >= _HALF else _HALF
        return score + _LIFT * lasting * (top - score)

    def add(self, score: float, norm: float) -> None:
        """Take a point; for the arguments see `lift`."""
        strange = _strangeness(score, norm)
        self.recent += (strange - self.recent) / _RUN_POINTS
        deviation = strange - self.mean
        self.mean += deviation / _LASTING_POINTS
        self.variance += (deviation * deviation - self.variance) / _LASTING_POINTS
        product = deviation * self.last
        self.covariance += (product - self.covariance) / _LASTING_POINTS
        self.last = deviation
        self.points += 1.0
        self.total += strange
        self.squares += strange * strange

    @property
    def correlation(self) -> float:
        """Correlation of b between neighbouring points, 0 .. 1."""
        positive = self.variance > 0.0 and self.covariance > 0.0
        return min(1.0, self.covariance / self.variance) if positive else 0.0

    def refresh(self) -> None:
        """Work out `run_weight` anew."""
        self.run_weight = _RUN_WEIGHT * self.correlation * self.correlation

    def begin(self) -> None:
        """Begin the sums anew."""
        self.points = self.total = self.squares = 0.0


def _strangeness(score: float, norm: float) -> float:
    return 1.0 - (1.0 - score) / (1.0 + norm)


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
            middle = kernel.active.median(gaps)
            sigma = _MAD_TO_SIGMA * kernel.active.median(np.abs(gaps - middle))
            self.usual = middle + _DEVIATIONS * max(sigma, 0.05 * middle)
