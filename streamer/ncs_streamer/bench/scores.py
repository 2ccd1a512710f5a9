"""How good labels, scores and flags are against the truth: the indices of the harness.

They are written out here because the harness runs with what the server needs anyway,
and because a promise should not depend on the version of somebody else's library. The
tests compare them with examples worked by hand and with values of scikit-learn 1.9.

All take int64 (n,) labels, whose values are names only: an outlier's -1 is a label like
any other. No function changes its arguments; all may be called concurrently.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ami",
    "area_under_roc",
    "ari",
    "ari_of",
    "contingency",
    "precision_recall_f1",
    "purity",
    "silhouette",
]

Labels = NDArray[np.int64]


def contingency(truth: Labels, given: Labels) -> NDArray[np.int64]:
    """Return int64 (classes, clusters): how many points of each are in each."""
    _, rows = np.unique(truth, return_inverse=True)
    _, columns = np.unique(given, return_inverse=True)
    width = int(columns.max(initial=-1)) + 1
    height = int(rows.max(initial=-1)) + 1
    cells = np.bincount(rows * width + columns, minlength=height * width)
    return cells.reshape(height, width)


def ari(truth: Labels, given: Labels) -> float:
    """Return the adjusted Rand index: 1 for equal partitions, 0 on average by chance.

    Hubert and Arabie, Comparing partitions, 1985. Two partitions that both do not
    divide, or both divide into single points, are equal: 1.
    """
    return ari_of(contingency(truth, given))


def ari_of(table: NDArray[np.int64]) -> float:
    """Return the adjusted Rand index of a table as `contingency` returns it."""
    both, in_truth = _pairs(table), _pairs(table.sum(axis=1))
    in_given, total = _pairs(table.sum(axis=0)), _pairs(table.sum(keepdims=True))
    by_chance = in_truth * in_given / total if total else 0.0
    highest = (in_truth + in_given) / 2
    return 1.0 if highest == by_chance else (both - by_chance) / (highest - by_chance)


def _pairs(counts: NDArray[np.int64]) -> float:
    return float((counts * (counts - 1)).sum()) / 2


def ami(truth: Labels, given: Labels) -> float:
    """Return the adjusted mutual information: 1 for equal partitions, 0 by chance.

    Vinh, Epps and Bailey, Information theoretic measures for clusterings comparison,
    2010; normalised by the arithmetic mean of the two entropies.
    """
    table = contingency(truth, given)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    if len(rows) <= 1 and len(columns) <= 1:
        return 1.0
    n = len(truth)
    filled = table > 0
    share = table[filled] / n
    by_chance = (np.outer(rows, columns) / n**2)[filled]
    information = float((share * np.log(share / by_chance)).sum())
    expected = _expected_information(rows, columns, n)
    span = (_entropy(rows / n) + _entropy(columns / n)) / 2 - expected
    return (information - expected) / span if abs(span) > 1e-12 else 1.0


def _entropy(share: NDArray[np.float64]) -> float:
    return -float((share * np.log(share)).sum())


def _expected_information(
    rows: NDArray[np.int64], columns: NDArray[np.int64], n: int
) -> float:
    """Return the mutual information expected of partitions with these sizes.

    The number of points in a cell is hypergeometric (the paper's equation 24a). Sizes
    that occur more than once are worked out once.
    """
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    expected = 0.0
    for a, a_times in zip(*np.unique(rows, return_counts=True), strict=True):
        for b, b_times in zip(*np.unique(columns, return_counts=True), strict=True):
            cell = np.arange(max(1, a + b - n), min(a, b) + 1)
            log_chance = (
                log_factorial[[a, b, n - a, n - b]].sum()
                - log_factorial[n]
                - log_factorial[cell]
                - log_factorial[a - cell]
                - log_factorial[b - cell]
                - log_factorial[n - a - b + cell]
            )
            gain = cell / n * np.log(n * cell / (a * b))
            expected += a_times * b_times * float(gain @ np.exp(log_chance))
    return expected


def purity(truth: Labels, given: Labels) -> float:
    """Return the share of points that are of the commonest class of their cluster.

    Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 16.3. More
    clusters make it higher, so it is read beside their number.
    """
    return float(contingency(truth, given).max(axis=0).sum()) / len(truth)


def silhouette(points: NDArray[Any], labels: Labels) -> float:
    """Return the mean silhouette in [-1, 1]; 0 for a point alone in its cluster.

    Rousseeuw, Silhouettes, 1987, with Euclidean distances. Less than two clusters have
    none; then it is 0.

    Args:
        points: float (n, d); O(n^2 d) time and O(n^2) memory.
        labels: int64 (n,).
    """
    _, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return 0.0
    member = np.eye(len(sizes))[own]
    sums = _distances(np.asarray(points, dtype=np.float64)) @ member
    rows = np.arange(len(own))
    alone = sizes[own] == 1
    within = sums[rows, own] / np.maximum(1, sizes[own] - 1)
    means = sums / sizes
    means[rows, own] = np.inf
    nearest = means.min(axis=1)
    larger = np.maximum(within, nearest)
    value = np.divide(
        nearest - within, larger, out=np.zeros_like(larger), where=larger > 0
    )
    return float(np.where(alone, 0.0, value).mean())


def _distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = points - points.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    squared = squares[:, None] + squares - 2.0 * centred @ centred.T
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0.0))
    np.fill_diagonal(distances, 0.0)
    return distances


def area_under_roc(positive: NDArray[np.bool_], scores: NDArray[Any]) -> float | None:
    """Return the chance that a positive scores above a negative; ties count a half.

    Fawcett, An introduction to ROC analysis, 2006. None if one class has no point.

    Args:
        positive: bool (n,).
        scores: float (n,), higher for what is more likely positive.
    """
    count = int(positive.sum())
    others = len(positive) - count
    if not count or not others:
        return None
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(ties) - (ties - 1) / 2
    above = float(mean_rank[place][positive].sum()) - count * (count + 1) / 2
    return above / (count * others)


def precision_recall_f1(
    positive: NDArray[np.bool_], flagged: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Return precision, recall and F1 of bool (n,) flags; 0 where nothing is there."""
    hits = int((positive & flagged).sum())
    precision = hits / max(1, int(flagged.sum()))
    recall = hits / max(1, int(positive.sum()))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return precision, recall, f1
