"""A Ward tree over micro-clusters, with the evidence for every cut of it.

Ward (1963) merges what raises the sum of squares least. At every merge the valley
between the two sides is measured; fewer members on the smaller side say less, so a few
pseudo members that see no valley are added. The evidence for k clusters is the sum,
over the k - 1 last merges, of members times (threshold - valley): chance averages out
over many merges, which no test of a single one can achieve.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .valley import FULL_COVARIANCE_TO, Crowds, valleys

__all__ = ["Tree"]

_PSEUDO_MEMBERS = 12.0
_FLOOR = 0.5  # of the squared spacing: no crowd is thinner
_SINGLE = 1.5  # weight up to which a micro-cluster may be an outlier
_POINT = 1e-12  # total variance up to which all its points coincide
_FARTHEST = 1e300  # cost of a merge; of one that overflows as well
_AT_A_TIME = 256  # pairs, so that they stay in the cache
_APART = 1e-18  # squared distance from which two places differ

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class Tree:
    """The tree, and everything that is measured between micro-clusters once.

    Args:
        centres: float64 (m, d), standardised; m >= 2.
        spread: float64 (m, d), variance per feature.
        weight: float64 (m,).
        threshold: valley from which two crowds are one.

    Attributes:
        squared: float64 (m, m): squared distances.
        evidence: float64 (m,): for a cut into k, at k - 1.
        crowds: the nodes; those of the micro-clusters come first.
    """

    def __init__(
        self, centres: Floats, spread: Floats, weight: Floats, threshold: float
    ) -> None:
        m, d = centres.shape
        self.squared = np.zeros((m, m))
        for column in centres.T:
            self.squared += np.square(column - column[:, None])
        np.fill_diagonal(self.squared, np.inf)
        apart = np.where(self.squared > _APART, self.squared, np.inf).min(axis=1)
        apart[apart == np.inf] = 0.0
        coinciding = spread.sum(axis=1) <= _POINT
        several = weight > _SINGLE
        least = np.where(several, _FLOOR * apart / d, 0.0)
        own = weight[:, None] * (spread + least[:, None])
        if d <= FULL_COVARIANCE_TO:
            own = own[:, :, None] * np.eye(d)
        later = m - 1, *own.shape[1:]
        self.crowds = Crowds(
            centres,
            spread,
            weight,
            np.where(coinciding & several, apart / d, 0.0),
            [np.array([i]) for i in range(m)],
            np.concatenate([centres, np.zeros((m - 1, d))]),
            np.concatenate([own, np.zeros(later)]),
            np.concatenate([weight, np.zeros(m - 1)]),
        )
        # Points that do not coincide, per node.
        self._count = np.zeros(2 * m - 1)
        self._count[:m] = np.where(coinciding, np.minimum(weight, 1.0), weight)
        self._known = np.full((2 * m - 1, 2 * m - 1), np.nan)
        left, right = self._grow()
        self._parent = np.full(2 * m - 1, 2 * m - 1)
        self._parent[left] = self._parent[right] = np.arange(m, 2 * m - 1)
        fewer = np.minimum(self._count[left], self._count[right])
        evidence = fewer * (threshold - self.seen(left, right, _PSEUDO_MEMBERS))
        # The last merge is the first to be undone.
        self.evidence = np.concatenate([[0.0], np.cumsum(evidence[::-1])])

    def valleys(self, a: Labels, b: Labels) -> Floats:
        """Return the valleys between nodes in pairs; every pair is tested once."""
        a, b = np.minimum(a, b), np.maximum(a, b)
        new = np.flatnonzero(np.isnan(self._known[a, b]))
        for start in range(0, len(new), _AT_A_TIME):
            some = new[start : start + _AT_A_TIME]
            self._known[a[some], b[some]] = valleys(self.crowds, a[some], b[some])
        return self._known[a, b]

    def seen(self, a: Labels, b: Labels, pseudo_members: float) -> Floats:
        """Return the valleys as the smaller side and some that see none see them."""
        fewer = np.minimum(self._count[a], self._count[b])
        total = fewer * self.valleys(a, b) + pseudo_members
        return total / (fewer + pseudo_members)

    def cut(self, k: int) -> tuple[Labels, Labels]:
        """Return (piece of each micro-cluster, node of each piece) for k pieces."""
        before = 2 * len(self.evidence) - k  # nodes, before the last k - 1 merges
        nodes = np.flatnonzero(self._parent[:before] >= before)[::-1]
        piece = np.empty(len(self.evidence), dtype=np.int64)
        for i, node in enumerate(nodes):
            piece[self.crowds.members[node]] = i
        return piece, nodes

    def _grow(self) -> tuple[Labels, Labels]:
        """Make all nodes; return those that were merged, in the order of the merges."""
        c, m = self.crowds, len(self.crowds.w)
        shared = c.w[:, None] * c.w / (c.w[:, None] + c.w)
        cost = np.fmin(self.squared * shared, _FARTHEST)
        np.fill_diagonal(cost, np.inf)
        node, alive = np.arange(m), np.ones(m, dtype=np.bool_)
        merged = np.zeros((m - 1, 2), dtype=np.int64)
        for made in range(m, 2 * m - 1):
            a, b = sorted(divmod(int(cost.argmin()), m))
            merged[made - m] = node[a], node[b]
            self._join(made, int(node[a]), int(node[b]))
            node[a], alive[b] = made, False
            cost[b], cost[:, b] = np.inf, np.inf
            others = np.flatnonzero(alive)
            others = others[others != a]
            mass = c.mass[node[others]]
            gap = np.square(c.mean[node[others]] - c.mean[made]).sum(axis=1)
            gap *= mass * c.mass[made] / (mass + c.mass[made])
            cost[a, others] = cost[others, a] = np.fmin(gap, _FARTHEST)
        return merged[:, 0], merged[:, 1]

    def _join(self, made: int, a: int, b: int) -> None:
        c = self.crowds
        c.mass[made] = c.mass[a] + c.mass[b]
        share = c.mass[b] / c.mass[made]
        gap = c.mean[b] - c.mean[a]
        between = np.outer(gap, gap) if c.scatter.ndim == 3 else gap * gap
        c.members.append(np.concatenate([c.members[a], c.members[b]]))
        c.mean[made] = c.mean[a] + share * gap
        c.scatter[made] = c.scatter[a] + c.scatter[b] + c.mass[a] * share * between
        self._count[made] = self._count[a] + self._count[b]
