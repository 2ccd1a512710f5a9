"""What one stream tells its readers, and when.

Events that the model has numbered are told as they come. Updates of clusters, samples
and reports gather, and are told when it is time. Whatever has to look at the model is
an operation of the stream like any other, so it lies exactly between two batches.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from ncs_protocol.messages import (
    AlgorithmStatus,
    Event,
    EventTimes,
    PerformanceMetrics,
    PointsSample,
    Presence,
)

from .entry import Entry
from .hub import Hub
from .logs import get_log
from .presence import LISTED
from .sampling.samples import Kind, Samples
from .services import Services
from .store.contracts import StreamKey
from .stream_model import Applied, StreamModel

__all__ = ["Looks", "Telling", "make_hub", "status_message"]

log = get_log()

T = TypeVar("T")


class Looks(Protocol):
    """How the model is looked at: `Stream.call` and `Stream.ask`."""

    def call(
        self, run: Callable[[StreamModel], T], deliver: Callable[[T | Exception], None]
    ) -> None:
        """See `Stream.call`."""

    def ask(self, run: Callable[[StreamModel], T]) -> Awaitable[T]:
        """See `Stream.ask`."""


@dataclasses.dataclass(slots=True)
class _Interval:
    """What happened since the last `performance_metrics`."""

    since: float
    points: int = 0
    batches: int = 0
    latency_s: float = 0.0


class Telling:
    """See the module. All methods belong to the event loop's thread.

    Args:
        key: of the stream.
        model: where it stands.
        services: what streams share.
        looks: at its model.
        hub: one that has readers already; None makes one.

    Attributes:
        hub: who reads.
        samples: what is kept for those who read samples.
        learned_s: seconds that its engine has learned for.
    """

    def __init__(
        self,
        key: StreamKey,
        model: StreamModel,
        services: Services,
        looks: Looks,
        hub: Hub | None = None,
    ) -> None:
        self.hub = hub or make_hub(key, model.epoch, services)
        if hub is None:
            self.hub.at |= {"lossless": model.lossless, "keyed": model.keyed_told}
        self.samples = Samples(zlib.crc32(f"{key.tenant}/{key.stream}".encode()))
        self.learned_s = 0.0
        self._key = key
        self._services = services
        self._looks = looks
        self._opened_at = services.clock.now()
        self._learned_points = 0
        self._interval = _Interval(services.clock.monotonic())
        self._has_rate = False  # as it was told last
        self._told_at = 0.0
        self._tell_later: asyncio.TimerHandle | None = None
        self._sample_later: asyncio.TimerHandle | None = None
        self._telling_status = False
        self._is_closed = False

    def note(self, entry: Entry, applied: Applied, seconds: float) -> None:
        """Take note of an entry that is applied, so long after it arrived."""
        interval, frames = self._interval, entry.frames
        self._learned_points += applied.accepted
        interval.points += applied.accepted
        interval.batches += frames
        interval.latency_s += frames * seconds
        self._note_producer(entry, applied.accepted)
        if applied.result is not None:
            metrics = self._services.metrics
            outliers = int(applied.result.is_outlier.sum())
            metrics.count("ncs_outliers_total", by=outliers)
            for drift in applied.result.drift:
                metrics.count("ncs_drifts_total", drift.severity)

    def _note_producer(self, entry: Entry, points: int) -> None:
        if entry.producer is None:
            return
        now, at_ns = self._services.clock.now(), entry.ingest_ns
        if entry.timestamps:
            at_ns = entry.timestamps[-1]
        elif entry.event_time is not None:
            at_ns = entry.event_time
        self._services.roll.applied(
            self._key,
            entry.producer,
            entry.producer_epoch,
            entry.seq,
            points,
            now - at_ns / 1e9,
            now,
        )

    # Events

    def tell_news(self) -> None:
        """Tell of what the last turn changed, at once or when it is time."""
        self._tell_updates()
        self.samples.note_news()
        self._tell_samples()

    def publish(self, events: list[Event]) -> list[tuple[int, bytes]]:
        """Hand out events that the model has numbered; return what is to be kept."""
        if self._is_closed:
            return []
        now = self._services.clock.now()
        metrics = self._services.metrics
        kept = self.hub.publish(events, applied=now, now=now)
        for event in events:
            kind = str(type(event).__struct_config__.tag)
            metrics.count("ncs_events_total", kind, event.delivery)
            if event.times is not None:
                age = max(0.0, now - event.times.ingest)
                metrics.observe("ncs_ingest_to_event_seconds", age, event.delivery)
        return kept

    def _tell_updates(self) -> None:
        """Tell what clusters changed, at once if the last time is long enough ago."""
        if not self.hub.is_followed or self._tell_later is not None:
            return
        wait = self._told_at + self._services.event_tick_s
        wait -= self._services.clock.monotonic()
        if wait <= 0:
            self._ask_for_updates()
        else:
            loop = asyncio.get_running_loop()
            self._tell_later = loop.call_later(wait, self._ask_for_updates)

    def _ask_for_updates(self) -> None:
        self._tell_later = None
        self._told_at = self._services.clock.monotonic()

        def deliver(events: list[Event] | Exception) -> None:
            if isinstance(events, Exception):
                log.error("events_failed", **self._key._asdict(), error=repr(events))
            else:
                self.publish(events)

        self._looks.call(StreamModel.keyed_events, deliver)

    def _tell_samples(self) -> None:
        """Have the samples taken that are due; look again when others are."""
        due, wait = self.samples.due(self._services.clock.monotonic())
        for kind in due:
            self._looks.call(
                functools.partial(self._take_sample, kind),
                functools.partial(self._publish_sample, kind),
            )
        if wait is not None:
            if self._sample_later is not None:
                self._sample_later.cancel()
            loop = asyncio.get_running_loop()
            self._sample_later = loop.call_later(wait, self._tell_samples)

    def _take_sample(
        self, kind: Kind, model: StreamModel
    ) -> tuple[PointsSample | None, int]:
        """Take a sample; runs on an engine thread."""
        return self.samples.take(kind), model.ingest_ns

    def _publish_sample(
        self, kind: Kind, taken: tuple[PointsSample | None, int] | Exception
    ) -> None:
        if isinstance(taken, Exception):
            log.error("sample_failed", **self._key._asdict(), error=repr(taken))
            return
        sample, ingest_ns = taken
        if sample is not None and not self._is_closed:
            now, ingest = self._services.clock.now(), ingest_ns / 1e9
            metrics = self._services.metrics
            times = EventTimes(ingest=ingest, applied=now, emitted=now)
            self.hub.publish_sample(kind.options, sample, times)
            metrics.count("ncs_events_total", "points_sample", "sampled")
            age = max(0.0, now - ingest)
            metrics.observe("ncs_ingest_to_event_seconds", age, "sampled")

    async def tell_status(self, backlog_points: int) -> None:
        """Publish `algorithm_status` and `performance_metrics` to subscribers."""
        if self._telling_status or self._is_closed:
            return
        now = self._services.clock.monotonic()
        past, self._interval = self._interval, _Interval(now)
        if not self.hub.is_followed:
            return
        self._telling_status = True
        try:
            await self._tell_status(past, now - past.since, backlog_points)
        finally:
            self._telling_status = False

    async def _tell_status(
        self, past: _Interval, seconds: float, backlog_points: int
    ) -> None:
        metrics = self._services.metrics
        if self.hub.publish_status(await self.status()):
            metrics.count("ncs_events_total", "algorithm_status", "latest")
        if self.hub.wants("presence") and self.hub.publish_presence(
            self.presence(LISTED)
        ):
            metrics.count("ncs_events_total", "presence", "latest")
        if past.batches or self._has_rate:
            self._has_rate = past.batches > 0  # the end of it is told once
            metrics.count("ncs_events_total", "performance_metrics", "latest")
            self.hub.publish_performance(
                PerformanceMetrics(
                    points_per_second=past.points / seconds,
                    batches_per_second=past.batches / seconds,
                    avg_processing_time_ms=self._milliseconds_a_point(),
                    ack_latency_ms=1000 * past.latency_s / max(1, past.batches),
                    backlog_points=backlog_points,
                    subscribers=self.subscribers,
                )
            )

    def now(self) -> float:
        """Return the time that events are told at, epoch seconds."""
        return self._services.clock.now()

    @property
    def subscribers(self) -> int:
        """How many there are on all nodes."""
        return self.hub.subscribers + self.hub.subscribers_elsewhere

    def presence(self, most: int) -> Presence:
        """Return who is there; at most so many gateways are listed."""
        services = self._services
        now = services.clock.now()
        return services.roll.presence(self._key, self.subscribers, now, most)

    async def status(self) -> AlgorithmStatus:
        """Return the `algorithm_status`."""
        return await self._looks.ask(self.status_of_model)

    def status_of_model(self, model: StreamModel) -> AlgorithmStatus:
        """Return it for the model as it is; may run on an engine thread."""
        return self.status_of(model.engine.statistics())

    def status_of(self, statistics: dict[str, Any]) -> AlgorithmStatus:
        """Return the `algorithm_status` for the engine's statistics."""
        uptime = self._services.clock.now() - self._opened_at
        return status_message(statistics, self._milliseconds_a_point(), uptime)

    def _milliseconds_a_point(self) -> float:
        return 1000 * self.learned_s / max(1, self._learned_points)

    def close(self) -> None:
        """Tell nothing any more."""
        self._is_closed = True
        for timer in (self._tell_later, self._sample_later):
            if timer is not None:
                timer.cancel()


def make_hub(key: StreamKey, epoch: str, services: Services) -> Hub:
    """Return a hub without readers."""

    def count_deliveries(codec: str, count: int) -> None:
        services.metrics.count("ncs_deliveries_total", codec, by=count)

    return Hub(key, epoch, services.history, count_deliveries, services.wake)


def status_message(
    statistics: dict[str, Any], milliseconds_a_point: float, uptime_s: float
) -> AlgorithmStatus:
    """Return the `algorithm_status` for an engine's statistics."""
    points = statistics["total_points_processed"]
    return AlgorithmStatus(
        is_ready=points > 0,
        total_points_processed=points,
        active_clusters=statistics["num_clusters"],
        algorithm_quality=statistics["clustering_quality"],
        clustering_quality=statistics["clustering_quality"],
        global_stability=statistics["global_stability"],
        current_dynamic_threshold=statistics["current_dynamic_threshold"],
        outlier_rate=statistics["outliers"] / points if points else 0.0,
        dimension=statistics["dimension"],
        memory_usage_mb=statistics["state_bytes"] / 2**20,
        avg_processing_time_ms=milliseconds_a_point,
        uptime_seconds=uptime_s,
    )
