"""What a subscription wants of a stream's events: which, how often, in what detail.

Subscriptions that want the same are told the same bytes (see `audience`), so a variant
is a value: equal requests make equal variants. It decides about single events and keeps
no state.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import msgspec

from ncs_protocol.messages import (
    SEVERITIES,
    ClusterInfo,
    ClusterUpdate,
    ClusterUpdateEvent,
    DriftDetectionEvent,
    Event,
    Sample,
    Severity,
    Subscribe,
)

__all__ = ["Variant"]


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """See the module.

    Attributes:
        types: the event types wanted.
        clusters: those of interest; None for all.
        min_severity: of drift; None for any.
        max_hz: how often the classes that conflate are told; None for each tick.
        least_move: distance that a centroid has to move for an update.
        least_growth: share by which a size has to change for one.
        centroids: whether they are told.
        sample: how points are shown; None if they are not.
    """

    types: frozenset[str]
    clusters: frozenset[int] | None = None
    min_severity: Severity | None = None
    max_hz: float | None = None
    least_move: float | None = None
    least_growth: float | None = None
    centroids: bool = True
    sample: Sample | None = None

    @classmethod
    def of(cls, request: Subscribe) -> Variant:
        """Return what `request` asks for."""
        only, epsilon = request.filter, request.epsilon
        clusters = only.clusters if only else None
        types, sample = frozenset[str](request.events), request.sample
        if "points_sample" in types:
            sample = sample or Sample()
        elif sample is not None:
            types |= {"points_sample"}
        return cls(
            types=types,
            clusters=None if clusters is None else frozenset(clusters),
            min_severity=only.min_severity if only else None,
            max_hz=request.max_hz,
            least_move=epsilon.centroid if epsilon else None,
            least_growth=epsilon.size if epsilon else None,
            centroids=request.centroids,
            sample=sample,
        )

    @property
    def interval_s(self) -> float:
        """Shortest time between two tellings of what conflates."""
        return 0.0 if self.max_hz is None else 1.0 / self.max_hz

    @property
    def has_epsilon(self) -> bool:
        """Whether small changes are left out."""
        return self.least_move is not None or self.least_growth is not None

    def wants(self, event: Event) -> bool:
        """Return whether the event is of interest, however small the change."""
        if str(type(event).__struct_config__.tag) not in self.types:
            return False
        match event:
            case ClusterUpdateEvent(data=update):
                return self._concerns((update.cluster_id, update.merged_into))
            case DriftDetectionEvent(data=drift):
                if self.min_severity is not None and SEVERITIES.index(
                    drift.severity
                ) < SEVERITIES.index(self.min_severity):
                    return False
                return not drift.affected_clusters or self._concerns(
                    drift.affected_clusters
                )
        return True

    def _concerns(self, clusters: Iterable[int | None]) -> bool:
        return self.clusters is None or not self.clusters.isdisjoint(clusters)

    def is_small(
        self, update: ClusterUpdate, told: ClusterUpdate | ClusterInfo | None
    ) -> bool:
        """Return whether an update differs too little from what was told last."""
        if told is None or not self.has_epsilon:
            return False
        if self.least_growth is not None:
            if abs(update.size - told.size) > self.least_growth * told.size:
                return False
        if self.least_move is not None:
            if update.centroid is None or told.centroid is None:
                return False
            if math.dist(update.centroid, told.centroid) > self.least_move:
                return False
        return True

    def shown(self, event: Event) -> Event:
        """Return the event in the detail that is wanted; never changes it."""
        data: Any = event.data
        if self.centroids or getattr(data, "centroid", None) is None:
            return event
        bare = msgspec.structs.replace(data, centroid=None)
        return msgspec.structs.replace(event, data=bare)

    def shown_clusters(self, clusters: list[ClusterInfo]) -> list[ClusterInfo]:
        """Return those of a snapshot that are wanted, in the detail that is."""
        wanted = [c for c in clusters if self._concerns((c.cluster_id,))]
        if self.centroids:
            return wanted
        return [msgspec.structs.replace(c, centroid=None) for c in wanted]
