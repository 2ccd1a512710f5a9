"""Who is there: the producers of each stream, what they say of themselves, flapping.

A producer belongs to its tenant, and to the streams that its hello named or that it has
pushed to. It is remembered for a while after it has gone, so that one which is missing
can be seen; how many are remembered is bounded for each tenant. A producer flaps that
connects very often in a short time, as over a bad line, or when two programs push under
one name and replace each other.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable

import msgspec

from ncs_protocol.messages import (
    GatewayPresence,
    GatewayReport,
    GatewayState,
    Presence,
)

from .store.contracts import StreamKey

__all__ = ["LISTED", "FlappingLimit", "Roll"]

LISTED = 100
"""Gateways that an event lists; REST lists more."""
_REMEMBERED_S = 600.0
_MOST_OF_A_TENANT = 10_000
_RATE_MEMORY_S = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class FlappingLimit:
    """A producer flaps that connects so often within so many seconds."""

    connects: int
    window_s: float


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
        """Return points per second."""
        return self.rate * math.exp(min(0.0, self.at - now) / _RATE_MEMORY_S)


@dataclasses.dataclass(slots=True)
class _Producer:
    """What is known of a producer."""

    connects: deque[float]
    since: float
    is_connected: bool = False
    was_flapping: bool = False
    label: str | None = None
    state: GatewayState | None = None
    reported: float | None = None
    marks: dict[str, _Mark] = dataclasses.field(default_factory=dict)  # by stream


class Roll:
    """Producers of all tenants. The clock is an argument: epoch seconds.

    Args:
        limit: from when on a producer flaps.
    """

    def __init__(self, limit: FlappingLimit) -> None:
        self._limit = limit
        self._tenants: dict[str, dict[str, _Producer]] = {}

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
        producer = self._open(tenant, name, now)
        if producer is None:
            return False
        producer.is_connected, producer.since, producer.label = True, now, label
        producer.connects.append(now)
        for stream in streams:
            producer.marks.setdefault(stream, _Mark())
        was_flapping, is_flapping = producer.was_flapping, self._flaps(producer, now)
        producer.was_flapping = is_flapping
        return is_flapping and not was_flapping

    def disconnected(self, tenant: str, name: str, now: float) -> None:
        """Take note that a producer has no connection any more."""
        producer = self._tenants.get(tenant, {}).get(name)
        if producer is not None:
            producer.is_connected, producer.since = False, now

    def reported(
        self, tenant: str, name: str, report: GatewayReport, now: float
    ) -> None:
        """Take what a producer says of itself."""
        producer = self._tenants.get(tenant, {}).get(name)
        if producer is not None:
            producer.state = GatewayState(**msgspec.structs.asdict(report))
            producer.reported = now

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
        producer = self._tenants.get(key.tenant, {}).get(name)
        if producer is None:
            return
        mark = producer.marks.get(key.stream)
        if mark is None:
            mark = producer.marks[key.stream] = _Mark()
        mark.epoch, mark.seq, mark.lag_s = epoch, seq, lag_s
        mark.add(points, now)

    def presence(
        self, key: StreamKey, subscribers: int, now: float, most: int = LISTED
    ) -> Presence:
        """Return who is there on a stream; at most so many gateways are listed."""
        gateways = [
            self._gateway(name, producer, mark, now)
            for name, producer in self._tenants.get(key.tenant, {}).items()
            if (mark := producer.marks.get(key.stream)) is not None
        ]
        gateways.sort(key=_trouble)
        return Presence(
            subscribers=subscribers,
            producers=sum(gateway.is_connected for gateway in gateways),
            gateways=gateways[:most],
            left_out=max(0, len(gateways) - most),
        )

    def forget_old(self, now: float) -> None:
        """Forget who has been gone for long; call now and then."""
        for tenant, producers in list(self._tenants.items()):
            for name, producer in list(producers.items()):
                gone_s = now - producer.since
                if not producer.is_connected and gone_s > _REMEMBERED_S:
                    del producers[name]
            if not producers:
                del self._tenants[tenant]

    def flapping(self, now: float) -> int:
        """Return how many producers flap."""
        return sum(
            self._flaps(producer, now)
            for producers in self._tenants.values()
            for producer in producers.values()
        )

    def _open(self, tenant: str, name: str, now: float) -> _Producer | None:
        producers = self._tenants.setdefault(tenant, {})
        producer = producers.get(name)
        if producer is None:
            if len(producers) >= _MOST_OF_A_TENANT and not _forget_one(producers):
                return None
            connects: deque[float] = deque(maxlen=self._limit.connects)
            producer = producers[name] = _Producer(connects, now)
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
        )


def _forget_one(producers: dict[str, _Producer]) -> bool:
    """Forget who has been gone for longest; return whether anyone is gone."""
    gone = [name for name, producer in producers.items() if not producer.is_connected]
    if not gone:
        return False
    del producers[min(gone, key=lambda name: producers[name].since)]
    return True


def _trouble(gateway: GatewayPresence) -> tuple[bool, bool, int, str]:
    waiting = 0 if gateway.report is None else gateway.report.spool_batches
    return (
        not gateway.is_flapping,
        gateway.is_connected,
        -waiting,
        gateway.producer,
    )
