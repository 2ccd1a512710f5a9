"""Cells in which points are counted to see whether they still fall as they did.

A tree of cuts makes 64 boxes that held equally many points, however these lie and in
whatever dimension. A box is an inner and an outer cell, around the middle of its
points: as many fall into the one as into the other.
The cells stay as they were built: what moves is how many points fall into each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .standardizer import Standardizer, unit_vectors

__all__ = ["CELLS", "Histogram"]

_DEPTH = 6
_BOXES = 1 << _DEPTH
CELLS = 2 * _BOXES
_FARTHEST = 1e6  # standardised; beyond it everything is equally far


class Histogram:
    """A k-d tree with cells; after QuantTree (Boracchi et al., ICML 2018).

    Node 1 is the root, 2 i and 2 i + 1 lie below node i, the boxes below the last 32.

    Args:
        dimension: d.
        unit: of unit vectors instead of points.

    Attributes:
        shift: float64 (d,), of the standardiser when the cells were built.
        scale: float64 (d,), likewise.
        feature: int64 (64,), what a node cuts; the first one is no node.
        cut: float64 (64,), standardised; what is above goes to the right.
        middle: float32 (d, 64), standardised mean of the points of a box.
        reach: float64 (64,), median of the squared distances to it.
    """

    ARRAYS = ("shift", "scale", "feature", "cut", "middle", "reach")

    def __init__(self, dimension: int, *, unit: bool = False) -> None:
        self.unit = unit
        self.shift = np.zeros(dimension)
        self.scale = np.zeros(dimension)
        self.feature = np.zeros(_BOXES, dtype=np.int64)
        self.cut = np.zeros(_BOXES)
        self.middle = np.zeros((dimension, _BOXES), dtype=np.float32)
        self.reach = np.zeros(_BOXES)

    @staticmethod
    def bytes(dimension: int) -> int:
        """Return the bytes of all arrays."""
        return 16 * dimension + _BOXES * (24 + 4 * dimension)

    def build(self, points: NDArray[np.float64], scaler: Standardizer) -> None:
        """Cut float64 (n, d) points into boxes, see `boxes`."""
        self.shift[:], self.scale[:] = scaler.shift, scaler.scale
        z = np.ascontiguousarray(self._standardize(points).T)
        kernel.active.cut_boxes(z, self.feature, self.cut, self.middle, self.reach)

    def count(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return int64 (128,): how many of float64 (n, d) points are in each cell."""
        return np.bincount(self.cells(points), minlength=CELLS)

    def cells(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return int64 (n,): the cell of each of float64 (n, d) points. O(n d)."""
        z = self._standardize(points)
        every = np.arange(len(points))
        node = np.ones(len(points), dtype=np.int64)
        for _ in range(_DEPTH):
            node = 2 * node + (z[self.feature[node], every] > self.cut[node])
        node -= _BOXES
        away = np.zeros(len(points))
        for column, row in zip(z, self.middle, strict=True):
            away += np.square(column - row[node])
        return 2 * node + (away > self.reach[node])

    def _standardize(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return float64 (d, n)."""
        if self.unit:
            points = unit_vectors(points)
        z: NDArray[np.float64] = (points.T - self.shift[:, None]) * self.scale[:, None]
        return np.clip(z, -_FARTHEST, _FARTHEST)
