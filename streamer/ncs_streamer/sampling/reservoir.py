"""A uniform sample of the points that came by since it was last taken.

Algorithm R of J. S. Vitter, "Random sampling with a reservoir" (1985), worked on whole
blocks: the point that comes as number t takes a place in the reservoir with probability
size/t, and the one that had the place is dropped.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reservoir", "Taken"]

_ELEMENTS = 250_000
"""Coordinates that one reservoir may hold, 2 MB: at 1,000 dimensions 250 points."""


@dataclasses.dataclass(slots=True)
class Taken:
    """Points of a reservoir, in random order."""

    points: NDArray[np.float64]
    """float64 (n, d)."""
    cluster_ids: NDArray[np.int32]
    """int32 (n,): as given at arrival, -1 for an outlier."""
    is_outlier: NDArray[np.bool_]
    """bool (n,)."""
    seen: int
    """Points that they were drawn from, themselves included."""


class Reservoir:
    """See the module.

    Args:
        size: the most points to keep.
        dimension: of every point.
        chance: gives the luck; the same seed and blocks give the same sample.
    """

    def __init__(self, size: int, dimension: int, chance: np.random.Generator) -> None:
        self.size = min(size, max(1, _ELEMENTS // dimension))
        self.dimension = dimension
        self.seen = 0
        self._chance = chance
        self._points = np.empty((self.size, dimension))
        self._ids = np.empty(self.size, np.int32)
        self._flags = np.empty(self.size, np.bool_)

    def add(
        self,
        points: NDArray[Any],
        cluster_ids: NDArray[np.int64],
        is_outlier: NDArray[np.bool_],
    ) -> None:
        """Let points (n, d) come by, with n ids and flags; copies what it keeps."""
        count = len(points)
        free = min(count, max(0, self.size - self.seen))
        places = np.arange(self.seen, self.seen + free)
        chosen = np.arange(free)
        if free < count:
            ranks = np.arange(self.seen + free + 1.0, self.seen + count + 1.0)
            drawn = self._chance.random(count - free) * ranks
            lucky = np.flatnonzero(drawn < self.size)
            places = np.concatenate([places, drawn[lucky].astype(np.intp)])
            chosen = np.concatenate([chosen, lucky + free])
        # Where two of a block get the same place the later one stays, as one by one.
        self._points[places] = points[chosen]
        self._ids[places] = cluster_ids[chosen]
        self._flags[places] = is_outlier[chosen]
        self.seen += count

    def take(self) -> Taken:
        """Return the sample, and begin anew.

        The order is random, so that every beginning of it is a uniform sample as well.
        """
        order = self._chance.permutation(min(self.seen, self.size))
        taken = Taken(
            self._points[order], self._ids[order], self._flags[order], self.seen
        )
        self.seen = 0
        return taken
