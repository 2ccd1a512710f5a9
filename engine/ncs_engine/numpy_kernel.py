"""The kernel in NumPy: reference of the compiled one (`native/`), and its stand-in.

What runs at every point, and what is quadratic in the micro-clusters. Both kernels do
the same operations on the same float64 numbers in the same order, so a model does not
depend on which of them it ran on. Arguments are IN unless they are marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .partition import partition
from .point_loop import PointLoop

if TYPE_CHECKING:
    from .microclusters import MicroClusters

__all__ = [
    "PointLoop",
    "fits",
    "geometry",
    "merge_closest",
    "nearest",
    "neighbours",
    "overlaps",
    "pairwise_squared_distances",
    "partition",
    "refound",
]


def fits(block: NDArray[Any], dimension: int, largest: float) -> bool:
    """Return whether a block can be learned as it is.

    That is: float32 or float64 (n, `dimension`) in C order and native byte order, all
    of it finite and at most `largest` in absolute value.
    """
    native = block.dtype in (np.float32, np.float64) and block.dtype.isnative
    shaped = block.ndim == 2 and block.shape[1] == dimension
    if not (native and shaped and block.flags.c_contiguous):
        return False
    return bool((np.abs(block) <= np.float64(largest)).all())  # not in float32


def overlaps(
    a: NDArray[np.int64], b: NDArray[np.int64], weight: NDArray[np.float64]
) -> list[tuple[int, int, float]]:
    """Return (label in a, label in b, weight) for all pairs of labels that items have.

    In the order in which the pairs first come.

    Args:
        a: int64 (n,).
        b: int64 (n,).
        weight: float64 (n,), added up in order.
    """
    shared: dict[tuple[int, int], float] = {}
    for *pair, w in zip(a.tolist(), b.tolist(), weight.tolist(), strict=True):
        shared[pair[0], pair[1]] = shared.get((pair[0], pair[1]), 0.0) + w
    return [(*pair, total) for pair, total in shared.items()]


def geometry(
    micro: MicroClusters,
    count: int,
    ids: NDArray[np.int64],
    centroids: NDArray[np.float64],
    variances: NDArray[np.float64],
) -> None:
    """Work out where clusters lie, by the weight of their micro-clusters. O(count d).

    Args:
        micro: read only.
        count: how many are in use.
        ids: int64 (k,), rising; each has a micro-cluster.
        centroids: OUT, float64 (k, d).
        variances: OUT, float64 (k, d), those within the micro-clusters included.
    """
    label = micro.label[:count]
    where = np.searchsorted(ids, label)
    where[where == len(ids)] = 0
    known = np.flatnonzero(ids[where] == label) if len(ids) else where[:0]
    where, weight = where[known], micro.weight[known]
    total = np.zeros(len(ids))
    np.add.at(total, where, weight)
    share = (weight / total[where])[:, None]
    centroids[:], variances[:] = 0.0, 0.0
    np.add.at(centroids, where, micro.centres[:, known].T * share)
    offset = micro.centres[:, known].T - centroids[where]
    squares = (offset * offset + micro.spread[:, known].T) * share
    np.add.at(variances, where, squares)


def neighbours(
    columns: NDArray[np.float64], every: int, k: int, squared: NDArray[np.float64]
) -> None:
    """Work out of every `every`th point the squared distance to its k-th nearest.

    A point is its own nearest, k = 0. O(n^2 d / every).

    Args:
        columns: float64 (d, n), points.
        every: see above.
        k: see above, below n.
        squared: OUT, float64 (ceil(n / every),).
    """
    total = np.zeros((len(squared), columns.shape[1]))
    for row in columns:
        difference = row - row[::every, None]
        difference *= difference
        total += difference
    squared[:] = np.partition(total, k, axis=1)[:, k]


def pairwise_squared_distances(
    centres: NDArray[np.float64], count: int, squared: NDArray[np.float64]
) -> None:
    """Work out the squared distances between the first `count` centres. O(count^2 d).

    Args:
        centres: float64 (d, capacity).
        count: see `squared`.
        squared: OUT, float64 (count, count).
    """
    squared[...] = 0.0
    for row in centres[:, :count]:
        difference = row[:, None] - row
        difference *= difference
        squared += difference


def nearest(
    centres: NDArray[np.float64],
    count: int,
    points: NDArray[np.float64],
    index: NDArray[np.int64],
) -> None:
    """Find the nearest of the first `count` centres for each point. O(n count d).

    Args:
        centres: float64 (d, capacity).
        count: at least 1.
        points: float64 (n, d), C order.
        index: OUT, int64 (n,); the first of equally near ones.
    """
    squared = np.zeros((len(points), count))
    for row, column in zip(centres[:, :count], points.T, strict=True):
        difference = row - column[:, None]
        difference *= difference
        squared += difference
    squared.argmin(axis=1, out=index)


def merge_closest(
    micro: MicroClusters,
    count: int,
    target: int,
    squared: NDArray[np.float64],
    alive: NDArray[np.bool_],
    limit: float,
) -> float:
    """Merge the closest pairs until `target` are alive; return the farthest merged.

    Of several equally close pairs the one with the lowest indices. Pairs of two
    different clusters are left alone, and those that are beyond `limit` now.

    Args:
        micro: INOUT, all arrays; what went is still in them.
        count: how many are in use.
        target: stop at so many.
        squared: INOUT, float64 (count, count), squared distances; used up.
        alive: OUT, bool (count,), false for what went into another one.
        limit: squared distance.

    Returns:
        The largest squared distance of a merged pair, 0 for none.
    """
    label = micro.label[:count]
    apart = (label[:, None] != label) & (label[:, None] >= 0) & (label >= 0)
    squared[apart | (squared > limit)] = np.inf
    np.fill_diagonal(squared, np.inf)
    alive[:] = True
    farthest = 0.0
    for _ in range(count - target):
        a, b = divmod(int(np.argmin(squared)), count)
        if squared[a, b] == np.inf:
            break
        farthest = max(farthest, float(squared[a, b]))
        if label[a] < 0 or (label[b] >= 0 and micro.weight[b] > micro.weight[a]):
            a, b = b, a
        micro.take_in(a, b)
        alive[b] = False
        squared[b, :] = np.inf
        squared[:, b] = np.inf
        moved = micro.squared_distances(micro.centres[:, a])
        barred = (squared[a] == np.inf) | ~alive
        squared[a] = np.where(barred, np.inf, moved)
        squared[:, a] = squared[a]
    return farthest


def refound(
    micro: MicroClusters,
    before: MicroClusters,
    points: NDArray[np.float64],
    start: int,
    learned: int,
    grain: float,
    rate: float,
    crowded: bool,
) -> int:
    """Place the points from `start` on anew, each with the cluster its place was in.

    Args:
        micro: INOUT.
        before: the micro-clusters until now.
        points: float64 (n, d), standardised.
        start: see above.
        learned: points learned.
        grain: see `MicroClusters.place`.
        rate: see `MicroClusters.place`.
        crowded: as for `MicroClusters.place`, of the first of them alone.

    Returns:
        The first point for which there is no room, or n.
    """
    for i in range(start, len(points)):
        nearest = int(before.squared_distances(points[i]).argmin())
        index = micro.place(
            points[i],
            micro.squared_distances(points[i]),
            int(before.label[nearest]),
            grain,
            rate,
            crowded=crowded and i == start,
        )
        if index < 0:
            return i
        micro.seen[index] = learned
    return len(points)
