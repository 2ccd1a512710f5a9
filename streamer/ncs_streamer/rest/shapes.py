"""Bodies of requests and replies; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field
from numpy.typing import NDArray

from ncs_protocol.messages import AlgorithmStatus, Presence

__all__ = [
    "AlgorithmStatus",
    "ApiKeyCreated",
    "ApiKeyRequest",
    "ApiKeyRow",
    "ClusterOut",
    "ConfigureReply",
    "ConfigureRequest",
    "Health",
    "LoginRequest",
    "PointInCluster",
    "PointOutlier",
    "PointResult",
    "Presence",
    "ProcessRequest",
    "ProcessResult",
    "ResetReply",
    "ResetRequest",
    "ShadowConfiguration",
    "ShadowOutcome",
    "ShadowReply",
    "ShadowRequest",
    "TokenReply",
]


class _Request(Struct, kw_only=True, forbid_unknown_fields=True):
    """An unknown field is an error, not a silent no-op."""


class _Reply(Struct, kw_only=True):
    """What is sent back."""


class ProcessRequest(_Request, kw_only=True):
    """Points to cluster, in JSON or MessagePack."""

    points: list[list[float]] | UnsetType = UNSET
    """n lists of d numbers."""
    array: NDArray[Any] | None = None
    """Instead of `points`: a packed array of shape (n, d)."""
    stream: str = "default"
    batch_mode: bool = False
    """Accepted for compatibility: a request is always one batch."""
    algorithm_params: dict[str, Any] | None = None
    """Parameters to change from this batch on; needs the scope `admin`."""
    timestamps: list[int | float] | None = None
    """Event time per point: epoch seconds, or integer nanoseconds."""
    metadata: dict[str, Any] | None = None
    """Echoed in the events that this batch causes."""


class PointInCluster(_Reply, kw_only=True):
    """A point that fell into a cluster."""

    index: int
    point: list[float]
    cluster_id: int
    outlier_score: float


class PointOutlier(_Reply, kw_only=True):
    """A point that fell into none."""

    index: int
    point: list[float]
    outlier_score: float


class PointResult(_Reply, kw_only=True):
    """What became of one point; in the order of the request."""

    index: int
    input_point: list[float]
    cluster_id: int
    """-1 for an outlier."""
    is_outlier: bool
    outlier_score: float


class ClusterOut(_Reply, kw_only=True):
    """One cluster as it is now."""

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


class ProcessResult(_Reply, kw_only=True):
    """What became of a batch."""

    request_id: str
    stream: str
    offset: int
    """Journal offset of the batch; the model has it."""
    duplicate: bool | UnsetType = UNSET
    """Told if true: the model had it already, by its Idempotency-Key, and did not take
    it again; what is told of its points is how the model sees them now."""
    clusters: list[PointInCluster]
    outliers: list[PointOutlier]
    results: list[PointResult]
    cluster_summaries: list[ClusterOut]
    """The clusters that points of this batch fell into."""
    algorithm_quality: float
    processing_time_ms: float
    points_processed: int
    clusters_found: int
    """Clusters that points of this batch fell into."""
    timestamp: datetime


class ResetRequest(_Request, kw_only=True):
    """Throws the model of a stream away."""

    stream: str = "default"
    confirm: bool = False
    """Has to be true."""


class ResetReply(_Reply, kw_only=True):
    """The stream is empty; its event offsets and cluster ids go on."""

    stream: str
    offset: int
    duplicate: bool | UnsetType = UNSET
    """Told if true: it was done before, for the same Idempotency-Key."""
    clusters_removed: int


class ConfigureRequest(_Request, kw_only=True):
    """Engine parameters to change from the next batch on."""

    params: dict[str, Any]
    stream: str = "default"


class ConfigureReply(_Reply, kw_only=True):
    """All parameters in force."""

    stream: str
    offset: int
    duplicate: bool | UnsetType = UNSET
    """Told if true: it was done before, for the same Idempotency-Key."""
    params: dict[str, Any]


class ShadowConfiguration(_Request, kw_only=True):
    """Parameters to try: those in force, then the preset's, then `params`."""

    name: Annotated[str, Meta(max_length=128)] = ""
    """What the answer calls it; the preset or the parameters if left out."""
    preset: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


class ShadowRequest(_Request, kw_only=True):
    """What other parameters would make of a stream, which is not touched.

    The points are the stream's last ones, or those given here, or first the former and
    then the latter.
    """

    stream: str = "default"
    configurations: Annotated[list[ShadowConfiguration], Meta(max_length=16)] = field(
        default_factory=list
    )
    preset: str | None = None
    """For one configuration: instead of `configurations`."""
    params: dict[str, Any] | None = None
    """See `preset`."""
    last_points: Annotated[int, Meta(ge=0)] | None = None
    """Of the stream, in whole batches; 10,000 unless points are given, at most
    `shadow_points`."""
    points: list[list[float]] | UnsetType = UNSET
    """n lists of d numbers."""
    array: NDArray[Any] | None = None
    """Instead of `points`: a packed array of shape (n, d)."""
    labels: list[int | str] | None = None
    """Classes of these points, where they are known."""
    start: Literal["model", "empty"] = "model"
    """`model`: the parameters change in the stream's model as it was before the points.
    `empty`: all engines begin without any; then `metric` can be tried, too."""
    summaries: bool = True
    """Whether clusters are told one by one."""


class ShadowOutcome(_Reply, kw_only=True):
    """What one configuration made of the points."""

    name: str
    params: dict[str, Any]
    """All that were in force at the end."""
    tried: dict[str, Any]
    """Those that were tried; to put them in force, `PATCH /api/v1/algorithm/config`."""
    clusters: int
    quality: float
    """`clustering_quality` at the end, [0, 1]."""
    silhouette: float
    """Of the last 500 points under the final model, without outliers, [-1, 1]."""
    stability: float
    threshold: float
    """In force at the end."""
    outlier_rate: float
    """At arrival, [0, 1]."""
    drifts: int
    changes: int
    """Clusters that came or went."""
    points_per_second: float
    """Of processor time."""
    agreement: float
    """Adjusted Rand index of the assignments with those of `live`."""
    truth: float | None
    """The same with `labels`."""
    cluster_summaries: list[ClusterOut]
    """The largest ones, by id."""
    clusters_left_out: int
    """Too many to be told."""


class ShadowReply(_Reply, kw_only=True):
    """The parameters in force, and beside them what was tried."""

    stream: str
    start: Literal["model", "empty"]
    first: int
    """Offset of the first batch of the stream that was replayed; 0 for none."""
    last: int
    points: int
    """That every configuration learned."""
    complete: bool
    """False if the budget of time was used up before the last point."""
    cpu_seconds: float
    live: ShadowOutcome
    """The parameters in force, in an engine that learned the same points."""
    configurations: list[ShadowOutcome]
    """In the order of the request."""


class LoginRequest(_Request, kw_only=True):
    """Form fields or JSON."""

    username: Annotated[str, Meta(max_length=256)]
    password: Annotated[str, Meta(max_length=1024)]
    grant_type: str = "password"
    """OAuth2 clients send it; there is one kind."""


class TokenReply(_Reply, kw_only=True):
    """A token for the `Authorization: Bearer` header."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = 0
    """Seconds."""


class ApiKeyRequest(_Request, kw_only=True):
    """A key for the caller's own tenant, with at most the caller's scopes."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    permissions: list[Literal["read", "write", "admin"]] = field(
        default_factory=lambda: ["read", "write"]
    )
    expires_in_days: Annotated[float, Meta(gt=0, le=3650)] | None = None


class ApiKeyRow(_Reply, kw_only=True):
    """What is known of a key; the key itself is not."""

    key_id: str
    name: str
    prefix: str
    permissions: list[str]
    is_active: bool
    created_at: datetime
    expires_at: datetime | None


class ApiKeyCreated(ApiKeyRow, kw_only=True):
    """The only time that the key itself is shown."""

    api_key: str


class Health(_Reply, kw_only=True):
    """How the server is."""

    status: Literal["starting", "healthy", "degraded", "unhealthy", "draining"]
    timestamp: float
    """Epoch seconds."""
    uptime: float
    uptime_seconds: float
    version: str
    algorithm_ready: bool
    components: dict[str, dict[str, str | int]]
