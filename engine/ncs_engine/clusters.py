"""The book of clusters: who exists, since when, how many points, how steady.

Holds what is known per cluster id; where a cluster lies is read off its micro-clusters.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .identity import Carried
from .ledger import Ledger
from .microclusters import MicroClusters
from .result import OUTLIER, Change, ChangeKind, Cluster
from .standardizer import Standardizer

__all__ = ["ClusterBook"]

_LINE_BYTES = 64 + Ledger.bytes_each()
_LONG_RUN = 1 / 32  # share by which the long-run centroid follows at a density step


@dataclasses.dataclass(slots=True)
class _Entry:
    size: int
    born: int
    last_seen: int
    quality: float = 0.5
    """As of the last density step: it depends on where the other clusters lie, and what
    is told of a cluster shall change only when the cluster does."""
    long_run: NDArray[np.float64] | None = None
    """float64 (d,) raw: where the centroid has been in the long run."""


class ClusterBook:
    """Cluster id -> entry; ids rise and are never given twice.

    Attributes:
        next_id: the first id that was never given.
        ledger: where points are counted that the entries do not have yet.
    """

    def __init__(self, next_id: int = 0) -> None:
        self._entries: dict[int, _Entry] = {}
        self.next_id = next_id
        self.ledger = Ledger()
        self._outliers = 0
        self._reviewed: list[int] | None = None
        self._long_runs: NDArray[np.float64] = np.empty((0, 0))
        """Those of all reviewed clusters; the entries have the rows."""

    @property
    def outliers(self) -> int:
        """Points that belonged to no cluster at arrival."""
        self.read()
        return self._outliers

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, cluster: int) -> bool:
        return cluster in self._entries

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays in the book, and of the ledger's columns of its clusters.

        Those of clusters that are gone, whose shares fade, are not counted.
        """
        return sum(
            _LINE_BYTES + (0 if e.long_run is None else e.long_run.nbytes)
            for e in self._entries.values()
        )

    @staticmethod
    def bytes_each(dimension: int) -> int:
        """Bytes that a cluster takes at most."""
        return _LINE_BYTES + 8 * dimension

    def ids(self) -> list[int]:
        """Return the ids, ascending."""
        return sorted(self._entries)

    def clear(self, at: int) -> list[Change]:
        """End every cluster and return the changes; ids go on."""
        self.read()
        changes = [
            Change("removed", cluster, at, size=self._entries[cluster].size)
            for cluster in self.ids()
        ]
        self._entries.clear()
        self._reviewed = None
        self.ledger, self._outliers = Ledger(), 0
        return changes

    def create(self, at: int) -> int:
        """Begin a cluster without points and return its id."""
        cluster = self.next_id
        self.next_id += 1
        self._entries[cluster] = _Entry(0, at, at)
        return cluster

    def read(self) -> None:
        """Take over what the ledger has counted; whoever tells of points does first."""
        for cluster, points, last in self.ledger.collect():
            if cluster == OUTLIER:
                self._outliers += points
            else:
                entry = self._entries[cluster]
                entry.size += points
                entry.last_seen = last

    def follow(self, carried: Carried, micro: MicroClusters, at: int) -> list[Change]:
        """Take over a new labelling and return what changed, in a fixed order.

        A new cluster starts with the points its micro-clusters took before it was born;
        one that comes out of another takes its points along.
        """
        changes = []
        self.read()
        self.next_id = carried.next_id
        parents: dict[int, int | None] = dict.fromkeys(carried.created)
        parents |= {cluster: parent for cluster, parent, _ in carried.split}
        for cluster, parent in sorted(parents.items()):
            size = _points_of(cluster, micro)
            if parent is not None and parent in self._entries:
                left = self._entries[parent]
                size = min(size, left.size)
                left.size -= size
            self._entries[cluster] = _Entry(size, at, at)
            kind: ChangeKind = "created" if parent is None else "split"
            changes.append(Change(kind, cluster, at, parent, size))
        for cluster, into in carried.merged:
            gone = self._entries.pop(cluster)
            self._entries[into].size += gone.size
            changes.append(Change("merged", cluster, at, into, gone.size))
        for cluster in carried.removed:
            gone = self._entries.pop(cluster)
            changes.append(Change("removed", cluster, at, size=gone.size))
        return changes

    def recent_weights(self, micro: MicroClusters) -> dict[int, float]:
        """Return cluster id -> weight of its micro-clusters."""
        label, weight = micro.label[: micro.count], micro.weight[: micro.count]
        totals = dict.fromkeys(self.ids(), 0.0)
        for cluster, w in zip(label.tolist(), weight.tolist(), strict=True):
            if cluster in totals:
                totals[cluster] += w
        return totals

    def review(self, micro: MicroClusters, scaler: Standardizer) -> None:
        """Let every long-run centroid follow the recent one, and judge; at steps."""
        ids, centroids, variances = self._geometry(micro)
        raw = scaler.invert(centroids)
        if ids != self._reviewed:
            self._long_runs, self._reviewed = raw.copy(), ids
            for cluster, row in zip(ids, self._long_runs, strict=True):
                entry = self._entries[cluster]
                if entry.long_run is not None:
                    row[:] = entry.long_run
                entry.long_run = row
        self._long_runs += _LONG_RUN * (raw - self._long_runs)
        self._judge(ids, centroids, variances)

    def judge(self, micro: MicroClusters) -> None:
        """Work out the quality of every cluster anew."""
        self._judge(*self._geometry(micro))

    def _judge(
        self,
        ids: list[int],
        centroids: NDArray[np.float64],
        variances: NDArray[np.float64],
    ) -> None:
        qualities = np.empty(len(ids))
        kernel.active.qualities(centroids, variances, qualities)
        for cluster, quality in zip(ids, qualities.tolist(), strict=True):
            self._entries[cluster].quality = quality

    def describe(
        self,
        micro: MicroClusters,
        scaler: Standardizer,
        now: int,
        wanted: list[int] | None = None,
    ) -> list[Cluster]:
        """Return the clusters, ascending by id; those of `wanted` only, if given."""
        self.read()
        ids, centroids, variances = self._geometry(micro)
        raw = scaler.invert(centroids)
        spreads = variances.sum(axis=1)
        chosen = set(ids if wanted is None else wanted)
        known = np.where(scaler.scale > 0, scaler.scale, np.inf)
        radii = np.sqrt((variances / (known * known)).sum(axis=1))
        return [
            self._one(
                cluster, raw[i], float(radii[i]), math.sqrt(spreads[i]), scaler, now
            )
            for i, cluster in enumerate(ids)
            if cluster in chosen
        ]  # fmt: skip

    def _one(
        self,
        cluster: int,
        centroid: NDArray[np.float64],
        radius: float,
        spread: float,
        scaler: Standardizer,
        now: int,
    ) -> Cluster:
        entry = self._entries[cluster]
        moved = 0.0
        if entry.long_run is not None:
            gap = (centroid - entry.long_run) * scaler.scale
            moved = math.sqrt(float(np.square(gap).sum()))
        drift = 1.0 - math.exp(-moved / spread) if spread > 0 else float(moved > 0)
        health = (
            0.3 * (1.0 - drift)
            + 0.3 * entry.quality
            + 0.2 * min(1.0, entry.size / 10)
            + 0.2 * min(1.0, (entry.last_seen - entry.born) / 20)
        )
        return Cluster(
            cluster_id=cluster,
            size=entry.size,
            centroid=centroid,
            radius=radius,
            quality=entry.quality,
            confidence=1.0 - math.exp(-entry.size / 20),
            health=health,
            drift_coefficient=drift,
            age=now - entry.born,
            last_seen=entry.last_seen,
        )

    def _geometry(
        self, micro: MicroClusters
    ) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
        """Return (ids, centroids (k, d), variances (k, d)), standardised."""
        ids, shape = self.ids(), (len(self._entries), len(micro.centres))
        centroids, variances = np.empty(shape), np.empty(shape)
        kernel.active.geometry(
            micro, micro.count, np.array(ids, dtype=np.int64), centroids, variances
        )
        return ids, centroids, variances

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        self.read()
        return {
            "next_id": self.next_id,
            "outliers": self.outliers,
            "entries": [
                [
                    i,
                    e.size,
                    e.born,
                    e.last_seen,
                    e.quality,
                    None if e.long_run is None else e.long_run.tolist(),
                ]
                for i, e in sorted(self._entries.items())
            ],
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> ClusterBook:
        """Return the book that gave `state`."""
        self = cls(int(state["next_id"]))
        self._outliers = int(state["outliers"])
        for cluster, size, born, last_seen, quality, long_run in state["entries"]:
            where = None if long_run is None else np.array(long_run, dtype=np.float64)
            self._entries[int(cluster)] = _Entry(size, born, last_seen, quality, where)
        return self


def _points_of(cluster: int, micro: MicroClusters) -> int:
    own = micro.label[: micro.count] == cluster
    return round(float(micro.points[: micro.count][own].sum()))
