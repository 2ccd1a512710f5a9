"""The bounded set of micro-clusters that takes the points.

Coordinates are kept dimension-major, (d, capacity): adding up squared differences row
by row has one fixed order of additions, so the result does not depend on alignment or
vector width, and a compiled loop over the same layout can be bit-identical.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .result import OUTLIER

__all__ = ["MicroClusters"]


class MicroClusters:
    """Structure of arrays; the first `count` entries are in use.

    Attributes:
        centres: float64 (d, capacity), standardised.
        weight: float64 (capacity,), points taken, older ones forgotten.
        points: float64 (capacity,), points taken, none forgotten.
        spread: float64 (d, capacity), variance of its points per feature.
        label: int64 (capacity,), the cluster it belongs to, -1 while it is in none.
        seen: int64 (capacity,), number of points learned when it last took one.
    """

    ARRAYS = ("centres", "weight", "points", "spread", "label", "seen")

    def __init__(self, dimension: int, capacity: int) -> None:
        self.capacity = capacity
        self.count = 0
        self.centres = np.zeros((dimension, capacity))
        self.weight = np.zeros(capacity)
        self.points = np.zeros(capacity)
        self.spread = np.zeros((dimension, capacity))
        self.label = np.full(capacity, OUTLIER, dtype=np.int64)
        self.seen = np.zeros(capacity, dtype=np.int64)

    def resized(self, capacity: int, *, keep: int) -> MicroClusters:
        """Return a set of that capacity with the `keep` heaviest entries, in order."""
        other = MicroClusters(len(self.centres), capacity)
        weight = self.weight[: self.count]
        kept = np.sort(np.argsort(-weight, kind="stable")[:keep])
        other.count = len(kept)
        for name in self.ARRAYS:
            getattr(other, name)[..., : other.count] = getattr(self, name)[..., kept]
        return other

    def squared_distances(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float64 (count,): squared distance of float64 (d,) `z` to each."""
        # Two columns at least: of a single one numpy would add up the rows pairwise.
        difference = self.centres[:, : max(2, self.count)] - z[:, None]
        np.multiply(difference, difference, out=difference)
        squared: NDArray[np.float64] = np.add.reduce(difference, axis=0)
        return squared[: self.count]

    def pairwise_squared_distances(self) -> NDArray[np.float64]:
        """Return float64 (count, count)."""
        centres = self.centres[:, : self.count]
        total = np.zeros((self.count, self.count))
        for row in centres:
            difference = row[:, None] - row
            difference *= difference
            total += difference
        return total

    def absorb(self, index: int, z: NDArray[np.float64], rate: float) -> None:
        """Let micro-cluster `index` take `z`.

        Centre and spread follow by 1 / points while it is young, which makes them mean
        and variance, and by `rate` later.
        """
        self.weight[index] += 1.0
        points = self.points[index] + 1.0
        self.points[index] = points
        step = max(1.0 / points, rate)
        gap = z - self.centres[:, index]
        self.centres[:, index] += step * gap
        spread = self.spread[:, index]
        spread += step * gap * gap
        spread *= 1.0 - step

    def found(self, z: NDArray[np.float64], label: int) -> int:
        """Begin a micro-cluster at `z` and return its index, or -1 if there is no room.

        When all are in use, the one with the least weight gives way; but never the last
        one of a cluster.
        """
        if self.count < self.capacity:
            index = self.count
            self.count += 1
        else:
            index = self._expendable()
            if index < 0:
                return index
        self.centres[:, index] = z
        self.weight[index] = self.points[index] = 1.0
        self.spread[:, index] = 0.0
        self.label[index] = label
        return index

    def _expendable(self) -> int:
        """Return the lightest entry that may go, strays first, or -1."""
        labels, counts = np.unique(self.label, return_counts=True)
        last_ones = labels[(counts == 1) & (labels >= 0)]
        strays = self.label < 0
        allowed = strays if strays.any() else ~np.isin(self.label, last_ones)
        weight = np.where(allowed, self.weight, np.inf)
        index = int(weight.argmin())
        return index if weight[index] < np.inf else -1

    def drop_strays(self, unseen_since: int) -> None:
        """Forget entries without a label that took no point after `unseen_since`."""
        active = slice(self.count)
        self.keep((self.label[active] >= 0) | (self.seen[active] > unseen_since))

    def remap(self, factor: NDArray[np.float64], offset: NDArray[np.float64]) -> None:
        """Follow a move of the standardiser: centre * factor + offset, both (d,)."""
        active = self.centres[:, : self.count]
        active *= factor[:, None]
        active += offset[:, None]
        self.spread[:, : self.count] *= (factor * factor)[:, None]

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Keep those of the active entries where bool (count,) `mask` is true."""
        kept = int(np.count_nonzero(mask))
        if kept == self.count:
            return
        for name in self.ARRAYS:
            array = getattr(self, name)
            array[..., :kept] = array[..., : self.count][..., mask]
        self.count = kept

    def merge_closest(self, target: int, distances: NDArray[np.float64]) -> None:
        """Merge the closest pairs until at most `target` are left.

        Pairs of two different clusters are left alone. `distances` is the matrix of
        `pairwise_squared_distances`; it is used up.
        """
        label = self.label[: self.count]
        apart = (label[:, None] != label) & (label[:, None] >= 0) & (label >= 0)
        distances[apart] = np.inf
        np.fill_diagonal(distances, np.inf)
        alive = np.ones(self.count, dtype=np.bool_)
        for _ in range(self.count - target):
            a, b = divmod(int(np.argmin(distances)), self.count)
            if distances[a, b] == np.inf:
                break
            if self.label[a] < 0 or (
                self.label[b] >= 0 and self.weight[b] > self.weight[a]
            ):
                a, b = b, a
            self._take_in(a, b)
            alive[b] = False
            distances[b, :] = np.inf
            distances[:, b] = np.inf
            moved = self.squared_distances(self.centres[:, a])
            blocked = (distances[a] == np.inf) | ~alive
            distances[a] = np.where(blocked, np.inf, moved)
            distances[:, a] = distances[a]
        self.keep(alive)

    def _take_in(self, a: int, b: int) -> None:
        share = self.weight[b] / (self.weight[a] + self.weight[b])
        gap = self.centres[:, b] - self.centres[:, a]
        self.centres[:, a] += share * gap
        self.spread[:, a] += share * (self.spread[:, b] - self.spread[:, a])
        self.spread[:, a] += share * (1.0 - share) * gap * gap
        self.weight[a] += self.weight[b]
        self.points[a] += self.points[b]
        self.seen[a] = max(self.seen[a], self.seen[b])
