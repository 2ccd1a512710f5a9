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
from .store.contracts import StreamKey
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
    lossless: Sequence[Encoded] | None = None
    """The lossless ones, where they come from another node."""
    is_gapless: bool = True
    """Whether what it missed is known; else only the model will do."""


class Hub:
    """Audiences and recent lossless events of one stream.

    Args:
        key: of the stream.
        epoch: its epoch.
        bounds: of the lossless events that are kept for readers that come back.
        on_delivery: called with the codec's name and a count.
        wake: called when there is something to `flush`.

    Attributes:
        at: per class the last offset that was published.
        subscribers: how many there are.
        tap: called with everything that is published, and for whom if it is a sample;
            None while nobody listens on other nodes.
        subscribers_elsewhere: how many there are on other nodes.
    """

    def __init__(
        self,
        key: StreamKey,
        epoch: str,
        bounds: HistoryBounds,
        on_delivery: Callable[[str, int], None],
        wake: Callable[[Hub], None],
    ) -> None:
        self.key = key
        self.epoch = epoch
        self.at: dict[DeliveryClass, int] = dict.fromkeys(DELIVERY_CLASSES, 0)
        self.subscribers = 0
        self.subscribers_elsewhere = 0
        self.tap: Callable[[Encoded, Sample | None], None] | None = None
        self.history = History(bounds)
        self._bounds = bounds
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
                    stream=self.key.stream,
                    delivery="latest",
                    epoch=self.epoch,
                    offset=self.at["latest"] + 1,
                    data=status,
                )
            )
        )
        return True

    @property
    def is_followed(self) -> bool:
        """Whether anybody listens, here or on another node."""
        return self.subscribers > 0 or self.tap is not None

    def wants(self, kind: EventType) -> bool:
        """Return whether anybody may have asked for events of that type."""
        asked = any(kind in variant.types for variant, _ in self._audiences)
        return asked or self.tap is not None

    def publish_presence(self, presence: Presence) -> bool:
        """Publish a `presence` if it has changed; return whether it was published."""
        if presence == self._presence:
            return False
        self._presence = presence
        self._offer(
            Encoded(
                PresenceEvent(
                    stream=self.key.stream,
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
                    stream=self.key.stream,
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
            stream=self.key.stream,
            delivery="sampled",
            epoch=self.epoch,
            offset=self.at["sampled"] + 1,
            data=sample,
            times=times,
        )
        self._offer(Encoded(event), options)

    def pass_on(self, event: Event, sample: Sample | None, now: float) -> None:
        """Hand on what the hub of the stream's owner, another node, has published.

        What is not recovered after a reconnect has numbers of this node's own: readers
        stay while the owner changes, and every owner begins to count anew.

        Args:
            event: in the order in which it was published there.
            sample: for whom, if it is a sample.
            now: epoch seconds.
        """
        if event.delivery not in _RECOVERED:
            event.offset = self.at[event.delivery] + 1
            event.from_ = event.to = None
        encoded = Encoded(event)
        if event.delivery == "lossless":
            self._keep(encoded, now)
        self._offer(encoded, sample)

    def go_on(
        self,
        epoch: str,
        view: StreamView,
        missed: Sequence[Event] | None,
        now: float,
        mono: float,
    ) -> None:
        """Go on where the stream is, after a time in which its owner was not heard.

        Args:
            epoch: of the stream.
            view: of its model.
            missed: the lossless and then the keyed events since `at`, None if they are
                not all there, or of another epoch; then everybody begins anew.
            now: epoch seconds.
            mono: seconds that never go back.
        """
        if missed is not None:
            for event in missed:
                if event.last > self.at[event.delivery]:
                    if event.times is not None:  # replayed, it was never told
                        event.times.emitted = event.times.emitted or now
                    self.pass_on(event, None, now)
            return
        self.epoch = epoch
        self.forget_history()
        self.at |= {"lossless": view.lossless, "keyed": view.keyed}
        for audience in self._audiences.values():
            audience.begin_anew(epoch, self.at, view.clusters, mono)

    def forget_history(self) -> None:
        """Forget the events of the past, to `remember` what the store has of them."""
        self.history = History(self._bounds)

    def position(self) -> Position:
        """Return where readers of this hub are, as far as that can be recovered."""
        offsets = {delivery: self.at[delivery] for delivery in _RECOVERED}
        return Position(epoch=self.epoch, offsets=offsets)

    def lossless_since(self, position: Position, last: int) -> list[Encoded] | None:
        """Return the lossless events after a position, or None if some are gone."""
        first = position.offsets.get("lossless", 0)
        if position.epoch != self.epoch or first > last:
            return None
        return self.history.between(first, last)

    def _offer(self, encoded: Encoded, sample: Sample | None = None) -> None:
        if self.tap is not None:
            self.tap(encoded, sample)
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
            audience = Audience(
                self.key.stream, self.epoch, variant, wire, at, clusters
            )
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
            stream=self.key.stream,
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
        if since.epoch != self.epoch or ahead or not sight.is_gapless:
            return None
        self.history.trim(now)
        found = self.lossless_since(since, at["lossless"])
        if sight.lossless is not None:
            found = list(sight.lossless)
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
