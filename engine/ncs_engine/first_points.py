"""The first points, before any scale is known: clustered by relative similarity.

There are too few of them to say what is near, so a point is compared with where it lies
itself. At the first density step all of them are placed anew.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .clusters import ClusterBook
from .microclusters import MicroClusters
from .params import EngineParams
from .result import Change

__all__ = ["lead"]


def lead(
    z: NDArray[np.float64],
    micro: MicroClusters,
    book: ClusterBook,
    params: EngineParams,
    at: int,
    changes: list[Change],
) -> int:
    """Let a point join its nearest micro-cluster or begin a cluster; return which.

    1 - |x - c| / (|x| + |c|) against `base_threshold`: the only scale there is are the
    points themselves.

    Args:
        z: float64 (d,), the standardised point.
        micro: INOUT, one per cluster.
        book: INOUT; the point is not yet counted.
        params: the parameters in force.
        at: number of points learned with this one.
        changes: INOUT.
    """
    squared = micro.squared_distances(z)
    if squared.size:
        nearest = int(squared.argmin())
        size = _norm(z) + _norm(micro.centres[:, nearest])
        similarity = 1.0 - math.sqrt(squared[nearest]) / size if size else 1.0
        crowded = len(book) >= min(params.max_clusters, micro.capacity)
        if similarity >= params.base_threshold or crowded:
            micro.absorb(nearest, z, params.learning_rate)
            micro.seen[nearest] = at
            return int(micro.label[nearest])
    cluster = book.create(at)
    changes.append(Change("created", cluster, at, size=1))
    micro.seen[micro.found(z, cluster)] = at
    return cluster


def _norm(vector: NDArray[np.float64]) -> float:
    return math.sqrt(float(np.square(vector).sum()))
