"""The hub of one stream: who subscribes, what they have been told, what they missed.

Events are offered to audiences (see `audience`), one for all subscriptions that want
the same, and written when the hub is flushed. Lossless events stay in the history for
readers that come back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from ncs_protocol import MSGPACK
from ncs_protocol.messages import (
    DELIVERY_CLASSES,
    EVENT_TYPES,
    AlgorithmStatus,
    AlgorithmStatusEvent,
    DeliveryClass,
    Event,
    EventTimes,
    EventType,
    PerformanceMetrics,
    PerformanceMetricsEvent,
    PointsSample,
    PointsSampleEvent,
    Position,
    Presence,
    PresenceEvent,
    Sample,
    Snapshot,
    Subscribe,
    Subscribed,
)

from .audience import Audience, Outlet, Subscription
from .encoded import Encoded
from .history import History, HistoryBounds
from .stream_model import StreamView
from .variant import Variant
from .wire import Wire

__all__ = ["Encoded", "Hub", "Sight", "Subscription"]

_RECOVERED: tuple[DeliveryClass, ...] = ("lossless", "keyed")
_STATES = frozenset(("algorithm_status", "presence"))
"""Types of which the last one holds until there is another."""
_WHOLE = Variant(frozenset(EVENT_TYPES))


@dataclasses.dataclass(frozen=True, slots=True)
class Sight:
    """What a reader that begins has to know of the model, all at one position."""

    view: StreamView
    status: AlgorithmStatus
    missed: Sequence[Event] = ()
    """The keyed events after where it was, if it comes back."""


class Hub:
    """Audiences and recent lossless events of one stream.

    Args:
        stream: its name.
        epoch: its epoch.
        bounds: of the lossless events that are kept for readers that come back.
        on_delivery: called with the codec's name and a count.
        wake: called when there is something to `flush`.

    Attributes:
        at: per class the last offset that was published.
        subscribers: how many there are.
    """

    def __init__(
        self,
        stream: str,
        epoch: str,
        bounds: HistoryBounds,
        on_delivery: Callable[[str, int], None],
        wake: Callable[[Hub], None],
    ) -> None:
        self.stream = stream
        self.epoch = epoch
        self.at: dict[DeliveryClass, int] = dict.fromkeys(DELIVERY_CLASSES, 0)
        self.subscribers = 0
        self.history = History(bounds)
        self._audiences: dict[tuple[Variant, Wire], Audience] = {}
        self._on_delivery = on_delivery
        self._wake = wake
        self._states: dict[str, Encoded] = {}  # the last of each type
        self._status: AlgorithmStatus | None = None
        self._presence: Presence | None = None

    # Events

    def remember(self, event: Event, now: float) -> None:
        """Put a lossless event of the past into the history; in order."""
        self._keep(Encoded(event), now)

    def _keep(self, encoded: Encoded, now: float) -> bytes:
        payload = encoded.payload(MSGPACK, _WHOLE, encoded.event.first)
        self.history.add(encoded, len(payload), now)
        return payload

    def publish(
        self, events: Sequence[Event], *, applied: float, now: float
    ) -> list[tuple[int, bytes]]:
        """Number nothing, delay nothing: hand events to all who want them.

        Args:
            events: in the order of their offsets.
            applied: epoch seconds at which the model had them.
            now: epoch seconds.

        Returns:
            (offset, payload) of those that the store has to keep.
        """
        kept = []
        for event in events:
            if event.times is not None:
                event.times.applied = applied
                event.times.emitted = now
            encoded = Encoded(event)
            if event.delivery == "lossless":
                kept.append((event.last, self._keep(encoded, now)))
            self._offer(encoded)
        return kept

    def kept(self) -> list[tuple[int, bytes]]:
        """Return (offset, payload) of all events that the store has to have."""
        return [
            (encoded.event.last, encoded.payload(MSGPACK, _WHOLE, encoded.event.first))
            for encoded in self.history.kept
        ]

    def publish_status(self, status: AlgorithmStatus) -> bool:
        """Publish an `algorithm_status` if anything but the uptime changed.

        Returns:
            Whether it was published.
        """
        previous = self._status
        if previous is not None:
            previous.uptime_seconds = status.uptime_seconds
        if previous == status:
            return False
        self._status = status
        self._offer(
            Encoded(
                AlgorithmStatusEvent(
                    stream=self.stream,
                    delivery="latest",
                    epoch=self.epoch,
                    offset=self.at["latest"] + 1,
                    data=status,
                )
            )
        )
        return True

    def wants(self, kind: EventType) -> bool:
        """Return whether anybody has asked for events of that type."""
        return any(kind in variant.types for variant, _ in self._audiences)

    def publish_presence(self, presence: Presence) -> bool:
        """Publish a `presence` if it has changed; return whether it was published."""
        if presence == self._presence:
            return False
        self._presence = presence
        self._offer(
            Encoded(
                PresenceEvent(
                    stream=self.stream,
                    delivery="latest",
                    epoch=self.epoch,
                    offset=self.at["latest"] + 1,
                    data=presence,
                )
            )
        )
        return True

    def publish_performance(self, metrics: PerformanceMetrics) -> None:
        """Publish a `performance_metrics`."""
        self._offer(
            Encoded(
                PerformanceMetricsEvent(
                    stream=self.stream,
                    delivery="latest",
                    epoch=self.epoch,
                    offset=self.at["latest"] + 1,
                    data=metrics,
                )
            )
        )

    def publish_sample(
        self, options: Sample, sample: PointsSample, times: EventTimes
    ) -> None:
        """Publish a `points_sample` to those who asked for just such samples."""
        event = PointsSampleEvent(
            stream=self.stream,
            delivery="sampled",
            epoch=self.epoch,
            offset=self.at["sampled"] + 1,
            data=sample,
            times=times,
        )
        self._offer(Encoded(event), options)

    def _offer(self, encoded: Encoded, sample: Sample | None = None) -> None:
        event = encoded.event
        self.at[event.delivery] = max(self.at[event.delivery], event.last)
        if encoded.type in _STATES:
            self._states[encoded.type] = encoded
        for audience in self._audiences.values():
            if sample is None or audience.variant.sample == sample:
                audience.offer(encoded)
        if self._audiences:
            self._wake(self)

    def flush(self, now: float) -> float | None:
        """Tell every audience what is due.

        Args:
            now: seconds that never go back.

        Returns:
            When to flush again although nothing was published, or None.
        """
        next_due = None
        for audience in self._audiences.values():
            count = audience.flush(self.at, now)
            if count:
                self._on_delivery(audience.wire.codec.subprotocol, count)
            due = audience.due
            if due is not None and (next_due is None or due < next_due):
                next_due = due
        return next_due

    # Subscriptions

    def join(
        self,
        request: Subscribe,
        sight: Sight,
        outlet: Outlet,
        wire: Wire,
        now: float,
        mono: float,
        room: int,
    ) -> Subscription:
        """Answer a subscription with the model or with what was missed, and add it.

        Args:
            request: what the reader asked for.
            sight: of the model as it is now.
            outlet: where the reader is told.
            wire: how.
            now: epoch seconds.
            mono: seconds that never go back.
            room: bytes of missed events that may be sent at once; who missed more gets
                the model instead.
        """
        at = self._position(sight.view)
        variant = Variant.of(request)
        audience = self._audiences.get((variant, wire))
        if audience is None:
            clusters = sight.view.clusters
            audience = Audience(self.stream, self.epoch, variant, wire, at, clusters)
            self._audiences[variant, wire] = audience
        subscription = Subscription(request.id, audience, outlet)
        missed = None
        if request.since is not None:
            missed = self._missed(request.since, at, sight, audience, now, room)
        self.subscribers += 1
        told, begin_with = at, sight if missed is None else None
        if missed is not None and request.since is not None:
            told = at | {c: request.since.offsets.get(c, 0) for c in _RECOVERED}
            states = self._states_for(variant, wire)
            if states:
                told["latest"] = states[0][0].event.last - 1
            missed += states
        subscribed = self._subscribed(subscription, told, begin_with)
        lanes = audience.add(subscription, outlet.frame(subscribed), told, mono)
        for encoded, size in missed or ():
            outlet.outbox.add(lanes, encoded, size, mono)
        audience.settle(subscription, at, mono)
        return subscription

    def renew(self, subscription: Subscription, sight: Sight, mono: float) -> None:
        """Let a subscription go on from the model as it is now."""
        lanes = subscription.lanes
        if lanes is None or not lanes.owes_snapshot:
            return
        at = self._position(sight.view)
        subscribed = self._subscribed(subscription, at, sight)
        frame = subscription.outlet.frame(subscribed)
        subscription.outlet.outbox.begin(lanes, frame, at, mono)
        subscription.audience.settle(subscription, at, mono)

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription, and what waits for it."""
        audience = subscription.audience
        audience.remove(subscription)
        if not len(audience):
            del self._audiences[audience.variant, audience.wire]
        self.subscribers -= 1

    def _position(self, view: StreamView) -> dict[DeliveryClass, int]:
        """Return where a reader of that view stands."""
        return self.at | {"lossless": view.lossless, "keyed": view.keyed}

    def _subscribed(
        self,
        subscription: Subscription,
        told: Mapping[DeliveryClass, int],
        sight: Sight | None,
    ) -> Subscribed:
        snapshot = None
        if sight is not None:
            view, variant = sight.view, subscription.audience.variant
            snapshot = Snapshot(
                model_version=view.offset,
                dimension=view.statistics["dimension"],
                clusters=variant.shown_clusters(view.clusters),
                status=sight.status,
            )
        return Subscribed(
            id=subscription.id,
            stream=self.stream,
            epoch=self.epoch,
            offsets=dict(told),
            recovered=snapshot is None,
            snapshot=snapshot,
        )

    def _states_for(self, variant: Variant, wire: Wire) -> list[tuple[Encoded, int]]:
        """Return what holds now, with sizes, for a reader that has missed changes.

        All of it: how far the reader was says nothing, for these offsets begin anew
        with the server.
        """
        wanted = [s for s in self._states.values() if variant.wants(s.event)]
        wanted.sort(key=lambda state: state.event.last)
        return [
            (state, len(state.payload(wire.codec, variant, state.event.first)))
            for state in wanted
        ]

    def _missed(
        self,
        since: Position,
        at: Mapping[DeliveryClass, int],
        sight: Sight,
        audience: Audience,
        now: float,
        room: int,
    ) -> list[tuple[Encoded, int]] | None:
        """Return the events between two positions with their sizes.

        Args:
            since: where the reader was; may come from another epoch or be made up.
            at: where the stream is.
            sight: has the keyed ones.
            audience: what is wanted of them.
            now: epoch seconds.
            room: bytes that they may take.

        Returns:
            None if some are gone, or if they are more than may be sent at once.
        """
        ahead = any(since.offsets.get(c, 0) > at[c] for c in _RECOVERED)
        if since.epoch != self.epoch or ahead:
            return None
        self.history.trim(now)
        found = self.history.between(since.offsets.get("lossless", 0), at["lossless"])
        if found is None:
            return None
        for event in sight.missed:
            assert event.times is not None
            event.times.emitted = now
            found.append(Encoded(event))
        missed = []
        for encoded in found:
            if audience.variant.wants(encoded.event):
                first = encoded.event.first
                codec, variant = audience.wire.codec, audience.variant
                size = len(encoded.payload(codec, variant, first))
                missed.append((encoded, size))
                room -= size
        return missed if room >= 0 else None
