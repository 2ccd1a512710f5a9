"""A copy of a stream's clusters, kept from a snapshot and the events after it.

It takes everything that a subscription gives, in order, and sees that within each
delivery class nothing is missing: then the copy equals what the server had at the
offsets that the last event names.
"""

from __future__ import annotations

from typing import Any

from ncs_protocol.messages import (
    AlgorithmStatus,
    AlgorithmStatusEvent,
    CaughtUp,
    ClusterInfo,
    ClusterUpdate,
    ClusterUpdateEvent,
    DeliveryClass,
    DriftDetection,
    DriftDetectionEvent,
    Lagging,
    PerformanceMetrics,
    PerformanceMetricsEvent,
    Position,
    Subscribed,
)

from .errors import GapError
from .readers import Incoming

__all__ = ["ClusterView"]

_GONE = frozenset(("merged", "removed"))
_LASTING: tuple[DeliveryClass, ...] = ("lossless", "keyed")
"""Classes that go on counting when the server starts anew."""


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
        self._epoch: str | None = None
        self._offsets: dict[DeliveryClass, int] = {}
        self._highest = -1

    @property
    def position(self) -> Position | None:
        """Where the copy stands; None before the first snapshot."""
        if self._epoch is None:
            return None
        return Position(epoch=self._epoch, offsets=dict(self._offsets))

    def apply(self, message: Incoming) -> None:
        """Take one message of the subscription.

        Raises:
            GapError: if it does not follow the last one; the copy is unchanged then.
        """
        match message:
            case Subscribed(snapshot=None):
                self._stand(message)
            case Subscribed():
                self._begin(message)
            case Lagging() | CaughtUp():
                pass
            case _:
                if self._follows(message):
                    self._take(message)

    def _begin(self, message: Subscribed) -> None:
        snapshot = message.snapshot
        assert snapshot is not None
        self._epoch, self._offsets = message.epoch, dict(message.offsets)
        self.clusters = {c.cluster_id: c for c in snapshot.clusters}
        self._highest = max(self.clusters, default=-1)
        self.status = snapshot.status

    def _stand(self, message: Subscribed) -> None:
        """Go on where it stood."""
        for name in _LASTING:
            here = self._epoch, self._offsets.get(name, 0)
            there = message.epoch, message.offsets.get(name, 0)
            if here != there:
                raise GapError(f"resumed at {name} {there}, the copy is at {here}")
        self._offsets = dict(message.offsets)

    def _follows(self, event: Any) -> bool:
        """Return whether an event tells something new."""
        told = self._offsets.get(event.delivery, 0)
        if event.epoch != self._epoch or event.first > told + 1:
            place = f"{event.delivery} {event.epoch} {event.first}"
            raise GapError(f"{place} does not follow {self._epoch} {told}")
        if event.last <= told:
            return False
        self._offsets[event.delivery] = event.last
        return True

    def _take(self, event: Any) -> None:
        match event:
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
        # Ids are never given twice: an update of one that is not here any more was
        # overtaken by the event that ended it.
        elif update.radius is not None and (
            cluster > self._highest or cluster in self.clusters
        ):
            names = ClusterInfo.__struct_fields__
            self.clusters[cluster] = ClusterInfo(
                **{name: getattr(update, name) for name in names}
            )
        self._highest = max(self._highest, cluster)
