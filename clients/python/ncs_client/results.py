"""What the REST calls return, with the attributes that the guides use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct

from ncs_protocol.messages import AlgorithmStatus

__all__ = [
    "AlgorithmStatus",
    "ApiKey",
    "Cluster",
    "Health",
    "PointOutcome",
    "ProcessBody",
    "ProcessResult",
    "ShadowOutcome",
    "ShadowResult",
]


class Cluster(Struct, kw_only=True):
    """A cluster that points of the batch fell into."""

    cluster_id: int
    centroid: list[float]
    size: int
    confidence: float
    age: int
    last_updated: datetime
    quality: float
    health: float
    radius: float
    drift_coefficient: float


class PointOutcome(Struct, kw_only=True):
    """What became of one point."""

    index: int
    input_point: list[float]
    cluster_id: int
    is_outlier: bool
    outlier_score: float


class Health(Struct, kw_only=True):
    """How the server is."""

    status: str
    timestamp: float
    uptime_seconds: float
    version: str
    algorithm_ready: bool
    components: dict[str, dict[str, str | int]]


class ApiKey(Struct, kw_only=True):
    """A new API key."""

    api_key: str
    key_id: str
    name: str
    prefix: str
    permissions: list[str]
    expires_at: datetime | None


class ShadowOutcome(Struct, kw_only=True):
    """What one configuration of the engine made of the points."""

    name: str
    params: dict[str, Any]
    """All that were in force at the end."""
    tried: dict[str, Any]
    """Those that were tried; `configure` puts them in force."""
    clusters: int
    quality: float
    silhouette: float
    """Of the last 500 points, [-1, 1]."""
    stability: float
    threshold: float
    outlier_rate: float
    drifts: int
    changes: int
    """Clusters that came or went."""
    points_per_second: float
    """Of the server's processor time."""
    agreement: float
    """Adjusted Rand index of the assignments with those of `live`."""
    truth: float | None
    """The same with `labels`."""
    cluster_summaries: list[Cluster]
    """The largest ones."""
    clusters_left_out: int


class ShadowResult(Struct, kw_only=True):
    """The parameters in force, and beside them what was tried on the same points."""

    stream: str
    start: str
    first: int
    """Offset of the first batch of the stream that was replayed; 0 for none."""
    last: int
    points: int
    complete: bool
    """False if the server's budget of time was used up before the last point."""
    cpu_seconds: float
    live: ShadowOutcome
    configurations: list[ShadowOutcome]
    """In the order in which they were asked for."""


class ProcessBody(Struct, kw_only=True):
    """The reply of `process_points`."""

    request_id: str
    stream: str
    offset: int
    results: list[PointOutcome]
    cluster_summaries: list[Cluster]
    algorithm_quality: float
    processing_time_ms: float
    points_processed: int
    clusters_found: int
    timestamp: datetime
    duplicate: bool = False


@dataclasses.dataclass(slots=True)
class ProcessResult:
    """What became of a batch.

    Iterating gives one dict a point, in the order of the request.
    """

    request_id: str
    stream: str
    offset: int
    clusters: list[Cluster]
    """The clusters that points of this batch fell into."""
    assignments: list[PointOutcome]
    """Every point, in the order of the request."""
    outliers: list[PointOutcome]
    """The points that fell into no cluster."""
    algorithm_quality: float
    processing_time_ms: float
    points_processed: int
    clusters_found: int
    timestamp: datetime
    duplicate: bool
    """Whether the batch was in the model already, by its idempotency key."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for outcome in self.assignments:
            yield {name: getattr(outcome, name) for name in outcome.__struct_fields__}

    def __len__(self) -> int:
        return len(self.assignments)

    @classmethod
    def from_body(cls, body: ProcessBody) -> ProcessResult:
        """Return the result in the reply's body."""
        return cls(
            request_id=body.request_id,
            stream=body.stream,
            offset=body.offset,
            clusters=body.cluster_summaries,
            assignments=body.results,
            outliers=[outcome for outcome in body.results if outcome.is_outlier],
            algorithm_quality=body.algorithm_quality,
            processing_time_ms=body.processing_time_ms,
            points_processed=body.points_processed,
            clusters_found=body.clusters_found,
            timestamp=body.timestamp,
            duplicate=body.duplicate,
        )
