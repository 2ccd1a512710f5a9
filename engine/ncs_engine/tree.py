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

from .valley import FULL_COVARIANCE_TO, Crowds, valley

__all__ = ["Tree"]

_PSEUDO_MEMBERS = 8.0
_FLOOR = 0.5  # of the squared spacing: no crowd is thinner
_SINGLE = 1.5  # weight up to which a micro-cluster may be an outlier
_POINT = 1e-12  # total variance up to which all its points coincide
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
        full = d <= FULL_COVARIANCE_TO
        self.crowds = Crowds(
            centres,
            spread,
            weight,
            np.where(coinciding & several, apart / d, 0.0),
            [np.array([i]) for i in range(m)],
            list(centres),
            [np.diag(row) for row in own] if full else list(own),
            weight.tolist(),
        )
        self._count = np.where(coinciding, np.minimum(weight, 1.0), weight).tolist()
        self._known: dict[tuple[int, int], float] = {}
        self.evidence = np.zeros(m)
        self.evidence[1:] = np.cumsum(self._grow(threshold)[::-1])

    def valley(self, a: int, b: int) -> float:
        """Return the valley between two nodes; every pair is tested once."""
        pair = (a, b) if a < b else (b, a)
        if pair not in self._known:
            self._known[pair] = valley(self.crowds, *pair)
        return self._known[pair]

    def seen(self, a: int, b: int, pseudo_members: float) -> float:
        """Return the valley as the smaller side and some that see none see it."""
        fewer = min(self._count[a], self._count[b])
        total = fewer * self.valley(a, b) + pseudo_members
        return total / (fewer + pseudo_members)

    def cut(self, k: int) -> tuple[Labels, list[int]]:
        """Return (piece of each micro-cluster, node of each piece) for k pieces."""
        m = len(self.evidence)
        piece, nodes = np.full(m, -1, dtype=np.int64), list[int]()
        for node in range(2 * m - 1 - k, -1, -1):
            members = self.crowds.members[node]
            if piece[members[0]] < 0:
                piece[members] = len(nodes)
                nodes.append(node)
        return piece, nodes

    def _grow(self, threshold: float) -> Floats:
        m, weight = len(self.evidence), self.crowds.w
        shared = weight[:, None] * weight / (weight[:, None] + weight)
        cost = self.squared * shared
        node: list[int] = list(range(m))
        alive = np.ones(m, dtype=np.bool_)
        evidence = np.zeros(m - 1)
        for step in range(m - 1):
            a, b = sorted(divmod(int(cost.argmin()), m))
            left, right = node[a], node[b]
            fewer = min(self._count[left], self._count[right])
            seen = self.seen(left, right, _PSEUDO_MEMBERS)
            evidence[step] = fewer * (threshold - seen)
            self._join(left, right)
            node[a], alive[b] = m + step, False
            cost[b], cost[:, b] = np.inf, np.inf
            others = np.flatnonzero(alive)
            others = others[others != a]
            mass = np.array([self.crowds.mass[node[j]] for j in others])
            means = np.array([self.crowds.mean[node[j]] for j in others])
            if len(others):
                gap = np.square(means - self.crowds.mean[-1]).sum(axis=1)
                gap *= mass * self.crowds.mass[-1] / (mass + self.crowds.mass[-1])
                cost[a, others] = cost[others, a] = gap
        return evidence

    def _join(self, a: int, b: int) -> None:
        c = self.crowds
        mass = c.mass[a] + c.mass[b]
        share = c.mass[b] / mass
        gap = c.mean[b] - c.mean[a]
        between = np.outer(gap, gap) if c.scatter[a].ndim == 2 else gap * gap
        c.members.append(np.concatenate([c.members[a], c.members[b]]))
        c.mean.append(c.mean[a] + share * gap)
        c.scatter.append(c.scatter[a] + c.scatter[b] + c.mass[a] * share * between)
        c.mass.append(mass)
        self._count.append(self._count[a] + self._count[b])
