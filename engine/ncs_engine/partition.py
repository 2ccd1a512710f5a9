"""Clusters as groups of micro-clusters, with no parameter per data set.

Candidates are the cuts of a Ward tree (see `tree`). The evidence for a cut, two
silhouettes and a small price for every further cluster make a short list. In each
candidate on it, pieces that touch and have no valley between them are put together:
that is how rings and bars come out whole. The candidate that, besides, agrees best with
the clusters in force is the answer, so that a border case does not flicker.

This is the reference of `native/partition.c`, which decides the same.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .tree import Tree

__all__ = ["partition"]

_GRID = (*range(1, 17), 18, 21, 24, 28, 32, 37, 43, 50, 57, 66, 76, 87, 100, 115)
_SHORT_LIST = 12
_EVIDENCE = 1.0
_POINT_SILHOUETTE = 1.0
_CENTRE_SILHOUETTE = 0.5
_AGREEMENT = 0.6
_PRICE = 0.12  # per e-fold of clusters
_TOUCH = 2.0  # spacings
_TILING = 0.31  # below the threshold: pieces of one tiling are put together
_PRIOR_VALLEY = 0.35
_PRIOR_LINKS = 4.0
_OWN_LINKS = 3.0
_PSEUDO_LINKED = 2.0  # members that see no valley where pieces touch

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@np.errstate(over="ignore", invalid="ignore")  # what overflows is as far as can be
def partition(
    centres: Floats,
    spread: Floats,
    weight: Floats,
    label: Labels,
    count: int,
    recent: Floats,
    nearest: Labels,
    threshold: float,
    reach: float,
    component: Labels,
) -> None:
    """Find the component of each of the first `count` micro-clusters, numbered from 0.

    O(m^2 d + m d^2 log m) for m micro-clusters, plus O(n^2 d) for n recent points.

    Args:
        centres: float64 (d, capacity), standardised.
        spread: float64 (d, capacity), variance per feature.
        weight: float64 (capacity,).
        label: int64 (capacity,), the clusters in force, -1 for none.
        count: m, see above.
        recent: float64 (n, d), standardised points that came last.
        nearest: int64 (n,), the nearest micro-cluster of each.
        threshold: valley from which two crowds are one.
        reach: what is further than this from all else of a cluster is not in it.
        component: OUT, int64 (count,).
    """
    m = count
    if m == 0:
        return
    weight, label = weight[:m], label[:m]
    tree = Tree(centres[:, :m].T.copy(), spread[:, :m].T.copy(), weight, threshold)
    links = _links(tree.squared)
    best, answer = -math.inf, np.zeros(m, dtype=np.int64)
    for value, k in _short_list(tree, recent, nearest):
        if value + _AGREEMENT <= best:  # no more than that can be agreed
            break
        piece, nodes = tree.cut(k)
        whole = _put_together(tree, piece, nodes, links, threshold)
        value += _AGREEMENT * _agreement(whole, label, weight)
        if value > best:
            best, answer = value, whole
    component[:] = _taken_apart(answer, tree.squared <= reach * reach)


def _taken_apart(component: Labels, near: NDArray[np.bool_]) -> Labels:
    """Return the parts of the components that are within reach of each other."""
    part = np.full(len(component), -1, dtype=np.int64)
    for i in range(len(component)):
        if part[i] >= 0:
            continue
        name, todo = int(part.max()) + 1, [i]
        part[i] = name
        while todo:
            a = todo.pop()
            found = near[a] & (part < 0) & (component == component[i])
            part[found] = name
            todo.extend(np.flatnonzero(found).tolist())
    return part


def _short_list(tree: Tree, recent: Floats, nearest: Labels) -> list[tuple[float, int]]:
    """Return (value, k) of the best cuts, best first."""
    m = len(tree.evidence)
    peak = int(tree.evidence.argmax())
    top = float(tree.evidence[peak])
    between = _distances(recent, recent)
    rows = []
    for k in sorted({k for k in _GRID if k <= max(m // 2, 1)} | {peak + 1}):
        piece, nodes = tree.cut(k)
        share = float(tree.evidence[k - 1]) / top if top > 1e-6 else 0.0
        value = _EVIDENCE * max(share, -1.0) - _PRICE * math.log(k)
        value += _POINT_SILHOUETTE * _point_silhouette(k, piece[nearest], between)
        value += _CENTRE_SILHOUETTE * _centre_silhouette(tree, piece, nodes)
        rows.append((value, k))
    return sorted(rows, key=lambda row: -row[0])[:_SHORT_LIST]


def _squares(a: Floats, b: Floats) -> Floats:
    total = np.zeros((len(a), len(b)))
    for x, y in zip(a.T, b.T, strict=True):
        total += np.square(y - x[:, None])
    return total


def _distances(a: Floats, b: Floats) -> Floats:
    distance: Floats = np.sqrt(_squares(a, b))
    return distance


def _point_silhouette(k: int, piece: Labels, between: Floats) -> float:
    """Return the mean silhouette (Rousseeuw 1987) of the recent points."""
    n = len(piece)
    if k < 2 or n < 2:
        return 0.0
    members = np.bincount(piece, minlength=k)
    sums = between @ np.eye(k)[piece]
    every = np.arange(n)
    own = sums[every, piece] / np.maximum(members[piece] - 1, 1)
    means = np.full((n, k), np.inf)
    np.divide(sums, members, out=means, where=members > 0)
    means[every, piece] = np.inf
    other = means.min(axis=1)
    larger = np.maximum(own, other)
    known = (members[piece] > 1) & (other < np.inf) & (larger > 0.0)
    return float(((other - own)[known] / larger[known]).sum()) / n


def _centre_silhouette(tree: Tree, piece: Labels, nodes: Labels) -> float:
    """Return the same by distances to the centres of the pieces, over the micros."""
    if len(nodes) < 2:
        return 0.0
    crowds = tree.crowds
    squared = _squares(crowds.x, crowds.mean[nodes])
    every = np.arange(len(piece))
    own = squared[every, piece].copy()
    squared[every, piece] = np.inf
    spread = crowds.v.sum(axis=1)
    a, b = np.sqrt(own + spread), np.sqrt(squared.min(axis=1) + spread)
    larger = np.maximum(a, b)
    ratio = np.zeros(len(piece))
    np.divide(b - a, larger, out=ratio, where=(larger > 0.0) & (b < np.inf))
    return float(crowds.w @ ratio) / float(crowds.w.sum())


def _links(squared: Floats) -> tuple[Labels, Labels]:
    """Return the pairs of micro-clusters that touch.

    Two touch if they are no further apart than twice the spacing around either, which
    is the distance to the second nearest.
    """
    nearest = np.sort(squared, axis=1)[:, :2]
    spacing = np.where(nearest[:, -1] < np.inf, nearest[:, -1], nearest[:, 0])
    near = squared <= _TOUCH * _TOUCH * np.minimum(spacing, spacing[:, None])
    i, j = np.nonzero(np.tril(near, -1))
    return i, j


def _put_together(
    tree: Tree,
    piece: Labels,
    nodes: Labels,
    links: tuple[Labels, Labels],
    threshold: float,
) -> Labels:
    """Return the pieces after those that touch without a valley were put together.

    Average linkage over the pieces that touch. What the links of a whole connected
    tiling look like is the prior for each of them: one ring cut into twenty pieces has
    twenty weak witnesses, two overlapping blobs have one.
    """
    k = len(nodes)
    sums, count = _meetings(tree, piece, nodes, links)
    prior = _prior(sums, count)
    group = np.arange(k)
    # Pairs are in the lower triangle; what does not touch is at -1.
    score = np.where(np.tril(count) > 0.0, _score(sums, count, prior[:, None]), -1.0)
    while score.size:
        # Of equal ones the last in row order, as the compiled loop takes them.
        i, j = divmod(score.size - 1 - int(score[::-1, ::-1].argmax()), k)
        if score[i, j] < threshold - _TILING:
            break
        group[group == i] = j
        for matrix in (sums, count):
            matrix[j] += matrix[i]
            matrix[i], matrix[:, i], matrix[j, j] = 0.0, 0.0, 0.0
            matrix[:, j] = matrix[j]
        row = np.where(count[j] > 0.0, _score(sums[j], count[j], prior[j]), -1.0)
        score[i], score[:, i] = -1.0, -1.0
        score[j, :j], score[j:, j] = row[:j], row[j:]
    return np.unique(group[piece], return_inverse=True)[1].astype(np.int64)


def _score(sums: Floats, count: Floats, prior: Floats) -> Floats:
    return (sums + _OWN_LINKS * prior) / (count + _OWN_LINKS)


def _meetings(
    tree: Tree, piece: Labels, nodes: Labels, links: tuple[Labels, Labels]
) -> tuple[Floats, Floats]:
    """Return float64 (k, k) twice: valleys between pieces that touch, and a 1 there."""
    k = len(nodes)
    sums, count = np.zeros((k, k)), np.zeros((k, k))
    i, j = piece[links[0]], piece[links[1]]
    count[i, j] = count[j, i] = 1.0
    np.fill_diagonal(count, 0.0)
    i, j = np.nonzero(np.tril(count))
    sums[i, j] = sums[j, i] = tree.seen(nodes[i], nodes[j], _PSEUDO_LINKED)
    return sums, count


def _prior(sums: Floats, count: Floats) -> Floats:
    """Return per piece the mean valley over all links of its connected tiling."""
    tiling = _taken_apart(np.zeros(len(sums), dtype=np.int64), count > 0.0)
    total = np.bincount(tiling, sums.sum(axis=1)) / 2
    links = np.bincount(tiling, count.sum(axis=1)) / 2
    prior: Floats = (total + _PRIOR_LINKS * _PRIOR_VALLEY) / (links + _PRIOR_LINKS)
    return prior[tiling]


def _agreement(component: Labels, label: Labels, weight: Floats) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985), weighted.

    Over the micro-clusters that are in a cluster now; 0 without any.
    """
    known = label >= 0
    if not known.any():
        return 0.0
    _, old = np.unique(label[known], return_inverse=True)
    new, w = component[known], weight[known]
    table = np.zeros((int(component.max()) + 1, int(old.max()) + 1))
    np.add.at(table, (new, old), w)
    both = float(np.square(table).sum())
    rows = float(np.square(table.sum(axis=1)).sum())
    columns = float(np.square(table.sum(axis=0)).sum())
    chance = rows * columns / float(w.sum()) ** 2
    mean = 0.5 * (rows + columns)
    return 1.0 if mean <= chance else (both - chance) / (mean - chance)
