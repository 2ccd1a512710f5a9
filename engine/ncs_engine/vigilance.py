"""The scales of the model: what is near, and what is close enough to be the same.

The radius follows the distance to the k-th nearest neighbour among the recent points,
so it adapts to the data and not to their units; what is strange is said in radii. The
grain is how close a point has to be to join a micro-cluster. The threshold decides how
deep a valley between two crowds has to be to keep them apart.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from . import kernel

__all__ = ["Vigilance"]

_NEIGHBOUR = 6  # for a full ring of 256; fewer points take a nearer neighbour
_NEIGHBOUR_ON_A_LINE = 28  # one dimension has room for few neighbours: look further
_FULL_RING = 256
_SAMPLE = 64
_SAME_PLACE = 1e-6  # standardised units; what rounding may move a point by
_NEIGHBOURING_PLACES = 1.25
_RADIUS_MEMORY = 0.75
_MAX_SWING = 0.05
_NARROWER = 0.95
_WIDER = 1.05
_WITHIN = 0.7  # grains, from the centre of a micro-cluster to where its points may be


class Vigilance:
    """Radius, grain and threshold in force.

    Attributes:
        radius: standardised units, of the data; 0 before the first update.
        grain: standardised units, of the model: a point joins the nearest micro-cluster
            within it. As fine as the number of micro-clusters allows; at first what
            rounding may move apart.
        threshold: `base_threshold` and at most 0.05 more or less.
    """

    def __init__(self, threshold: float) -> None:
        self.radius = 0.0
        self.grain = _SAME_PLACE
        self.threshold = threshold

    @property
    def unit(self) -> float:
        """What strangeness is told in: the radius, if the grain shows that much.

        In a slow series the last points lie closer together than the micro-clusters;
        at a radius finer than these, half of the points would be strange.
        """
        return max(self.radius, _WITHIN * self.grain) if self.radius > 0.0 else 0.0

    @property
    def valley(self) -> float:
        """The valley from which two crowds are one, see `partition`."""
        return math.sqrt(self.threshold)

    def measure(self, points: NDArray[np.float64], *, blend: bool) -> None:
        """Take the radius from recent standardised points, float64 (n, d), n >= 2.

        With `blend` it moves a quarter of the way, without it is taken as measured.
        """
        measured = _neighbour_distance(points)
        kept = _RADIUS_MEMORY if blend and self.radius > 0.0 else 0.0
        self.radius = kept * self.radius + (1.0 - kept) * measured

    def rescale(self, factor: NDArray[np.float64]) -> float:
        """Follow a move of the standardiser; return by how much distances changed.

        Args:
            factor: float64 (d,), see `Standardizer.move`.
        """
        known = factor[factor > 0.0]
        change = math.sqrt(float(np.square(known).mean())) if known.size else 1.0
        self.radius *= change
        self.grain = max(self.grain * change, _SAME_PLACE)
        return change

    def widen(self, distance: float) -> None:
        """Let points join within `distance` at least, as room has run out."""
        self.grain = max(self.grain * _WIDER, distance)

    def narrow(self) -> None:
        """Let there be more micro-clusters, as there is room for them."""
        self.grain = max(self.grain * _NARROWER, _SAME_PLACE)

    def adapt(self, base: float, gaps: NDArray[np.float64]) -> None:
        """Let the threshold follow how close points lie to their micro-clusters.

        Where points crowd closely around the micro-clusters the density is known in
        detail and a stricter threshold can be trusted; where they lie far, a laxer one.

        Args:
            base: `base_threshold`.
            gaps: float64 (n,), distances of recent points to their micro-clusters.
        """
        swing = 0.0
        if gaps.size >= 30 and self.radius > 0.0:
            closeness = 0.5 - kernel.active.upper_quartile(gaps) / self.radius
            swing = max(-_MAX_SWING, min(_MAX_SWING, 0.1 * closeness))
        self.threshold = min(0.99, max(0.05, base + swing))


def _neighbour_distance(points: NDArray[np.float64]) -> float:
    """Return the median distance to the k-th nearest neighbour. O(n^2 d).

    The median is that of every fourth of 256 points: the ranking costs more than the
    distances.

    Where most points have exact twins it would be 0. Rounded readings then take the
    distance between neighbouring places, if that is within about one standard
    deviation; places further apart, as of categories, stay modes of their own.
    """
    n = len(points)
    columns, every = np.ascontiguousarray(points.T), max(1, n // _SAMPLE)
    wanted = _NEIGHBOUR_ON_A_LINE if points.shape[1] == 1 else _NEIGHBOUR
    k = max(1, min(round(wanted * n / _FULL_RING), n - 1))
    nearest = np.empty(-(-n // every))
    kernel.active.neighbours(columns, every, k, nearest)
    distance = math.sqrt(kernel.active.median(nearest))
    if distance > _SAME_PLACE:
        return distance
    squared = np.empty((n, n))
    kernel.active.pairwise_squared_distances(columns, n, squared)
    squared = squared[::every]
    apart = np.where(squared > _SAME_PLACE**2, squared, np.inf).min(axis=1)
    spacing = math.sqrt(kernel.active.median(apart))
    return spacing if spacing <= _NEIGHBOURING_PLACES else _SAME_PLACE
