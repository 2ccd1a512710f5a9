"""What the engine tells: the verdict on each point, and what changed in the model."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTLIER", "Change", "ChangeKind", "Cluster", "Drift", "LearnResult"]

OUTLIER = -1
"""The cluster id of a point that belongs to no cluster."""

ChangeKind = Literal["created", "merged", "split", "removed"]


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A cluster came or went."""

    kind: ChangeKind
    cluster_id: int
    at: int
    """Number of points learned when it happened, since the engine was new or reset."""
    other: int | None = None
    """`merged`: the cluster that took it in; `split`: the one it came out of."""
    size: int = 0
    """Points that it has at its beginning, or had at its end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """The points no longer fall where they used to."""

    severity: Literal["low", "medium", "high"]
    statistic: float
    """[0, 1]: share of the points that fall elsewhere than in the long run, as far as
    that was known when the drift was reported."""
    affected_clusters: tuple[int, ...]
    recommendation: str
    at: int
    """Number of points learned when it was found."""
    detector: str = "occupancy"
    """Which one found it: novelty, silence, distribution, occupancy or likelihood, see
    `drift`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster as it is now; all distances in units of the input."""

    cluster_id: int
    size: int
    """Points assigned to it so far, those of clusters merged into it included."""
    centroid: NDArray[np.float64]
    """float64 (d,)."""
    radius: float
    """Root mean square distance of its recent points to the centroid."""
    quality: float
    """[0, 1]: simplified silhouette of its centroid and radius, as of the last density
    step or quality check."""
    confidence: float
    """[0, 1]: 1 - exp(-size / 20)."""
    health: float
    """[0, 1]: 0.3 stability + 0.3 quality + 0.2 min(1, size / 10) +
    0.2 min(1, age at its last point / 20)."""
    drift_coefficient: float
    """[0, 1]: distance between its recent and its long-run centroid against its
    radius; 1 - stability."""
    age: int
    """Points the engine has learned since it was created."""
    last_seen: int
    """Number of points learned when it last took one."""


@dataclasses.dataclass(slots=True)
class LearnResult:
    """What `Engine.learn` made of n points, in their order."""

    cluster_ids: NDArray[np.int64]
    """int64 (n,): id of the cluster at arrival, -1 for an outlier."""
    is_outlier: NDArray[np.bool_]
    """bool (n,)."""
    outlier_scores: NDArray[np.float32]
    """float32 (n,) in [0, 1]; at least `outlier_threshold` exactly for outliers."""
    changes: list[Change] = dataclasses.field(default_factory=list)
    """In the order in which they happened."""
    drift: list[Drift] = dataclasses.field(default_factory=list)
    updated: list[int] = dataclasses.field(default_factory=list)
    """Ascending ids of the clusters that exist and changed: those that took points,
    and after a density step or a quality check every one."""

    def head(self, n: int) -> LearnResult:
        """Return the result of the first `n` points: a view, also of the lists."""
        return dataclasses.replace(
            self,
            cluster_ids=self.cluster_ids[:n],
            is_outlier=self.is_outlier[:n],
            outlier_scores=self.outlier_scores[:n],
        )

    def of_kind(self, kind: ChangeKind) -> list[Change]:
        """Return the changes of one kind, in order."""
        return [change for change in self.changes if change.kind == kind]

    @property
    def created(self) -> list[Change]:
        """Clusters that came into being."""
        return self.of_kind("created")

    @property
    def merged(self) -> list[Change]:
        """Clusters that went into another one."""
        return self.of_kind("merged")

    @property
    def split(self) -> list[Change]:
        """Clusters that came out of another one."""
        return self.of_kind("split")

    @property
    def removed(self) -> list[Change]:
        """Clusters that were forgotten."""
        return self.of_kind("removed")
