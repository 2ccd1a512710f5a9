"""The kernel in NumPy: reference of the compiled one (`native/`), and its stand-in.

What runs at every point, and what is quadratic in the micro-clusters. Both kernels do
the same operations on the same float64 numbers in the same order, so a model does not
depend on which of them it ran on. Arguments are IN unless they are marked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .boxes import cut_boxes
from .continuity import go_on
from .lags import lags
from .moments import move, observe
from .novelty import STRAY_MEMORY
from .outliers import LIMIT_RADII, YOUNG, Background, RecentGaps, outlier_score
from .partition import partition
from .quantiles import median, upper_quartile
from .result import OUTLIER
from .standardizer import Standardizer, unit_vectors
from .upkeep import forget, keep, remap

if TYPE_CHECKING:
    from .microclusters import MicroClusters
    from .novelty import Novelty
    from .recent import RecentPoints

__all__ = [
    "BURST",
    "END",
    "FULL",
    "PointLoop",
    "chi_squares",
    "cut_boxes",
    "fits",
    "forget",
    "geometry",
    "go_on",
    "histogram_cells",
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
    "place",
    "qualities",
    "refound",
    "remap",
    "short_of_outlier",
    "tally",
    "upper_quartile",
]

END, BURST, FULL = 0, 1, 2
"""Why `PointLoop.learn` came back: all points are learned; strange points come in a run
or agree; the next point would found a micro-cluster and all are in use."""

Floats = NDArray[np.floating[Any]]

_ZERO = np.float32(0.0)
_CELLS = 128


class _Verdict(NamedTuple):
    """What the clusters so far say of a point."""

    cluster: int
    """The id that is told, -1 for an outlier."""
    gap: float
    """Distance to the nearest micro-cluster of a cluster."""
    plain: float
    """Score by the gap alone."""
    score: float
    """As told."""
    norm: float
    """Mean square of the standardised coordinates that vary."""
    strange: bool
    """Whether it is not to take part in a cluster; so every outlier."""

    @property
    def label(self) -> int:
        """The cluster that it takes part in, -1 for none."""
        return OUTLIER if self.strange else self.cluster


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


def tally(
    ids: NDArray[np.int64], start: int, stop: int, before: int
) -> list[tuple[int, int, int, int]]:
    """Return (cluster, points, visits, place of the last) for ids at [start, stop).

    In the order in which the clusters first come. A visit is a run of points; `before`
    is the id of the point before the first one.
    """
    counts: dict[int, tuple[int, int, int]] = {}
    for place_of, cluster in enumerate(ids[start:stop].tolist(), start):
        points, visits, _ = counts.get(cluster, (0, 0, 0))
        counts[cluster] = points + 1, visits + (cluster != before), place_of
        before = cluster
    return [(cluster, *count) for cluster, count in counts.items()]


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


def histogram_cells(
    points: NDArray[np.float64],
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    feature: NDArray[np.int64],
    cut: NDArray[np.float64],
    middle: NDArray[np.float32],
    reach: NDArray[np.float64],
    farthest: float,
    cell: NDArray[np.int64],
) -> None:
    """Find the cell of each point, O(n d).

    `shift` to `reach` are the arrays of a `Histogram`.

    Args:
        points: float64 (n, d), raw.
        farthest: standardised; what is further is taken to be there.
        cell: OUT, int64 (n,).
    """
    z = ((points - shift) * scale).clip(-farthest, farthest)
    every = np.arange(len(z))
    boxes = len(cut)
    node = np.ones(len(z), dtype=np.int64)
    while len(node) and node[0] < boxes:  # all are on one level
        node = 2 * node + (z[every, feature[node]] > cut[node])
    node -= boxes
    away = np.zeros(len(z))
    for column, row in zip(z.T, middle, strict=True):
        away += np.square(column - row[node])
    cell[:] = 2 * node + (away > reach[node])


def chi_squares(
    past: NDArray[np.float64], recent: NDArray[np.int32], told: NDArray[np.float64]
) -> None:
    """Compare blocks of points by chi-square, over 128 cells and 32 coarse ones.

    Four comparisons: the last block with the past, the last three with it, the last one
    with the one before, and with that one's. With n and m points, of which r and s are
    in a cell, chi-square is (n + m)^2 / (n m) (sum of r^2 / (r + s) - n^2 / (n + m)).

    Args:
        past: float64 (160,), points per cell and coarse cell.
        recent: int32 (3, 160), of the last blocks, the youngest last.
        told: OUT, float64 (3, 8), four times the cells, four times the coarse ones:
            chi-square over its degrees of freedom; these; and those of the chi-square
            distribution which has its variance, that is more where cells have few
            points (Haldane 1940).
    """
    oldest, before, last = recent.astype(np.float64)
    first = np.stack([last, oldest + before + last, last, last])
    second = np.stack([past, past, before, oldest])
    n = np.cumsum(first[:, :_CELLS], axis=1)[:, -1] + 1e-300
    m = np.cumsum(second[:, :_CELLS], axis=1)[:, -1] + 1e-300
    both = first + second
    filled = both > 0.0
    part = np.divide(1.0, both, out=np.zeros_like(both), where=filled)
    whole = (n + m) / n * (n + m) / m
    for level, cells in enumerate((slice(_CELLS), slice(_CELLS, None))):
        terms = first[:, cells] * first[:, cells] * part[:, cells]
        # One after the other, as the compiled loop adds them.
        squares = np.cumsum(terms, axis=1)[:, -1]
        few = np.cumsum(part[:, cells], axis=1)[:, -1]
        freedom = np.maximum(filled[:, cells].sum(axis=1) - 1.0, 1.0)
        sparse = np.maximum(1.0 + 0.5 * (whole - 6.0) * few / freedom, 1.0)
        of_level = told[:, 4 * level : 4 * level + 4]
        of_level[0] = whole * (squares - n * n / (n + m)) / freedom
        of_level[1], of_level[2] = freedom, freedom / sparse


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


def place(
    micro: MicroClusters,
    z: NDArray[np.float64],
    squared: NDArray[np.float64],
    cluster: int,
    grain: float,
    rate: float,
    *,
    crowded: bool,
) -> int:
    """Let the nearest micro-cluster take the point, or found one; return which.

    A strange point founds or joins one without a label: should more come to the same
    place, they become a cluster at the next density step.

    Args:
        micro: INOUT.
        z: float64 (d,), the standardised point.
        squared: float64 (count,), its squared distances.
        cluster: its cluster, -1 for none.
        grain: distance within which it joins the nearest.
        rate: see `EngineParams.learning_rate`.
        crowded: where no room can be made, the nearest takes every point.

    Returns:
        The index, or -1 if all are in use; then nothing was done.
    """
    index = int(squared.argmin()) if squared.size else -1
    joins = index >= 0 and squared[index] <= grain * grain
    full = micro.count == micro.capacity
    if not joins and not full:
        return micro.found(z, cluster)
    if not joins and not crowded:
        return -1
    micro.absorb(index, z, rate)
    if micro.label[index] < 0:
        micro.label[index] = cluster
    return index


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
        grain: see `place`.
        rate: see `place`.
        crowded: as for `place`, of the first of them alone.

    Returns:
        The first point for which there is no room, or n.
    """
    for i in range(start, len(points)):
        nearest = int(before.squared_distances(points[i]).argmin())
        index = place(
            micro,
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


class PointLoop:
    """Takes points one by one until the model has to be looked at as a whole.

    It works on the arrays that its owners have now: whoever replaces one of them makes
    a new loop. Not for two threads at once; other threads run while it works.

    Args:
        micro: INOUT.
        scaler: read only.
        gaps: INOUT.
        background: INOUT.
        novelty: INOUT.
        recent: INOUT.
        cosine: unit vectors instead of `scaler`.
        burst_window: how many of the last verdicts tell a burst, at most 31.
        burst_from: how many strange points among them are one.
    """

    def __init__(
        self,
        micro: MicroClusters,
        scaler: Standardizer,
        gaps: RecentGaps,
        background: Background,
        novelty: Novelty,
        recent: RecentPoints,
        cosine: bool,
        burst_window: int,
        burst_from: int,
    ) -> None:
        self._micro = micro
        self._gaps = gaps
        self._background = background
        self._novelty = novelty
        self._recent = recent
        self._varying = max(1, int(np.count_nonzero(scaler.scale)))
        self._standardize = unit_vectors if cosine else scaler.apply
        self._burst_window = burst_window
        self._burst_from = burst_from

    @np.errstate(over="ignore", invalid="ignore")  # as in C
    def learn(
        self,
        block: Floats,
        start: int,
        stop: int,
        ids: NDArray[np.int64],
        outliers: NDArray[np.bool_],
        scores: NDArray[np.float32],
        learned: int,
        since_step: int,
        burst: int,
        crowded: bool,
        grain: float,
        radius: float,
        usual: float,
        outlier_threshold: float,
        learning_rate: float,
        enough: float,
        /,
    ) -> tuple[int, int, int]:
        """Learn the points [start, stop) of a block, each judged before it is learned.

        O(count d) each.

        Args:
            block: float32 or float64 (n, d), finite, C order.
            start: see above.
            stop: see above.
            ids: OUT, int64 (n,), -1 for an outlier.
            outliers: OUT, bool (n,).
            scores: OUT, float32 (n,).
            learned: points that the model has learned before.
            since_step: of them, since the last density step.
            burst: the last verdicts as bits, 1 for a strange point.
            crowded: see `place`.
            grain: see `place`.
            radius: see `outlier_score`.
            usual: see `outlier_score`.
            outlier_threshold: score from which a point is an outlier.
            learning_rate: see `EngineParams`.
            enough: see `Novelty.enough`.

        Returns:
            (points learned, END or BURST or FULL, `burst` after them).
        """
        window = (1 << self._burst_window) - 1
        for i in range(start, stop):
            z = self._standardize(block[i : i + 1])[0]
            squared = self._micro.squared_distances(z)
            verdict = self._verdict(
                z, squared, learned, radius, usual, outlier_threshold
            )
            label, strange = verdict.label, verdict.strange
            agrees = strange and self._agrees(squared, learned + 1, radius)
            index = place(
                self._micro, z, squared, label, grain, learning_rate, crowded=crowded
            )
            if index < 0:
                return i - start, FULL, burst
            learned += 1
            since_step += 1
            self._micro.seen[index] = learned
            self._background.add(verdict.plain, verdict.norm)
            if not strange:
                self._gaps.add(verdict.gap)
            self._novelty.add(agrees)
            self._recent.add(block[i], label)
            ids[i], outliers[i] = verdict.cluster, verdict.cluster == OUTLIER
            scores[i] = verdict.score
            burst = ((burst << 1) | strange) & window
            come_in_a_run = burst.bit_count() >= self._burst_from
            if come_in_a_run or self._novelty.evidence >= enough:
                if since_step >= self._burst_window:
                    return i + 1 - start, BURST, burst
        return max(0, stop - start), END, burst

    @np.errstate(over="ignore", invalid="ignore")
    def judge(
        self,
        block: Floats,
        ids: NDArray[np.int64],
        outliers: NDArray[np.bool_],
        scores: NDArray[np.float32],
        learned: int,
        radius: float,
        usual: float,
        outlier_threshold: float,
        /,
    ) -> None:
        """Judge every point of a block and learn nothing; arguments as for `learn`."""
        for i in range(len(block)):
            z = self._standardize(block[i : i + 1])[0]
            squared = self._micro.squared_distances(z)
            verdict = self._verdict(
                z, squared, learned, radius, usual, outlier_threshold
            )
            ids[i], outliers[i] = verdict.cluster, verdict.cluster == OUTLIER
            scores[i] = verdict.score

    def _verdict(
        self,
        z: NDArray[np.float64],
        squared: NDArray[np.float64],
        learned: int,
        radius: float,
        usual: float,
        outlier_threshold: float,
    ) -> _Verdict:
        """Judge a standardised point, float64 (d,), by its squared distances.

        While the model is young most places are new to it: a point that lies far from
        all clusters is told as of the nearest one then, with a score by its norm alone,
        though it founds a micro-cluster without a label like any stranger.
        """
        index = self._micro.nearest_labelled(squared)
        norm = float(np.cumsum(z * z)[-1]) / self._varying  # added up in order
        if index < 0 or squared[index] == np.inf:
            return _Verdict(OUTLIER, math.inf, 1.0, 1.0, norm, True)
        cluster, gap = int(self._micro.label[index]), math.sqrt(squared[index])
        plain = outlier_score(gap, radius, usual)
        if learned < YOUNG:
            strange = plain >= outlier_threshold
            score = self._background.lift(0.0, norm)
            score = short_of_outlier(score, outlier_threshold)
            return _Verdict(cluster, gap, 0.0, score, norm, strange)
        # In the precision in which it is told, so that verdict and score agree.
        score = float(np.float32(self._background.lift(plain, norm)))
        strange = score >= outlier_threshold
        told = OUTLIER if strange else cluster
        return _Verdict(told, gap, plain, score, norm, strange)

    def _agrees(
        self, squared: NDArray[np.float64], learned: int, radius: float
    ) -> bool:
        """Whether a strange point lies where other strange points came of late."""
        if not squared.size:
            return False
        nearest, reach = int(squared.argmin()), LIMIT_RADII * radius
        near = squared[nearest] <= reach * reach
        late = self._micro.seen[nearest] > learned - STRAY_MEMORY
        return bool(near and late and self._micro.label[nearest] < 0)


def short_of_outlier(score: float, outlier_threshold: float) -> float:
    """Return the score, or the float32 next below the threshold if that is less."""
    threshold = np.float32(outlier_threshold)
    return float(min(np.float32(score), np.nextafter(threshold, _ZERO)))
