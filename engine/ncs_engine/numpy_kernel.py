"""The kernel in NumPy: reference of the compiled one (`native/`), and its stand-in.

What runs at every point, and what is quadratic in the micro-clusters. Both kernels do
the same operations on the same float64 numbers in the same order, so a model does not
depend on which of them it ran on. Arguments are IN unless they are marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .boxes import cut_boxes
from .continuity import go_on
from .lags import lags
from .moments import move, observe
from .partition import partition
from .point_loop import PointLoop
from .quantiles import median, upper_quartile
from .upkeep import forget, keep, remap

if TYPE_CHECKING:
    from .microclusters import MicroClusters

__all__ = [
    "PointLoop",
    "cut_boxes",
    "fits",
    "forget",
    "geometry",
    "go_on",
    "keep",
    "lags",
    "median",
    "merge_closest",
    "move",
    "nearest",
    "neighbours",
    "observe",
    "overlaps",
    "pairwise_squared_distances",
    "partition",
    "qualities",
    "refound",
    "remap",
    "upper_quartile",
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


def qualities(
    centroids: NDArray[np.float64],
    variances: NDArray[np.float64],
    quality: NDArray[np.float64],
) -> None:
    """Say how well clusters are apart: (b - a) / max(a, b), clipped to [0, 1].

    a is the root mean square distance of its points to its centroid, b the distance to
    the nearest other centroid; after the simplified silhouette of Hruschka, de Castro
    and Campello (2004). A single cluster has no other: it gets 0.5. O(k^2 d).

    Args:
        centroids: float64 (k, d).
        variances: float64 (k, d).
        quality: OUT, float64 (k,).
    """
    if len(centroids) < 2:
        quality[:] = 0.5
        return
    squared = np.zeros((len(centroids), len(centroids)))
    spread = np.zeros(len(centroids))
    for centre, variance in zip(centroids.T, variances.T, strict=True):
        squared += np.square(centre[:, None] - centre)
        spread += variance
    np.fill_diagonal(squared, np.inf)
    other, own = np.sqrt(squared.min(axis=1)), np.sqrt(spread)
    larger = np.maximum(other, own)
    ratio = np.divide(other - own, larger, out=np.ones_like(own), where=larger > 0)
    quality[:] = np.maximum(ratio, 0.0)


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
    micro: MicroClusters, count: int, target: int, limit: float
) -> tuple[float, int]:
    """Merge the closest pairs of a cluster until `target` are left.

    Of several equally close pairs the one with the lowest indices. Entries without a
    label are left alone, and pairs that are beyond `limit` now.

    Args:
        micro: INOUT, all arrays; not its `count`.
        count: how many are in use.
        target: stop at so many.
        limit: squared distance.

    Returns:
        The largest squared distance of a merged pair, 0 for none; how many are left.
    """
    label = micro.label[:count]
    squared = np.empty((count, count))
    pairwise_squared_distances(micro.centres, count, squared)
    apart = (label[:, None] != label) | (label < 0)
    squared[apart | (squared > limit)] = np.inf
    np.fill_diagonal(squared, np.inf)
    alive = np.ones(count, dtype=np.bool_)
    farthest = 0.0
    for _ in range(count - target):
        a, b = divmod(int(np.argmin(squared)), count)
        if squared[a, b] == np.inf:
            break
        farthest = max(farthest, float(squared[a, b]))
        if micro.weight[b] > micro.weight[a]:
            a, b = b, a
        micro.take_in(a, b)
        alive[b] = False
        squared[b, :] = np.inf
        squared[:, b] = np.inf
        moved = micro.squared_distances(micro.centres[:, a])
        barred = (squared[a] == np.inf) | ~alive
        squared[a] = np.where(barred, np.inf, moved)
        squared[:, a] = squared[a]
    return farthest, keep(micro, count, alive)


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
