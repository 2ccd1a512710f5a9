"""The last points and what became of them; all that the density step looks back on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .result import OUTLIER

__all__ = ["RecentPoints"]


class RecentPoints:
    """A ring of the last `capacity` points.

    Attributes:
        points: float64 (capacity, d), raw.
        ids: int64 (capacity,), cluster id at arrival, -1 for an outlier.
        at: where the next one goes.
    """

    ARRAYS = ("points", "ids")

    def __init__(self, capacity: int, dimension: int) -> None:
        self.points: NDArray[np.float64] = np.zeros((capacity, dimension))
        self.ids: NDArray[np.int64] = np.full(capacity, OUTLIER, dtype=np.int64)
        self.at = 0

    @property
    def capacity(self) -> int:
        """How many points it remembers."""
        return len(self.ids)

    def add(self, point: NDArray[np.float64], cluster: int) -> None:
        """Remember one raw point, float64 (d,), and its id."""
        self.points[self.at] = point
        self.ids[self.at] = cluster
        self.at = (self.at + 1) % self.capacity

    def last_points(self, n: int) -> NDArray[np.float64]:
        """Return the last `n` points, oldest first: float64 (n, d), maybe a view."""
        begin = self.at - n
        if begin >= 0:
            return self.points[begin : self.at]
        return np.concatenate([self.points[begin:], self.points[: self.at]])

    def last(self, n: int) -> tuple[NDArray[np.float64], list[int]]:
        """Return the last `n` points, oldest first: float64 (n, d), and their ids."""
        start = self.at - n
        if start >= 0:
            part = slice(start, self.at)
            return self.points[part].copy(), self.ids[part].tolist()
        points = np.concatenate([self.points[start:], self.points[: self.at]])
        return points, self.ids[start:].tolist() + self.ids[: self.at].tolist()
