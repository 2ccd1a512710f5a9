"""Who is there: the producers of each stream, what they say of themselves, flapping.

A producer belongs to its tenant, and to the streams that its hello named or that it has
pushed to. It is remembered for a while after it has gone, so that one which is missing
can be seen; how many are remembered is bounded for each tenant. A producer flaps that
connects very often in a short time, as over a bad line, or when two programs push under
one name and replace each other. Producers of other nodes are on the roll too, by what
those tell of them.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from ncs_protocol.messages import (
    GatewayPresence,
    GatewayReport,
    GatewayState,
    Presence,
)

from .store.contracts import StreamKey

__all__ = ["LISTED", "FlappingLimit", "Registered", "Roll"]

LISTED = 100
"""Gateways that an event lists; REST lists more."""
_REMEMBERED_S = 600.0
_MOST_PRODUCERS = 5000  # of a tenant
_MOST_MARKS = 20_000  # the same; a producer has one for each of its streams
_RATE_MEMORY_S = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class FlappingLimit:
    """A producer flaps that connects so often within so many seconds."""

    connects: int
    window_s: float


class Registered(msgspec.Struct, array_like=True):
    """What a node tells the others of one of its producers."""

    tenant: str
    name: str
    streams: list[str]
    is_connected: bool
    since: float
    label: str | None
    state: GatewayState | None
    reported: float | None


@dataclasses.dataclass(slots=True)
class _Mark:
    """How far a producer is on one stream."""

    epoch: int = 0
    seq: int = 0
    lag_s: float | None = None
    rate: float = 0.0
    at: float = 0.0

    def add(self, points: int, now: float) -> None:
        """Count points; the older they are the less they count (10 s: 1/e)."""
        self.rate = self.rate_at(now) + points / _RATE_MEMORY_S
        self.at = now

    def rate_at(self, now: float) -> float:
        """Return points per second; none is 0, and does not go on changing."""
        if now - self.at > _RATE_MEMORY_S:
            return 0.0
        return self.rate * math.exp(min(0.0, self.at - now) / _RATE_MEMORY_S)


@dataclasses.dataclass(slots=True)
class _Producer:
    """What is known of a producer."""

    connects: deque[float]
    since: float
    node: str | None = None
    """Where it was connected last; None for here."""
    is_connected: bool = False
    is_recalled: bool = False
    was_flapping: bool = False
    label: str | None = None
    state: GatewayState | None = None
    reported: float | None = None


@dataclasses.dataclass(slots=True)
class _Tenant:
    """The producers of a tenant, and for each stream how far they are."""

    producers: dict[str, _Producer] = dataclasses.field(default_factory=dict)
    streams: dict[str, dict[str, _Mark]] = dataclasses.field(default_factory=dict)
    marks: int = 0

    def mark(self, stream: str, name: str) -> _Mark | None:
        """Return the mark of a producer on a stream; None if there are too many."""
        on_stream = self.streams.get(stream, {})
        mark = on_stream.get(name)
        if mark is None and self.marks < _MOST_MARKS:
            mark = on_stream[name] = _Mark()
            self.streams[stream] = on_stream
            self.marks += 1
        return mark

    def forget(self, names: set[str]) -> None:
        """Forget producers and their marks."""
        for name in names:
            del self.producers[name]
        for stream, on_stream in list(self.streams.items()):
            for name in names & on_stream.keys():
                del on_stream[name]
                self.marks -= 1
            if not on_stream:
                del self.streams[stream]

    def forget_one(self) -> bool:
        """Forget who has been gone for longest; return whether anyone is gone."""
        gone = [name for name, p in self.producers.items() if not p.is_connected]
        if gone:
            self.forget({min(gone, key=lambda name: self.producers[name].since)})
        return bool(gone)


class Roll:
    """Producers of all tenants. The clock is an argument: epoch seconds.

    Args:
        limit: from when on a producer flaps.

    Attributes:
        on_change: called with tenant and name of a producer that has come or gone here,
            or told of itself.
    """

    def __init__(self, limit: FlappingLimit) -> None:
        self.on_change: Callable[[str, str], None] = lambda tenant, name: None
        self._limit = limit
        self._tenants: dict[str, _Tenant] = {}

    def recall(
        self, key: StreamKey, marks: Mapping[str, tuple[int, int]], now: float
    ) -> None:
        """Take note of who had pushed to a stream before the server started.

        Args:
            key: the stream.
            marks: by name, the epoch and the last seq that are in the model.
            now: epoch seconds.
        """
        mine = self._tenants.setdefault(key.tenant, _Tenant())
        for name, (epoch, seq) in marks.items():
            if name not in mine.producers and len(mine.producers) >= _MOST_PRODUCERS:
                return  # nobody here has been gone for longer than the others
            producer = self._open(mine, name, now)
            mark = mine.mark(key.stream, name)
            if producer is not None and mark is not None:
                producer.is_recalled = not producer.is_connected
                mark.epoch, mark.seq = epoch, seq

    def connected(
        self,
        tenant: str,
        name: str,
        streams: Iterable[str],
        label: str | None,
        now: float,
    ) -> bool:
        """Take note that a producer has connected.

        Args:
            tenant: its tenant.
            name: its name.
            streams: that it will push to.
            label: how it calls this connection.
            now: epoch seconds.

        Returns:
            Whether it has begun to flap with this connection.
        """
        mine = self._tenants.setdefault(tenant, _Tenant())
        producer = self._open(mine, name, now)
        if producer is None:
            return False
        producer.is_connected, producer.since, producer.label = True, now, label
        producer.is_recalled, producer.node = False, None
        producer.connects.append(now)
        for stream in streams:
            mine.mark(stream, name)
        was_flapping, is_flapping = producer.was_flapping, self._flaps(producer, now)
        producer.was_flapping = is_flapping
        self.on_change(tenant, name)
        return is_flapping and not was_flapping

    def disconnected(self, tenant: str, name: str, now: float) -> None:
        """Take note that a producer has no connection here any more."""
        producer = self._find(tenant, name)
        if producer is not None and producer.node is None:
            producer.is_connected, producer.since = False, now
            self.on_change(tenant, name)

    def reported(
        self, tenant: str, name: str, report: GatewayReport, now: float
    ) -> None:
        """Take what a producer says of itself."""
        producer = self._find(tenant, name)
        if producer is not None:
            producer.state = GatewayState(**msgspec.structs.asdict(report))
            producer.reported = now
            self.on_change(tenant, name)

    def registered(
        self, names: Collection[tuple[str, str]] | None = None
    ) -> list[Registered]:
        """Return the producers of this node, for the others.

        Args:
            names: tenant and name of those to return; None for all, those that have
                gone among them.
        """
        streams: dict[tuple[str, str], list[str]] = {}
        for tenant, mine in self._tenants.items():
            for name, producer in mine.producers.items():
                is_ours = producer.node is None and not producer.is_recalled
                if is_ours and (names is None or (tenant, name) in names):
                    streams[tenant, name] = []
            for stream, marks in mine.streams.items():
                for name in marks:
                    if (tenant, name) in streams:
                        streams[tenant, name].append(stream)
        return [
            Registered(
                tenant, name, own, p.is_connected, p.since, p.label, p.state, p.reported
            )
            for (tenant, name), own in streams.items()
            for p in (self._tenants[tenant].producers[name],)
        ]

    def hear(self, node: str, told: Registered, now: float) -> None:
        """Take what another node tells of a producer."""
        mine = self._tenants.setdefault(told.tenant, _Tenant())
        producer = self._open(mine, told.name, now, node)
        if producer is None:
            return
        is_new = told.since > producer.since or not producer.is_connected
        if producer.node != node and not (told.is_connected and is_new):
            return  # it is elsewhere by now
        if told.is_connected and told.since not in producer.connects:
            producer.connects.append(told.since)
        producer.node, producer.label = node, told.label
        producer.is_connected, producer.since = told.is_connected, told.since
        producer.state, producer.reported = told.state, told.reported
        producer.is_recalled = False
        for stream in told.streams:
            mine.mark(stream, told.name)

    def lost(self, node: str, now: float) -> None:
        """Take note that another node is not there any more."""
        for mine in self._tenants.values():
            for producer in mine.producers.values():
                if producer.node == node and producer.is_connected:
                    producer.is_connected, producer.since = False, now

    def applied(
        self,
        key: StreamKey,
        name: str,
        epoch: int,
        seq: int,
        points: int,
        lag_s: float,
        now: float,
    ) -> None:
        """Take note of a batch that is in the model.

        Args:
            key: the stream.
            name: of the producer.
            epoch: of the producer.
            seq: of the batch.
            points: in it.
            lag_s: how old its newest point is.
            now: epoch seconds.
        """
        mine = self._tenants.get(key.tenant)
        if mine is None or name not in mine.producers:
            return
        mark = mine.mark(key.stream, name)
        if mark is not None:
            mark.epoch, mark.seq, mark.lag_s = epoch, seq, lag_s
            mark.add(points, now)

    def presence(
        self, key: StreamKey, subscribers: int, now: float, most: int = LISTED
    ) -> Presence:
        """Return who is there on a stream; at most so many gateways are listed."""
        mine = self._tenants.get(key.tenant, _Tenant())
        marks = mine.streams.get(key.stream, {})
        producers = mine.producers

        def trouble(name: str) -> tuple[bool, bool, int, str]:
            producer = producers[name]
            state = producer.state
            return (
                not self._flaps(producer, now),
                producer.is_connected,
                0 if state is None else -state.spool_batches,
                name,
            )

        return Presence(
            subscribers=subscribers,
            producers=sum(producers[name].is_connected for name in marks),
            gateways=[
                self._gateway(name, producers[name], marks[name], now)
                for name in heapq.nsmallest(most, marks, key=trouble)
            ],
            left_out=max(0, len(marks) - most),
        )

    def forget_old(self, now: float) -> None:
        """Forget who has been gone for long; call now and then."""
        for tenant, mine in list(self._tenants.items()):
            old = {
                name
                for name, producer in mine.producers.items()
                if not producer.is_connected and now - producer.since > _REMEMBERED_S
            }
            mine.forget(old)
            if not mine.producers:
                del self._tenants[tenant]

    def _find(self, tenant: str, name: str) -> _Producer | None:
        mine = self._tenants.get(tenant)
        return None if mine is None else mine.producers.get(name)

    def _open(
        self, mine: _Tenant, name: str, now: float, node: str | None = None
    ) -> _Producer | None:
        producer = mine.producers.get(name)
        if producer is None:
            if len(mine.producers) >= _MOST_PRODUCERS and not mine.forget_one():
                return None
            connects: deque[float] = deque(maxlen=self._limit.connects)
            producer = mine.producers[name] = _Producer(connects, now, node)
        return producer

    def _flaps(self, producer: _Producer, now: float) -> bool:
        return self._connects(producer, now) >= self._limit.connects

    def _connects(self, producer: _Producer, now: float) -> int:
        return sum(now - at <= self._limit.window_s for at in producer.connects)

    def _gateway(
        self, name: str, producer: _Producer, mark: _Mark, now: float
    ) -> GatewayPresence:
        lag_s = mark.lag_s
        return GatewayPresence(
            producer=name,
            is_connected=producer.is_connected,
            since=producer.since,
            connects=self._connects(producer, now),
            is_flapping=self._flaps(producer, now),
            connection_id=producer.label,
            producer_epoch=mark.epoch,
            last_seq=mark.seq,
            points_per_second=round(mark.rate_at(now), 1),
            lag_ms=None if lag_s is None else round(1000 * lag_s, 1),
            report=producer.state,
            reported=producer.reported,
            is_recalled=producer.is_recalled,
        )
