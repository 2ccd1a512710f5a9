"""The hub of one stream: who subscribes, what they have been told, what they missed.

An event is encoded once per codec, whoever reads it. Each subscription remembers per
delivery class the last offset it was told, so that what a filter leaves out is closed
by a `skip` and never looks like a loss. Lossless events stay in a ring for readers that
come back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ncs_protocol import Codec
from ncs_protocol.messages import (
    AlgorithmStatus,
    AlgorithmStatusEvent,
    DeliveryClass,
    Event,
    EventType,
    PerformanceMetrics,
    PerformanceMetricsEvent,
    Position,
    ServerMessage,
    Skip,
    Snapshot,
    Subscribe,
    Subscribed,
)

from .stream_model import StreamView

__all__ = ["Encoded", "Hub", "Subscription"]

CLASSES: tuple[DeliveryClass, ...] = ("lossless", "keyed", "latest")
_RECOVERED: tuple[DeliveryClass, ...] = ("lossless", "keyed")


class Encoded:
    """An event and its frames, each made when the first reader needs it."""

    __slots__ = ("_frames", "event", "type")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.type = str(type(event).__struct_config__.tag)
        self._frames: dict[str, bytes] = {}

    def frame(self, codec: Codec) -> bytes:
        """Return the frame in `codec`."""
        frame = self._frames.get(codec.subprotocol)
        if frame is None:
            frame = codec.encode(self.event)
            self._frames[codec.subprotocol] = frame
        return frame


class Subscription:
    """One reader of one stream.

    Args:
        hub: what it reads.
        events: the types wanted.
        codec: what the connection speaks.
        push: takes a frame for the connection; must not block.

    Attributes:
        told: per class the last offset that the reader was told of.
    """

    def __init__(
        self,
        hub: Hub,
        events: Sequence[EventType],
        codec: Codec,
        push: Callable[[bytes], object],
    ) -> None:
        self.codec = codec
        self.told: dict[DeliveryClass, int] = dict.fromkeys(CLASSES, 0)
        self._hub = hub
        self._events = frozenset(events)
        self._push = push

    def send(self, message: ServerMessage) -> None:
        """Send a message that is for this reader alone."""
        self._push(self.codec.encode(message))

    def offer(self, encoded: Encoded) -> bool:
        """Tell the reader of an event, if it wants it; return whether it does."""
        if encoded.type not in self._events:
            return False
        event = encoded.event
        self.close_gap(event.delivery, event.first)
        self._push(encoded.frame(self.codec))
        self.told[event.delivery] = event.last
        return True

    def close_gap(self, delivery: DeliveryClass, until: int) -> None:
        """Tell the reader that nothing it wants lies before offset `until`."""
        told = self.told[delivery]
        if until > told + 1:
            skip = Skip(
                stream=self._hub.stream,
                delivery=delivery,
                epoch=self._hub.epoch,
                from_=told + 1,
                to=until - 1,
            )
            self.send(skip)
            self.told[delivery] = until - 1


class Hub:
    """Subscriptions and recent lossless events of one stream.

    Args:
        stream: its name.
        epoch: its epoch.
        keep: lossless events kept for readers that come back.
        on_delivery: called with the codec's name and a count.
    """

    def __init__(
        self,
        stream: str,
        epoch: str,
        keep: int,
        on_delivery: Callable[[str, int], None],
    ) -> None:
        self.stream = stream
        self.epoch = epoch
        self.latest = 0
        self.subscriptions: list[Subscription] = []
        self._ring: deque[Encoded] = deque(maxlen=keep)
        self._on_delivery = on_delivery
        self._status: AlgorithmStatus | None = None

    def remember(self, event: Event) -> None:
        """Put a lossless event of the past into the ring; in order."""
        self._ring.append(Encoded(event))

    def publish(self, events: Sequence[Event], *, applied: float, now: float) -> None:
        """Number nothing, delay nothing: hand events to all who want them.

        Args:
            events: in the order of their offsets.
            applied: epoch seconds at which the model had them.
            now: epoch seconds.
        """
        for event in events:
            if event.times is not None:
                event.times.applied = applied
                event.times.emitted = now
            encoded = Encoded(event)
            if event.delivery == "lossless":
                self._ring.append(encoded)
            self._deliver(encoded)

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
        self.latest += 1
        self._deliver(
            Encoded(
                AlgorithmStatusEvent(
                    stream=self.stream,
                    delivery="latest",
                    epoch=self.epoch,
                    offset=self.latest,
                    data=status,
                )
            )
        )
        return True

    def publish_performance(self, metrics: PerformanceMetrics) -> None:
        """Publish a `performance_metrics`."""
        self.latest += 1
        self._deliver(
            Encoded(
                PerformanceMetricsEvent(
                    stream=self.stream,
                    delivery="latest",
                    epoch=self.epoch,
                    offset=self.latest,
                    data=metrics,
                )
            )
        )

    def join(
        self,
        request: Subscribe,
        view: StreamView,
        catch_up: Sequence[Event],
        status: AlgorithmStatus,
        subscription: Subscription,
        now: float,
        room: int,
    ) -> None:
        """Answer a subscription with the model or with what was missed, and add it.

        Args:
            request: what the reader asked for.
            view: the model at the present position.
            catch_up: the keyed events after `request.since`, if it has one.
            status: to be told with the model.
            subscription: new.
            now: epoch seconds.
            room: bytes of missed events that may be sent at once; who missed more gets
                the model instead.
        """
        at: dict[DeliveryClass, int] = {
            "lossless": view.lossless,
            "keyed": view.keyed,
            "latest": self.latest,
        }
        since = request.since
        missed = None
        if since is not None:
            missed = self._missed(since, at, catch_up, now)
        if missed is not None:
            size = sum(len(encoded.frame(subscription.codec)) for encoded in missed)
            missed = missed if size <= room else None
        snapshot = None
        subscription.told = dict(at)
        if since is None or missed is None:
            snapshot = Snapshot(
                model_version=view.offset,
                dimension=view.statistics["dimension"],
                clusters=view.clusters,
                status=status,
            )
        else:
            for delivery in _RECOVERED:
                subscription.told[delivery] = since.offsets.get(delivery, 0)
        subscription.send(
            Subscribed(
                id=request.id,
                stream=self.stream,
                epoch=self.epoch,
                offsets=dict(subscription.told),
                recovered=snapshot is None,
                snapshot=snapshot,
            )
        )
        for encoded in missed or ():
            subscription.offer(encoded)
        for delivery, offset in at.items():
            subscription.close_gap(delivery, offset + 1)
        self.subscriptions.append(subscription)

    def _missed(
        self,
        since: Position,
        at: dict[DeliveryClass, int],
        catch_up: Sequence[Event],
        now: float,
    ) -> list[Encoded] | None:
        """Return the events between two positions, or None if some are gone.

        Args:
            since: where the reader was; may come from another epoch or be made up.
            at: where the stream is.
            catch_up: the keyed ones.
            now: epoch seconds.
        """
        lossless = since.offsets.get("lossless", 0)
        ahead = any(since.offsets.get(c, 0) > at[c] for c in _RECOVERED)
        if since.epoch != self.epoch or ahead:
            return None
        events = [e for e in self._ring if lossless < e.event.last <= at["lossless"]]
        if len(events) != at["lossless"] - lossless:
            return None
        for event in catch_up:
            assert event.times is not None
            event.times.emitted = now
            events.append(Encoded(event))
        return events

    def _deliver(self, encoded: Encoded) -> None:
        counts: dict[str, int] = {}
        for subscription in self.subscriptions:
            if subscription.offer(encoded):
                name = subscription.codec.subprotocol
                counts[name] = counts.get(name, 0) + 1
        for name, count in counts.items():
            self._on_delivery(name, count)
