"""A copy of a stream's clusters, kept from a snapshot and the events after it."""

from __future__ import annotations

from ncs_protocol.messages import (
    AlgorithmStatus,
    AlgorithmStatusEvent,
    ClusterInfo,
    ClusterUpdate,
    ClusterUpdateEvent,
    DriftDetection,
    DriftDetectionEvent,
    PerformanceMetrics,
    PerformanceMetricsEvent,
    Subscribed,
)

from .core import Incoming

__all__ = ["ClusterView"]

_GONE = frozenset(("merged", "removed"))


class ClusterView:
    """Feed it everything that a subscription gives.

    Attributes:
        clusters: cluster id -> cluster, as the server had it with the last event.
        status: the last `algorithm_status`, or None.
        performance: the last `performance_metrics`, or None.
        drift: the last `drift_detection`, or None.
    """

    def __init__(self) -> None:
        self.clusters: dict[int, ClusterInfo] = {}
        self.status: AlgorithmStatus | None = None
        self.performance: PerformanceMetrics | None = None
        self.drift: DriftDetection | None = None
        self._highest = -1

    def apply(self, message: Incoming) -> None:
        """Take one message of the subscription."""
        match message:
            case Subscribed(snapshot=snapshot) if snapshot is not None:
                self.clusters = {c.cluster_id: c for c in snapshot.clusters}
                self._highest = max(self.clusters, default=-1)
                self.status = snapshot.status
            case ClusterUpdateEvent(data=update):
                self._update(update)
            case AlgorithmStatusEvent(data=status):
                self.status = status
            case PerformanceMetricsEvent(data=performance):
                self.performance = performance
            case DriftDetectionEvent(data=drift):
                self.drift = drift

    def _update(self, update: ClusterUpdate) -> None:
        cluster = update.cluster_id
        if update.change in _GONE:
            self.clusters.pop(cluster, None)
            return
        # Ids are never given twice: an update of one that is not here any more was
        # overtaken by the event that ended it.
        is_new = cluster > self._highest
        if update.radius is not None and (is_new or cluster in self.clusters):
            names = ClusterInfo.__struct_fields__
            self.clusters[cluster] = ClusterInfo(
                **{name: getattr(update, name) for name in names}
            )
        self._highest = max(self._highest, cluster)
