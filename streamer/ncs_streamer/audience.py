"""Subscriptions of one stream that are told exactly the same, in the same bytes.

Filtering, rate, epsilon and encoding are done once for all of them, and what came since
the last time is joined into one buffer that is written to each. A thousand readers cost
little more than one: a system call each per tick.

A member whose connection cannot take the buffer gets lanes of its own in that
connection's outbox, and is in step again once they are empty and it has been told as
much as the others. A new member begins the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ncs_protocol.messages import (
    DELIVERY_CLASSES,
    ClusterInfo,
    ClusterUpdate,
    ClusterUpdateEvent,
    DeliveryClass,
    PointsSampleEvent,
    ServerMessage,
    Skip,
)

from .encoded import Encoded
from .lanes import Lanes
from .outbox import Outbox
from .variant import Variant
from .wire import Frame, Wire

__all__ = ["Audience", "Outlet", "Subscription"]

_ENDED = frozenset(("merged", "removed"))


class Outlet(Protocol):
    """The outgoing half of a connection; never blocks."""

    outbox: Outbox

    def write(self, data: bytes, size: int) -> bool:
        """Write at once, if nothing waits and the connection takes it; else False.

        Args:
            data: whole frames.
            size: what they cost of the credit.
        """

    def frame(self, message: ServerMessage) -> Frame:
        """Return the frame of a message for this connection alone."""

    def drain(self, now: float) -> None:
        """Write what waits, as far as the connection takes it; the rest soon."""


class Subscription:
    """A member of an audience.

    Attributes:
        id: as the client chose it.
        audience: what it is told.
        outlet: where to.
        lanes: what waits for it; None while it is in step.
    """

    __slots__ = ("audience", "id", "lanes", "outlet")

    def __init__(self, id: str, audience: Audience, outlet: Outlet) -> None:
        self.id = id
        self.audience = audience
        self.outlet = outlet
        self.lanes: Lanes | None = None

    @property
    def told(self) -> Mapping[DeliveryClass, int]:
        """Per class the last offset that it was told of."""
        return self.audience.told if self.lanes is None else self.lanes.told


class Audience:
    """See the module. Implements `Teller`.

    Args:
        stream: name of the stream.
        epoch: its epoch.
        variant: what the members want.
        wire: how they are told.
        told: where they begin.
        clusters: of the model there; small changes are measured from them.

    Attributes:
        told: per class the last offset that members in step were told of.
    """

    def __init__(
        self,
        stream: str,
        epoch: str,
        variant: Variant,
        wire: Wire,
        told: Mapping[DeliveryClass, int],
        clusters: Sequence[ClusterInfo],
    ) -> None:
        self.variant = variant
        self.wire = wire
        self.told = dict(told)
        self._stream = stream
        self._epoch = epoch
        self._in_step: dict[Subscription, None] = {}
        self._behind: dict[Subscription, None] = {}
        self._lossless: list[Encoded] = []
        self._keyed: dict[int | None, Encoded] = {}
        self._slots: dict[str, Encoded] = {}
        self._due = 0.0
        self._clusters: dict[int, ClusterUpdate | ClusterInfo] = {}  # as told last
        if variant.has_epsilon:
            self._clusters = {cluster.cluster_id: cluster for cluster in clusters}
        self._projection = 0  # version that all members in step have; 0 for none

    def __len__(self) -> int:
        return len(self._in_step) + len(self._behind)

    # Members

    def add(
        self,
        subscription: Subscription,
        begin: Frame,
        told: Mapping[DeliveryClass, int],
        now: float,
    ) -> Lanes:
        """Take a member, which is told `begin` first and then what follows `told`."""
        outbox = subscription.outlet.outbox
        lanes = subscription.lanes = outbox.open(self, told)
        self._behind[subscription] = None
        outbox.begin(lanes, begin, told, now)
        return lanes

    def remove(self, subscription: Subscription) -> None:
        """Forget a member, and what waits for it."""
        self._in_step.pop(subscription, None)
        self._behind.pop(subscription, None)
        if subscription.lanes is not None:
            subscription.outlet.outbox.close(subscription.lanes)

    def settle(
        self, subscription: Subscription, at: Mapping[DeliveryClass, int], now: float
    ) -> None:
        """Write what waits for a member, and let it go with the others if it can.

        Args:
            subscription: one that is not in step.
            at: up to where it has been given all that it wants.
            now: seconds that never go back.
        """
        lanes = subscription.lanes
        assert lanes is not None
        outbox = subscription.outlet.outbox
        for delivery in DELIVERY_CLASSES:
            if not lanes.has_pending(delivery):
                outbox.close_gap(lanes, delivery, at[delivery], now)
        subscription.outlet.drain(now)
        self._try_to_step_in(subscription)

    def _try_to_step_in(self, subscription: Subscription) -> None:
        lanes, outbox = subscription.lanes, subscription.outlet.outbox
        if lanes is not None and outbox.is_empty and lanes.told == self.told:
            # What it has of a cluster may be off from what the others were told last:
            # the next change of each is told, however small, or it might be off twice.
            self._clusters.clear()
            outbox.close(lanes)
            subscription.lanes = None
            del self._behind[subscription]
            self._in_step[subscription] = None
            self._projection = 0

    def begin_anew(
        self,
        epoch: str,
        told: Mapping[DeliveryClass, int],
        clusters: Sequence[ClusterInfo],
        now: float,
    ) -> None:
        """Owe all members a snapshot: what they were told does not go on.

        Args:
            epoch: of the stream, from now on.
            told: where they begin.
            clusters: of the model there.
            now: seconds that never go back.
        """
        self._epoch, self.told = epoch, dict(told)
        self._lossless, self._keyed, self._slots = [], {}, {}
        self._projection = 0
        if self.variant.has_epsilon:
            self._clusters = {cluster.cluster_id: cluster for cluster in clusters}
        for subscription in self._in_step:
            subscription.lanes = subscription.outlet.outbox.open(self, told)
        self._behind |= self._in_step
        self._in_step = {}
        for subscription in list(self._behind):
            assert subscription.lanes is not None
            subscription.outlet.outbox.owe(subscription.lanes, now)
            subscription.outlet.drain(now)

    # Events

    def offer(self, encoded: Encoded) -> None:
        """Take an event, to be told by the next `flush` that it is due for."""
        event = encoded.event
        if event.last <= self.told[event.delivery] or not self.variant.wants(event):
            return
        if event.delivery == "lossless":
            self._lossless.append(encoded)
        elif event.delivery == "keyed":
            self._keyed.pop(event.key, None)  # the new one goes to the end, in order
            self._keyed[event.key] = encoded
        else:
            self._slots[encoded.type] = encoded

    @property
    def due(self) -> float | None:
        """When something that is held back may be told, or None if nothing is."""
        return self._due if self._keyed or self._slots else None

    def flush(self, at: Mapping[DeliveryClass, int], now: float) -> int:
        """Tell the members what is due; return how many times an event was told.

        Args:
            at: the last offsets that were offered.
            now: seconds that never go back.
        """
        due = self._take_due(now)
        ready = [encoded for encoded in due if not self._is_small(encoded)]
        if not ready and not self._behind:
            return 0
        before = dict(self.told)
        frames = [frame for encoded in ready for frame in self._tell(encoded)]
        if self._behind:  # who waits to be in step can only be so without a gap
            frames += self._close_gaps(at)
        if frames:
            self._write(frames, before)
        sizes = [frame.size for frame in frames]
        for subscription in list(self._behind):
            # Small changes too: what it has may not be what the others were told.
            self._tell_behind(subscription, due, max(sizes, default=0), now)
        return len(ready) * len(self)

    def _take_due(self, now: float) -> list[Encoded]:
        due, self._lossless = self._lossless, []
        if (self._keyed or self._slots) and now >= self._due:
            due += self._keyed.values()
            due += self._slots.values()
            self._keyed, self._slots = {}, {}
            self._due = now + self.variant.interval_s
        return due

    def _is_small(self, encoded: Encoded) -> bool:
        event = encoded.event
        if event.delivery != "keyed" or not isinstance(event, ClusterUpdateEvent):
            return False
        told = self._clusters.get(event.data.cluster_id)
        return self.variant.is_small(event.data, told)

    def _tell(self, encoded: Encoded) -> list[Frame]:
        event, frames = encoded.event, list[Frame]()
        delivery = event.delivery
        first = self.told[delivery] + 1
        if delivery == "lossless" and event.first > first:
            frames += self._close_gap(delivery, event.first - 1)
            first = event.first
        self.told[delivery] = event.last
        if isinstance(event, PointsSampleEvent):
            version = event.data.projection_version
            if version == self._projection:
                encoded = encoded.bare
            self._projection = version
        frames.append(self.event(encoded, first, self.told))
        if self.variant.has_epsilon and isinstance(event, ClusterUpdateEvent):
            self._note(event.data)
        return frames

    def _note(self, update: ClusterUpdate) -> None:
        if update.change in _ENDED:
            self._clusters.pop(update.cluster_id, None)
        elif update.radius is not None:  # else it says nothing of where it lies
            self._clusters[update.cluster_id] = update

    def _close_gaps(self, at: Mapping[DeliveryClass, int]) -> list[Frame]:
        frames = []
        for delivery in DELIVERY_CLASSES:
            pending = self._keyed if delivery == "keyed" else self._slots
            if delivery == "lossless" or not pending:
                frames += self._close_gap(delivery, at[delivery])
        return frames

    def _close_gap(self, delivery: DeliveryClass, last: int) -> list[Frame]:
        first = self.told[delivery] + 1
        if last < first:
            return []
        self.told[delivery] = last
        return [self.skip(delivery, first, last, self.told)]

    def _write(
        self, frames: Sequence[Frame], before: Mapping[DeliveryClass, int]
    ) -> None:
        data = b"".join(frame.data for frame in frames)
        size = sum(frame.size for frame in frames)
        full = [m for m in self._in_step if not m.outlet.write(data, size)]
        for subscription in full:
            del self._in_step[subscription]
            subscription.lanes = subscription.outlet.outbox.open(self, before)
            self._behind[subscription] = None

    def _tell_behind(
        self,
        subscription: Subscription,
        due: Sequence[Encoded],
        size: int,
        now: float,
    ) -> None:
        lanes, outbox = subscription.lanes, subscription.outlet.outbox
        assert lanes is not None
        was_empty = outbox.is_empty
        for encoded in due:
            outbox.add(lanes, encoded, size, now)
        if was_empty:
            self.settle(subscription, self.told, now)

    # Frames

    def event(
        self, encoded: Encoded, first: int, told: Mapping[DeliveryClass, int]
    ) -> Frame:
        """See `Teller.event`."""
        payload = encoded.payload(self.wire.codec, self.variant, first)
        return self.wire.frame(payload, told)

    def skip(
        self,
        delivery: DeliveryClass,
        first: int,
        last: int,
        told: Mapping[DeliveryClass, int],
    ) -> Frame:
        """See `Teller.skip`."""
        skip = Skip(
            stream=self._stream,
            delivery=delivery,
            epoch=self._epoch,
            from_=first,
            to=last,
        )
        return self.wire.frame(self.wire.codec.encode(skip), told)
