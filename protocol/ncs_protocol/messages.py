"""Every message of the protocol, each defined once as a tagged struct.

`ClientMessage` is the union of what a client may send, `ServerMessage` of what a server
may send. The server refuses fields it does not know, so that a misspelt option is never
silently ignored; a client ignores them, so that a newer server does not break it.

Nothing here encodes, validates beyond types, or knows a connection: see `codec`,
`points` and the server's session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from msgspec import Meta, Struct, field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    PackedArray = NDArray[Any]
else:
    # A gateway speaks the protocol without NumPy, which would be a third of its memory.
    # msgspec lets anything pass here; the codec makes an array of it or refuses it.
    PackedArray = Annotated[Any, Meta(title="packed array")]

__all__ = [
    "DEFAULT_EVENTS",
    "DELIVERY_CLASS",
    "DELIVERY_CLASSES",
    "EVENT_TYPES",
    "SEVERITIES",
    "Ack",
    "AlgorithmStatus",
    "AlgorithmStatusEvent",
    "Auth",
    "Authenticated",
    "CaughtUp",
    "Cause",
    "ClientMessage",
    "ClusterChange",
    "ClusterInfo",
    "ClusterUpdate",
    "ClusterUpdateEvent",
    "Credit",
    "DeliveryClass",
    "Draining",
    "DriftDetection",
    "DriftDetectionEvent",
    "Epsilon",
    "Error",
    "Event",
    "EventFilter",
    "EventTimes",
    "EventType",
    "GatewayPresence",
    "GatewayReport",
    "GatewayState",
    "Hello",
    "Lagging",
    "PerformanceMetrics",
    "PerformanceMetricsEvent",
    "Ping",
    "Points",
    "PointsSample",
    "PointsSampleEvent",
    "Pong",
    "Position",
    "Presence",
    "PresenceEvent",
    "Projection",
    "ResultDetail",
    "Results",
    "Resume",
    "Sample",
    "ServerMessage",
    "Severity",
    "Skip",
    "SlowDown",
    "Snapshot",
    "Status",
    "StatusReply",
    "Subscribe",
    "Subscribed",
    "TokenExpiring",
    "Unsubscribe",
    "Unsubscribed",
    "Welcome",
]

EventType = Literal[
    "cluster_update",
    "drift_detection",
    "algorithm_status",
    "performance_metrics",
    "points_sample",
    "presence",
]
EVENT_TYPES: tuple[EventType, ...] = (
    "cluster_update",
    "drift_detection",
    "algorithm_status",
    "performance_metrics",
    "points_sample",
    "presence",
)
DEFAULT_EVENTS: tuple[EventType, ...] = (
    "cluster_update",
    "drift_detection",
    "algorithm_status",
    "performance_metrics",
)
"""What a subscription gets unless it says; it has to ask for the others."""
DeliveryClass = Literal["lossless", "keyed", "latest", "sampled"]
DELIVERY_CLASSES: tuple[DeliveryClass, ...] = get_args(DeliveryClass)
DELIVERY_CLASS: dict[EventType, tuple[DeliveryClass, ...]] = {
    "cluster_update": ("lossless", "keyed"),
    "drift_detection": ("lossless",),
    "algorithm_status": ("latest",),
    "performance_metrics": ("latest",),
    "points_sample": ("sampled",),
    "presence": ("latest",),
}
"""The delivery classes in which an event type travels. A `cluster_update` that only
updates is keyed by its cluster id; one that creates, merges, splits or removes is
lossless."""

Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least to the most severe."""

ClusterChange = Literal["created", "updated", "merged", "split", "removed"]
ResultDetail = Literal["none", "summary", "full"]

_Id = Annotated[str, Meta(min_length=1, max_length=64)]
_Seq = Annotated[int, Meta(ge=1, le=2**63 - 1)]
_Counter = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Token = Annotated[str, Meta(max_length=8192)]
_Name = Annotated[str, Meta(max_length=128)]
_Names = Annotated[list[_Name], Meta(max_length=256)]
_Rate = Annotated[float, Meta(ge=0.01, le=1000)]
_Share = Annotated[float, Meta(ge=0, le=1e9)]
_Clusters = Annotated[list[_Counter], Meta(min_length=1, max_length=1000)]
_Seconds = Annotated[float, Meta(ge=-1e12, le=1e12)]
_Grant = Annotated[int, Meta(ge=1, le=2**30)]
_SampleSize = Annotated[int, Meta(ge=1, le=10_000)]
_Axis = Annotated[int, Meta(ge=0, le=9_999)]
_Axes = Annotated[tuple[_Axis, ...], Meta(min_length=2, max_length=3)]


# What clients send


class _ClientMessage(
    Struct,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="type",
):
    """Strict: an unknown field is an error, not a silent no-op.

    (msgspec does not inherit `kw_only`, so every struct here says it.)
    """


class Position(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a reader stands in a stream: an epoch and an offset per delivery class."""

    epoch: str
    offsets: dict[DeliveryClass, _Counter]


class Hello(_ClientMessage, tag="hello", kw_only=True):
    """Opens the session. Must come first unless the handshake carried a credential."""

    token: _Token | None = None
    """A JWT or an API key."""
    producer: _Name | None = None
    """Names the sender for exactly-once delivery across connections."""
    producer_epoch: _Counter = 0
    """Rises when the producer starts to count its batches from 1 again."""
    connection_id: _Name | None = None
    """A label for logs and presence; it identifies nothing."""
    streams: _Names = field(default_factory=lambda: ["default"])
    """The streams for which `welcome.resume` is wanted."""


class Points(_ClientMessage, tag="points", kw_only=True):
    """One batch of points; either `points` or `array`."""

    seq: _Seq
    """1, 2, 3 ... per producer, epoch and stream."""
    id: _Id | None = None
    """Repeated by an `error` that refuses this very frame. A client that sends ahead of
    the acks gives every transmission its own, to tell answers to old ones apart."""
    stream: _Name = "default"
    points: list[list[float]] | None = None
    """n lists of d numbers."""
    array: PackedArray | None = None
    """Packed: shape (n, d)."""
    timestamps: list[int | float] | None = None
    """One event time a point."""
    event_time: int | float | None = None
    """One event time for the whole batch."""
    metadata: dict[str, Any] | None = None
    """Echoed in `caused_by` of the events that this batch causes."""
    results: ResultDetail = "none"
    """How much the ack tells about each point."""


class _Option(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a client message."""


class Epsilon(_Option, kw_only=True):
    """How much a cluster has to change for an update of it to be sent: more than either
    of what is given here.

    It is measured from what subscriptions with these options were told last. When one
    begins, the next change of each cluster is told, however small: what they have is
    never off by more.
    """

    centroid: _Share | None = None
    """Distance of the centroid from where it was told last, in units of the input."""
    size: _Share | None = None
    """Change of the size, as a share of what was told last."""


class EventFilter(_Option, kw_only=True):
    """What of the events is wanted; everything that is left out is let pass."""

    clusters: _Clusters | None = None
    """Only these clusters and what merges into them, in the snapshot too. Drift that
    affects none in particular concerns all."""
    min_severity: Severity | None = None
    """Only drift that is at least so severe."""


class Sample(
    Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, frozen=True
):
    """How points are shown to a reader."""

    max_points: _SampleSize = 500
    """The most points of an event; of more than 25 dimensions they may be fewer."""
    dimensions: Literal[2, 3] | _Axes = 2
    """So many main axes of the data; or the indices of two or three coordinates, which
    are shown as they are."""
    max_hz: _Rate = 5.0
    """The most events a second; there are never more than 20."""


class Subscribe(_ClientMessage, tag="subscribe", kw_only=True):
    """Asks for the model of a stream and the events after it."""

    id: _Id
    stream: _Name = "default"
    events: Annotated[list[EventType], Meta(min_length=1)] = field(
        default_factory=lambda: list(DEFAULT_EVENTS)
    )
    since: Position | None = None
    """Resume after this position instead of starting anew."""
    max_hz: _Rate | None = None
    """Updates of the classes that conflate come at most so often a second."""
    epsilon: Epsilon | None = None
    """Updates of clusters that changed less are left out."""
    filter: EventFilter | None = None
    """Which of the events are wanted."""
    centroids: bool = True
    """Whether clusters come with their centroids, which are most of their bytes."""
    sample: Sample | None = None
    """Asks for `points_sample` as well, and says how."""


class Unsubscribe(_ClientMessage, tag="unsubscribe", kw_only=True):
    """Ends a subscription."""

    id: _Id


class Auth(_ClientMessage, tag="auth", kw_only=True):
    """Replaces the session's credential; the tenant has to stay the same."""

    token: _Token
    id: _Id | None = None


class Ping(_ClientMessage, tag="ping", kw_only=True):
    """Asks for the server's clock."""

    id: _Id | None = None


class Status(_ClientMessage, tag="status", kw_only=True):
    """Asks for the `algorithm_status` of a stream."""

    id: _Id
    stream: _Name = "default"


class Credit(_ClientMessage, tag="credit", kw_only=True):
    """Lets the server send so many bytes more of events on this connection.

    The first one makes events wait for credit, those of all subscriptions; a client
    that never sends one is sent them as fast as its socket takes them.
    """

    bytes: _Grant
    """Bytes of frames without their headers. Subscriptions and their events use it up,
    answers to other requests do not."""


class GatewayState(Struct, kw_only=True, omit_defaults=True):
    """How a gateway is, as it says itself."""

    spool_batches: _Counter = 0
    """That wait on the gateway's disk for their acks."""
    spool_bytes: _Counter = 0
    oldest_age_s: _Seconds | None = None
    """How long the oldest of them has waited."""
    dropped_batches: _Counter = 0
    """Ever, since the gateway began to count."""
    clock_offset_s: _Seconds | None = None
    """The server's clock minus the gateway's, as the gateway measured it."""
    clock_error_s: _Seconds | None = None
    """Bound of the error of `clock_offset_s`."""


class GatewayReport(
    GatewayState,
    tag="report",
    tag_field="type",
    forbid_unknown_fields=True,
    kw_only=True,
):
    """What a gateway tells of itself, for `presence`; the newest one counts.

    Only for a session with a `producer`, at most about every `welcome.report_s`.
    """


ClientMessage = (
    Hello
    | Points
    | Subscribe
    | Unsubscribe
    | Auth
    | Ping
    | Status
    | Credit
    | GatewayReport
)


# What servers send


class _ServerMessage(Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """Lenient: a client ignores fields it does not know."""


class _Data(Struct, kw_only=True, omit_defaults=True):
    """A part of a server message."""


class Resume(_Data, kw_only=True):
    """Where a producer stands on one stream."""

    producer_epoch: int
    last_seq: int


class Welcome(_ServerMessage, tag="welcome", kw_only=True):
    """Answers `hello`: the session, its limits, and where the producer stands."""

    session: str
    server_time: float
    """Epoch seconds."""
    versions: dict[str, str]
    limits: dict[str, float]
    durability: str
    """The level at which an ack is durable: `memory`, `local`, `redis-primary` or
    `redis-all`."""
    heartbeat_s: float
    """Without a sign of life from the client for so long, the server sends a
    WebSocket ping; after half as long again it drops it."""
    credit: int
    """Bytes of frames that may be in flight without an ack."""
    report_s: float = 0.0
    """How often a gateway may send a `report`; 0 for never."""
    resume: dict[str, Resume] = field(default_factory=dict)
    """By stream, for the streams that `hello` named."""


class Results(_Data, kw_only=True):
    """What became of the points of one batch."""

    outliers: int
    clusters: list[int]
    """The distinct ids among the points, ascending, -1 left out."""
    cluster_ids: list[int] | None = None
    """Per point, -1 for an outlier; with `results: full`."""
    is_outlier: list[bool] | None = None
    outlier_scores: list[float] | None = None


class Ack(_ServerMessage, tag="ack", kw_only=True):
    """These batches are durable at the level of `welcome`, and in the model.

    Cumulative: it covers every batch of the stream up to `seq`.
    """

    stream: str
    seq: int
    offset: int
    """Offset in the stream's journal of the last batch covered."""
    model_version: int
    """Rises with every change of the model; equals the offset last applied."""
    accepted: int
    """Points applied by the batches that this ack newly covers."""
    credit: int
    """Bytes of frames that may be in flight from now on."""
    durability: str = ""
    """The level of `welcome`."""
    duplicate: bool = False
    """The batch was already in the model and was not applied again."""
    results: Results | None = None


class Error(_ServerMessage, tag="error", kw_only=True):
    """A refusal. What was refused was not applied, not even in part."""

    code: str
    blame: str
    retry: str
    detail: str
    retry_after: float | None = None
    """Seconds."""
    id: str | None = None
    seq: int | None = None
    stream: str | None = None
    index: int | None = None
    """Index of the offending point in its batch."""
    expected_seq: int | None = None


class ClusterInfo(_Data, kw_only=True):
    """One cluster as it is now."""

    cluster_id: int
    size: int
    """Points assigned to it since it was created."""
    centroid: list[float] | None = None
    """Left out for a subscription without `centroids`."""
    radius: float
    """Root mean square distance to the centroid, in units of the input."""
    quality: float
    """[0, 1]: how compact and apart it is."""
    confidence: float
    """[0, 1]: grows with the evidence for it."""
    health: float
    """[0, 1]."""
    drift_coefficient: float
    """[0, 1]: how far its recent points are from its long memory."""
    age: int
    """Points of the stream from when it was created to the last batch that changed it:
    nothing that is told of a cluster changes without an event."""
    last_updated: float
    """Epoch seconds: server time of the last batch that changed it."""


class ClusterUpdate(_Data, kw_only=True):
    """A change of one cluster. A cluster that is gone has no place any more: what says
    where and how it lies is left out then."""

    cluster_id: int
    change: ClusterChange
    size: int
    """Points assigned to it since it was created."""
    quality: float
    """[0, 1]; 0 for a cluster that is gone."""
    drift_coefficient: float | None = None
    confidence: float | None = None
    health: float | None = None
    centroid: list[float] | None = None
    radius: float | None = None
    age: int | None = None
    last_updated: float | None = None
    merged_into: int | None = None
    split_from: int | None = None


class DriftDetection(_Data, kw_only=True):
    """The data no longer come from where they came from."""

    severity: Severity
    affected_clusters: list[int]
    recommendation: str
    statistic: float
    detector: str


class AlgorithmStatus(_Data, kw_only=True):
    """The state of a stream's engine."""

    is_ready: bool
    total_points_processed: int
    active_clusters: int
    algorithm_quality: float
    clustering_quality: float
    global_stability: float
    current_dynamic_threshold: float
    outlier_rate: float
    dimension: int | None
    memory_usage_mb: float
    """Size of the engine's state in megabytes."""
    avg_processing_time_ms: float
    """Mean time to learn a point."""
    uptime_seconds: float


class PerformanceMetrics(_Data, kw_only=True):
    """How a stream is doing, over the second before."""

    points_per_second: float
    batches_per_second: float
    avg_processing_time_ms: float
    """Mean time to learn a point."""
    ack_latency_ms: float
    """Mean time from a frame's arrival to its ack."""
    backlog_points: int
    """Points that have arrived and are not applied yet."""
    subscribers: int


class Projection(_Data, kw_only=True):
    """How a point becomes what is shown of it: ``(point - mean) @ components.T``.

    Centroids belong into the same picture by the same formula. Each axis is a row; one
    that the data do not have, as the second one of points with one coordinate, is 0.
    """

    version: int
    """Rises whenever the axes change; between two versions nothing moves but data."""
    method: Literal["pca", "dimensions"]
    mean: PackedArray
    """float32 (d,)."""
    components: PackedArray
    """float32 (2 or 3, d)."""


class PointsSample(_Data, kw_only=True):
    """Some of the points learned since the last sample, each as likely as any other.

    The values of `points` lie as a GPU's vertex buffer takes them: in C order, aligned,
    little-endian.
    """

    points: PackedArray
    """float32 (n, 2 or 3): coordinates in the projection."""
    cluster_ids: PackedArray
    """int32 (n,): as given at arrival, -1 for an outlier."""
    is_outlier: PackedArray
    """uint8 (n,): 0 or 1."""
    learned: int
    """Points learned since the last sample."""
    ratio: float
    """(0, 1]: points shown of those learned."""
    projection_version: int
    projection: Projection | None = None
    """With the first sample of a subscription and after every change."""


class GatewayPresence(_Data, kw_only=True):
    """A producer of a stream."""

    producer: str
    is_connected: bool
    since: float
    """Epoch seconds: when it connected, or when it was last there."""
    connects: int
    """Within the last minutes (`flapping_window_s`)."""
    is_flapping: bool
    """Whether it connects too often: `flapping_connects` within that time."""
    connection_id: str | None = None
    """The label of its `hello`."""
    producer_epoch: int = 0
    last_seq: int = 0
    """Of its last batch that was applied to this stream."""
    points_per_second: float = 0.0
    """Over about the last ten seconds."""
    lag_ms: float | None = None
    """How old its newest point was when it was applied, by its own time if it gave one
    and else by that of its arrival."""
    report: GatewayState | None = None
    """What it last said of itself."""
    reported: float | None = None
    """Epoch seconds: when."""
    is_recalled: bool = False
    """Whether it was not seen since the server started. Then its epoch and last seq are
    what the model knows, `since` is that start, and the rest is not known any more."""


class Presence(_Data, kw_only=True):
    """Who is there, on one stream."""

    subscribers: int
    producers: int
    """That are connected."""
    gateways: list[GatewayPresence]
    """Producers that are there or were lately: those in trouble first."""
    left_out: int = 0
    """How many more there are than are listed."""


class Cause(_Data, kw_only=True):
    """The batches that brought an event about."""

    offset: int
    """Journal offset of the last of them."""
    producer: str | None = None
    from_seq: int | None = None
    to_seq: int | None = None
    metadata: dict[str, Any] | None = None


class EventTimes(_Data, kw_only=True):
    """Epoch seconds."""

    ingest: float
    """When the causing batch arrived."""
    emitted: float
    """When the event was told."""
    applied: float | None = None
    """When the model had it; left out for an event that was missed and told later."""


class _Event(_ServerMessage, kw_only=True):
    """The documented envelope {type, data}, and beside it the place in the stream.

    An event has an `offset`, or covers a range `from_` .. `to` (on the wire `from`)
    when it stands for several, or when those before it are left out. Within its class
    the first offset an event covers is always one more than the last that the
    subscriber was told of.
    """

    stream: str
    delivery: DeliveryClass = field(name="class")
    epoch: str
    offset: int | None = None
    from_: int | None = field(default=None, name="from")
    to: int | None = None
    key: int | None = None
    caused_by: Cause | None = None
    times: EventTimes | None = None

    @property
    def first(self) -> int:
        """The first offset that this event covers."""
        first = self.offset if self.from_ is None else self.from_
        return 0 if first is None else first

    @property
    def last(self) -> int:
        """The last offset that this event covers."""
        last = self.offset if self.to is None else self.to
        return 0 if last is None else last


class ClusterUpdateEvent(_Event, tag="cluster_update", kw_only=True):
    """A cluster was created, updated, merged, split or removed."""

    data: ClusterUpdate


class DriftDetectionEvent(_Event, tag="drift_detection", kw_only=True):
    """Drift was found."""

    data: DriftDetection


class AlgorithmStatusEvent(_Event, tag="algorithm_status", kw_only=True):
    """Sent about once a second while it changes."""

    data: AlgorithmStatus


class PerformanceMetricsEvent(_Event, tag="performance_metrics", kw_only=True):
    """Sent about once a second while points flow."""

    data: PerformanceMetrics


class PointsSampleEvent(_Event, tag="points_sample", kw_only=True):
    """Some of the points learned, for a scatter plot; sent while points flow."""

    data: PointsSample


class PresenceEvent(_Event, tag="presence", kw_only=True):
    """Sent about once a second while something in it changes."""

    data: Presence


class Skip(_ServerMessage, tag="skip", kw_only=True):
    """Offsets that carry nothing this subscription asked for; closes the gap."""

    stream: str
    delivery: DeliveryClass = field(name="class")
    epoch: str
    from_: int = field(name="from")
    to: int


class Snapshot(_Data, kw_only=True):
    """The whole model at the position that `subscribed` names."""

    model_version: int
    dimension: int | None
    clusters: list[ClusterInfo]
    status: AlgorithmStatus


class Subscribed(_ServerMessage, tag="subscribed", kw_only=True):
    """A subscription has begun, or begins anew.

    The second for a reader that was too far behind: what it was to be told since is
    left out, except for lossless events, and it goes on from this snapshot.
    """

    id: str
    stream: str
    epoch: str
    offsets: dict[DeliveryClass, int]
    """The last offset of each class that the client has with this message."""
    recovered: bool
    """True: everything after `since` follows and there is no snapshot."""
    snapshot: Snapshot | None = None


class Unsubscribed(_ServerMessage, tag="unsubscribed", kw_only=True):
    """A subscription has ended."""

    id: str


class Authenticated(_ServerMessage, tag="authenticated", kw_only=True):
    """The new credential holds."""

    id: str | None = None
    expires_at: float | None = None
    """Epoch seconds."""


class TokenExpiring(_ServerMessage, tag="token_expiring", kw_only=True):
    """The session ends at this time unless `auth` brings a fresh token."""

    expires_at: float


class SlowDown(_ServerMessage, tag="slow_down", kw_only=True):
    """There is no credit left: the socket is not read until there is.

    Comes once for a shortage; the next `ack` with credit ends it.
    """

    reason: str
    """What is short: `session_credit`, `tenant_backlog` or `server_backlog`."""
    retry_after_ms: int
    """How long that will take, at the rate of late."""


class Lagging(_ServerMessage, tag="lagging", kw_only=True):
    """Events wait for this connection: it reads too slowly, or gives no credit."""

    level: Literal["lagging", "skipping"]
    """`lagging`: updates are told less often. `skipping`: they are not told at all any
    more, and a `subscribed` with a fresh snapshot will take their place."""
    skipped: int
    """Updates that were left out since this began, each covered by a later one or by
    the snapshot."""
    behind_ms: int
    """For how long the oldest of what waits has been waiting."""


class CaughtUp(_ServerMessage, tag="caught_up", kw_only=True):
    """Nothing waits for this connection any more; ends what `lagging` told."""

    skipped: int
    """As in `lagging`."""


class Draining(_ServerMessage, tag="draining", kw_only=True):
    """The server is shutting down; the socket closes after the last ack."""

    reconnect_after_ms: int


class Pong(_ServerMessage, tag="pong", kw_only=True):
    """Answers `ping`."""

    server_time: float
    """Epoch seconds."""
    id: str | None = None


class StatusReply(_ServerMessage, tag="status", kw_only=True):
    """Answers `status`."""

    id: str
    stream: str
    data: AlgorithmStatus


Event = (
    ClusterUpdateEvent
    | DriftDetectionEvent
    | AlgorithmStatusEvent
    | PerformanceMetricsEvent
    | PointsSampleEvent
    | PresenceEvent
)
ServerMessage = (
    Welcome
    | Ack
    | Error
    | Subscribed
    | Unsubscribed
    | Authenticated
    | TokenExpiring
    | SlowDown
    | Lagging
    | CaughtUp
    | Draining
    | Pong
    | StatusReply
    | Skip
    | Event
)
