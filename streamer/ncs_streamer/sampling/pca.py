"""Online PCA: the main directions of rows that keep coming, the older counting less.

The sequential Karhunen-Loeve transform with a moving mean and forgetting, of D. Ross,
J. Lim, R.-S. Lin and M.-H. Yang, "Incremental learning for robust visual tracking"
(2008): a few rows stand for all that came before, and each block of new rows is stacked
below them and compressed to as few again. Here features are divided by their running
standard deviation first, as the engine does, or those with large numbers would be all
that there is to see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEMORY_ROWS", "OnlinePca"]

MEMORY_ROWS = 4096
"""Rows after which a row counts half."""
_KEPT = 16
"""Directions that are followed, more than are shown: one may become important."""
_CONSTANT = 1e-9
"""Of the mean: a deviation that small is rounding."""
_TINY = 1e-30
"""A deviation below it counts as none: its inverse has to fit into float32."""

Floats = NDArray[np.float64]


class OnlinePca:
    """See the module.

    Args:
        dimension: d, of every row.

    Attributes:
        mean: float64 (d,), of the rows.
        scale: float64 (d,): their standard deviation, 0 for a feature that is constant.
        directions: float64 (r, d), r at most 16 and d: orthonormal rows, the main ones
            first, in features that are divided by `scale`.
    """

    def __init__(self, dimension: int) -> None:
        self.mean = np.zeros(dimension)
        self.scale = np.zeros(dimension)
        self.directions = np.zeros((0, dimension))
        self._weight = 0.0
        self._squares = np.zeros(dimension)  # of deviations from the mean, summed
        self._past = np.zeros((0, dimension))

    def standardised(self, rows: Floats) -> Floats:
        """Return rows (n, d) less the mean, in units of the scale; 0 if constant."""
        return (rows - self.mean) * self._inverse

    @property
    def _inverse(self) -> Floats:
        return np.divide(
            1.0, self.scale, out=np.zeros_like(self.mean), where=self.scale > 0
        )

    def learn(self, rows: Floats) -> None:
        """Take rows (n, d), n at least 1, in O(n d (n + 16)): some 64 at a time."""
        count = len(rows)
        keep = 0.5 ** (count / MEMORY_ROWS)
        before = keep * self._weight
        self._weight = before + count
        centre = rows.mean(axis=0)
        moved = centre - self.mean
        # The two centres lie apart: that is deviation as well, one row of it.
        bridge = np.sqrt(before * count / self._weight) * moved
        deviations = np.vstack([rows - centre, bridge])
        self.mean = self.mean + moved * (count / self._weight)
        self._squares = keep * self._squares + (deviations**2).sum(axis=0)
        scale = np.sqrt(self._squares / self._weight)
        rounding = np.maximum(_CONSTANT * np.abs(self.mean), _TINY)
        self.scale = np.where(scale > rounding, scale, 0.0)
        stacked = np.vstack([np.sqrt(keep) * self._past, deviations]) * self._inverse
        sizes, self.directions = _compress(stacked, _KEPT)
        self._past = sizes[:, np.newaxis] * self.directions * self.scale


def _compress(rows: Floats, most: int) -> tuple[Floats, Floats]:
    """Return the largest singular values, those that are not 0, and their vectors."""
    if len(rows) < rows.shape[1]:
        # Many features: through the products of the rows, ten times as fast.
        squares, left = np.linalg.eigh(rows @ rows.T)
        sizes = np.sqrt(np.maximum(squares[::-1], 0.0))[:most]
        sizes = sizes[sizes > 1e-7 * sizes[:1]]
        return sizes, (left[:, ::-1][:, : len(sizes)] / sizes).T @ rows
    _, sizes, right = np.linalg.svd(rows, full_matrices=False)
    sizes = sizes[:most]
    sizes = sizes[sizes > 1e-12 * sizes[:1]]
    return sizes, right[: len(sizes)]
