"""The bounded set of micro-clusters that takes the points.

Coordinates are kept dimension-major, (d, capacity): adding up squared differences row
by row has one fixed order of additions, so the result does not depend on alignment or
vector width, and the compiled kernel over the same layout is bit-identical.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from . import kernel
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
        squared = np.empty((self.count, self.count))
        kernel.active.pairwise_squared_distances(self.centres, self.count, squared)
        return squared

    def nearest_labelled(self, squared: NDArray[np.float64]) -> int:
        """Return the index of the nearest with a label, -1 if none has.

        Args:
            squared: float64 (count,), see `squared_distances`.
        """
        labelled = np.where(self.label[: self.count] >= 0, squared, np.inf)
        index = int(labelled.argmin()) if labelled.size else -1
        return index if index >= 0 and self.label[index] >= 0 else -1

    def place(
        self,
        z: NDArray[np.float64],
        squared: NDArray[np.float64],
        cluster: int,
        grain: float,
        rate: float,
        *,
        crowded: bool,
    ) -> int:
        """Let the nearest micro-cluster take the point, or found one; return which.

        A strange point founds or joins one without a label: should more come to the
        same place, they become a cluster at the next density step.

        Args:
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
        full = self.count == self.capacity
        if not joins and not full:
            return self.found(z, cluster)
        if not joins and not crowded:
            return -1
        self.absorb(index, z, rate)
        if self.label[index] < 0:
            self.label[index] = cluster
        return index

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
        """Begin a micro-cluster at `z` and return its index; there has to be room."""
        index = self.count
        self.count += 1
        self.centres[:, index] = z
        self.weight[index] = self.points[index] = 1.0
        self.spread[:, index] = 0.0
        self.label[index] = label
        return index

    def drop_strays(self, unseen_since: int) -> None:
        """Forget entries without a label that took no point after `unseen_since`."""
        active = slice(self.count)
        self.keep((self.label[active] >= 0) | (self.seen[active] > unseen_since))

    def drop_lightest_stray(self) -> None:
        """Forget the lightest of the entries without a label, if there are any."""
        stray = self.label[: self.count] < 0
        if stray.any():
            weight = np.where(stray, self.weight[: self.count], np.inf)
            kept = np.ones(self.count, dtype=np.bool_)
            kept[int(weight.argmin())] = False
            self.keep(kept)

    def remap(self, factor: NDArray[np.float64], offset: NDArray[np.float64]) -> None:
        """Follow a move of the standardiser: centre * factor + offset, both (d,)."""
        kernel.active.remap(self, self.count, factor, offset)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Keep those of the active entries where bool (count,) `mask` is true."""
        self.count = kernel.active.keep(self, self.count, mask)

    def merge_closest(self, target: int, reach: float = math.inf) -> float:
        """Merge the closest pairs of a cluster until at most `target` entries are left.

        Args:
            target: see above.
            reach: what is further apart now is left alone.

        Returns:
            The largest distance over which two were merged, 0 for none.
        """
        farthest, self.count = kernel.active.merge_closest(
            self, self.count, target, reach * reach
        )
        return math.sqrt(farthest)

    def take_in(self, a: int, b: int) -> None:
        """Let entry `a` have what `b` has; `b` stays as it is."""
        share = self.weight[b] / (self.weight[a] + self.weight[b])
        gap = self.centres[:, b] - self.centres[:, a]
        self.centres[:, a] += share * gap
        self.spread[:, a] += share * (self.spread[:, b] - self.spread[:, a])
        self.spread[:, a] += share * (1.0 - share) * gap * gap
        self.weight[a] += self.weight[b]
        self.points[a] += self.points[b]
        self.seen[a] = max(self.seen[a], self.seen[b])
