"""The metrics: one table, from which registration, docs and dashboard checks derive.

No metric has a tenant or stream label: a scrape tells operators how the server does,
and nothing about who uses it for what.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from ncs_protocol import CODECS, Code
from ncs_protocol.messages import DELIVERY_CLASS

__all__ = ["METRICS", "Metric", "Metrics"]

_LATENCY = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """One row; the unit is part of the name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    known: tuple[tuple[str, ...], ...] = ()
    """Label values that exist from the start: a rate over a counter that appears with
    its first event would miss that event."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


_OUTCOMES = tuple(
    itertools.product(("ws", "rest"), ("applied", "duplicate", "refused"))
)
_EVENTS = tuple(
    (kind, delivery) for kind, classes in DELIVERY_CLASS.items() for delivery in classes
)
_CODECS = tuple((name,) for name in CODECS)
_CODES = tuple((code.wire,) for code in Code)
_REASONS = (
    ("peer",),
    ("broken",),
    ("heartbeat",),
    *((code.wire,) for code in Code if code.close_code is not None),
)
_AT_THE_DOOR = tuple(
    (code.wire,)
    for code in (
        Code.SERVER_FULL,
        Code.TOO_MANY_CONNECTIONS,
        Code.TOO_MANY_UNAUTHENTICATED,
        Code.HEADER_TIMEOUT,
        Code.FRAME_TIMEOUT,
        Code.RESPONSE_TIMEOUT,
    )
)
_TIERS = tuple(
    (tier,) for tier in ("user", "endpoint", "login", "ip", "handshake", "shadow")
)
_REFUSALS = tuple((code.wire,) for code in Code if code.http_status == 401)

METRICS = (
    Metric("ncs_build_info", "gauge", ("version", "engine", "python"), "Always 1."),
    Metric(
        "ncs_engine_kernel_info",
        "gauge",
        ("kernel", "vectors"),
        "Always 1: `native` or `numpy`, and the vector instructions in use.",
    ),
    Metric("ncs_ready", "gauge", (), "1 while /readyz answers 200."),
    Metric(
        "ncs_points_total",
        "counter",
        ("transport", "outcome"),
        "Points that arrived: applied, duplicate or refused.",
        known=_OUTCOMES,
    ),
    Metric(
        "ncs_batches_total",
        "counter",
        ("transport", "outcome"),
        "Batches that arrived: applied, duplicate or refused.",
        known=_OUTCOMES,
    ),
    Metric(
        "ncs_ack_seconds",
        "histogram",
        ("transport",),
        "From the arrival of a batch to its ack; frames that came together are one.",
        known=(("ws",), ("rest",)),
    ),
    Metric(
        "ncs_learn_seconds",
        "histogram",
        (),
        "Time of one turn of a stream on an engine thread.",
    ),
    Metric("ncs_backlog_points", "gauge", (), "Points that wait to be applied."),
    Metric(
        "ncs_backlog_bytes", "gauge", (), "Bytes of batches that wait to be applied."
    ),
    Metric(
        "ncs_journal_append_seconds",
        "histogram",
        (),
        "Time of one group commit to the journal.",
    ),
    Metric("ncs_journal_entries_total", "counter", (), "Entries made durable."),
    Metric("ncs_journal_bytes_total", "counter", (), "Bytes made durable."),
    Metric("ncs_journal_errors_total", "counter", (), "Group commits that failed."),
    Metric(
        "ncs_journal_restored_total",
        "counter",
        (),
        "Entries that Redis had lost, as in a fail-over, and was given back.",
    ),
    Metric(
        "ncs_journal_replaced_total",
        "counter",
        (),
        "Journals whose end the store had lost, and in whose place the model was"
        " saved.",
    ),
    Metric(
        "ncs_acked_loss_total",
        "counter",
        (),
        "Acknowledged entries that the store lost for good: another node went on"
        " without them.",
    ),
    Metric(
        "ncs_snapshots_total",
        "counter",
        ("outcome",),
        "Snapshots: saved or failed.",
        known=(("saved",), ("failed",)),
    ),
    Metric(
        "ncs_replay_divergences_total",
        "counter",
        ("cause",),
        "Streams whose journal, replayed, gave something else than before: `engine` by"
        " another engine, as after an upgrade, or `unexplained`.",
        known=(("engine",), ("unexplained",)),
    ),
    Metric("ncs_streams", "gauge", (), "Streams in memory."),
    Metric(
        "ncs_streams_damaged",
        "gauge",
        (),
        "Streams that are not served, because what is stored of them is damaged.",
    ),
    Metric("ncs_clusters", "gauge", (), "Clusters of all streams."),
    Metric("ncs_outliers_total", "counter", (), "Points called outliers."),
    Metric(
        "ncs_drifts_total",
        "counter",
        ("severity",),
        "Drifts found.",
        known=(("low",), ("medium",), ("high",)),
    ),
    Metric(
        "ncs_events_total",
        "counter",
        ("type", "class"),
        "Events published, whether anyone listens or not.",
        known=_EVENTS,
    ),
    Metric(
        "ncs_deliveries_total",
        "counter",
        ("codec",),
        "Events queued to subscribers.",
        known=_CODECS,
    ),
    Metric(
        "ncs_ingest_to_event_seconds",
        "histogram",
        ("class",),
        "From the arrival of the causing batch to the event's publication. An event of"
        " the class `latest` is of no batch.",
        known=(("lossless",), ("keyed",), ("sampled",)),
    ),
    Metric(
        "ncs_connections",
        "gauge",
        ("codec",),
        "WebSocket connections, and readers of server-sent events.",
        known=(*_CODECS, ("sse",)),
    ),
    Metric(
        "ncs_closes_total",
        "counter",
        ("reason",),
        "Connections ended, by code; `peer` when the client closed, `heartbeat` when"
        " nothing was heard of it, `broken` when it sent no WebSocket frames.",
        known=_REASONS,
    ),
    Metric(
        "ncs_producers_flapped_total",
        "counter",
        (),
        "Producers that began to connect too often, see `flapping_connects`.",
    ),
    Metric("ncs_sockets", "gauge", (), "Open sockets of all kinds."),
    Metric(
        "ncs_unauthenticated_sockets",
        "gauge",
        (),
        "Of them, those that have shown no credential and sent no whole request.",
    ),
    Metric(
        "ncs_sockets_refused_total",
        "counter",
        ("reason",),
        "Sockets refused or cut off at the door, by code.",
        known=_AT_THE_DOOR,
    ),
    Metric("ncs_subscriptions", "gauge", (), "Subscriptions."),
    Metric("ncs_outbox_bytes", "gauge", (), "Bytes that wait for readers."),
    Metric(
        "ncs_slow_readers",
        "gauge",
        (),
        "Connections that do not take what is sent to them as fast as it comes.",
    ),
    Metric(
        "ncs_slow_downs_total",
        "counter",
        ("reason",),
        "Times that a producer was told why its socket is not read for now.",
        known=(("session_credit",), ("tenant_backlog",), ("server_backlog",)),
    ),
    Metric(
        "ncs_errors_total",
        "counter",
        ("code",),
        "Refusals and failures, by code.",
        known=_CODES,
    ),
    Metric("ncs_nodes", "gauge", (), "Nodes that live, as this one sees them."),
    Metric(
        "ncs_streams_owned",
        "gauge",
        (),
        "Streams that this node owns, those on their way here among them.",
    ),
    Metric(
        "ncs_streams_unowned",
        "gauge",
        (),
        "Streams of the cluster that no living node owns, as this one sees it; those"
        " that it knows to be damaged do not count.",
    ),
    Metric(
        "ncs_ownership_changes_total",
        "counter",
        ("change",),
        "Streams that this node has acquired, handed over, or lost to others.",
        known=(("acquired",), ("handed_over",), ("lost",)),
    ),
    Metric(
        "ncs_takeover_seconds",
        "histogram",
        (),
        "From asking for a stream to serving it, the replay included.",
    ),
    Metric(
        "ncs_leases_lost_total",
        "counter",
        (),
        "Times that this node's lease had ended before it was renewed.",
    ),
    Metric(
        "ncs_fenced_appends_total",
        "counter",
        (),
        "Group commits that the store refused because the stream is another node's.",
    ),
    Metric(
        "ncs_peer_links",
        "gauge",
        (),
        "Nodes that this one has dialled and is connected to.",
    ),
    Metric(
        "ncs_peers_unreachable",
        "gauge",
        (),
        "Nodes that this one tried to reach just now and could not.",
    ),
    Metric(
        "ncs_forwarded_batches_total",
        "counter",
        ("outcome",),
        "Batches that were sent on to the owner of their stream and answered there.",
        known=(("applied",), ("refused",)),
    ),
    Metric(
        "ncs_forwarded_requests_total",
        "counter",
        (),
        "HTTP requests that the owner of their stream, another node, has answered.",
    ),
    Metric(
        "ncs_events_relayed_total",
        "counter",
        (),
        "Events published to readers on other nodes.",
    ),
    Metric(
        "ncs_event_gaps_total",
        "counter",
        (),
        "Times that readers of another node's stream may have missed something, and the"
        " owner was asked.",
    ),
    Metric(
        "ncs_http_requests_total",
        "counter",
        ("method", "route", "status"),
        "HTTP requests answered.",
    ),
    Metric(
        "ncs_http_request_seconds",
        "histogram",
        ("route",),
        "Time to answer an HTTP request.",
    ),
    Metric(
        "ncs_auth_failures_total",
        "counter",
        ("reason",),
        "Credentials refused, by code.",
        known=_REFUSALS,
    ),
    Metric(
        "ncs_rate_limited_total",
        "counter",
        ("tier",),
        "Requests refused as too many.",
        known=_TIERS,
    ),
    Metric(
        "ncs_shadows_running",
        "gauge",
        (),
        "Questions to shadow engines that are being worked on.",
    ),
    Metric(
        "ncs_shadows_total",
        "counter",
        ("outcome",),
        "Those answered: complete, or cut by their budget; refused, failed, or left by"
        " who had asked.",
        known=(("complete",), ("cut",), ("refused",), ("failed",), ("left",)),
    ),
    Metric(
        "ncs_shadow_cpu_seconds_total",
        "counter",
        (),
        "Processor time of shadow engines.",
    ),
)

_KINDS = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}


class Metrics:
    """All metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._by_name: dict[str, Counter | Gauge | Histogram] = {}
        # With their labels; the library's own way to find them takes several times as
        # long, and a frame is counted in six of them.
        self._found: dict[tuple[str, ...], Any] = {}
        for metric in METRICS:
            more = {"buckets": _LATENCY} if metric.kind == "histogram" else {}
            made = _KINDS[metric.kind](
                metric.name, metric.help, metric.labels, registry=self.registry, **more
            )
            for values in metric.known:
                made.labels(*values)
            self._by_name[metric.name] = made

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter; `labels` in the order of the table."""
        self._find(name, labels, Counter).inc(by)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._find(name, labels, Gauge).set(value)

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Move a gauge up or down."""
        self._find(name, labels, Gauge).inc(amount)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Put a duration into a histogram."""
        self._find(name, labels, Histogram).observe(seconds)

    def _find(self, name: str, labels: tuple[str, ...], kind: type[Any]) -> Any:
        found = self._found.get((name, *labels))
        if found is None:
            metric = self._by_name[name]
            found = metric.labels(*labels) if labels else metric
            self._found[name, *labels] = found
        assert isinstance(found, kind)
        return found

    def exposition(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self.registry)
