"""Motion: whether clusters have left the places that the model remembers them at.

A long memory is right for data that stand still. Of a cluster that moves it keeps a
trail, into which the next cluster runs, and two that follow each other become one. So
the mean of the points that came last is compared with that of all that is remembered;
a cluster that has moved is founded anew from the former (`model`). Memory is as long as
the data stand still, cluster by cluster.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .microclusters import MicroClusters

__all__ = ["Motion"]

_POINTS = 32  # of a cluster, for a mean that says something
_SURE = 8.0  # standard deviations beyond chance: something moves
_ON = 1.0  # the same, to go on with it
_LAG = 0.02  # variances; a smaller one blurs nothing

Floats = NDArray[np.float64]


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
        lags = kernel.active.lags(points, cluster, micro, micro.count, _POINTS)
        deviation = math.sqrt(2.0 * max(len(lags), 1))
        beyond = sum(excess for _, excess, _ in lags) / deviation
        together = beyond > (_ON if self.going_on else _SURE)
        alone = _SURE * math.sqrt(2.0)
        moved = [
            name
            for name, excess, squared in lags
            if squared > _LAG and (together or excess > alone)
        ]
        self.going_on = together or bool(moved)
        return moved
