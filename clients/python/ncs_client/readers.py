"""Subscriptions of a session: where each stands, and whether what comes follows.

Every event says which offsets of its class it covers. After a reconnect what was missed
is asked for by position. An event that does not follow the last, which only a defect of
the server brings about, is not passed on: the position is not to be trusted then, and
the subscription begins anew with a snapshot. Nothing is lost without a word.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from ncs_protocol import Retry
from ncs_protocol.messages import (
    CaughtUp,
    ClientMessage,
    DeliveryClass,
    Epsilon,
    Error,
    Event,
    EventFilter,
    EventType,
    Lagging,
    Position,
    Sample,
    Skip,
    Subscribe,
    Subscribed,
    Unsubscribe,
)

from .errors import NcsClientError, refused

__all__ = ["Incoming", "Reader", "Readers", "Wanted"]

_GAP_REST_S = 0.25
"""A server that leaves gaps is not asked again at once, and again, and again."""

Incoming = Subscribed | Event | Lagging | CaughtUp
"""What a reader of a subscription gets."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscription wants of the events; see `subscribe` in the protocol."""

    events: Sequence[EventType] | None = None
    """None for all types."""
    max_hz: float | None = None
    epsilon: Epsilon | None = None
    filter: EventFilter | None = None
    centroids: bool = True
    sample: Sample | None = None
    """Asks for `points_sample` too, whatever `events` says."""


@dataclasses.dataclass(slots=True, eq=False)
class Reader:
    """A subscription and where it is.

    Attributes:
        id: of the present request; each has its own, so that answers to old ones are
            told apart.
        stream: name of the stream.
        wanted: what it asks for.
        deliver: takes what it gets, in order.
        fail: takes the error that ends it.
        state: `pending` is to be asked for, `joining` was, `resting` waits to be asked
            for again, `paused` until it is resumed.
        epoch: of its position; None before the first snapshot.
        told: last offset of each class that was passed on or skipped.
        gaps: times that an event was not the next one, and a snapshot was asked for.
    """

    id: str
    stream: str
    wanted: Wanted
    deliver: Callable[[Incoming], None]
    fail: Callable[[NcsClientError], None]
    state: Literal["pending", "joining", "live", "resting", "paused"] = "pending"
    epoch: str | None = None
    told: dict[DeliveryClass, int] = dataclasses.field(default_factory=dict)
    gaps: int = 0
    _skipped: dict[DeliveryClass, int] = dataclasses.field(default_factory=dict)
    """First offset that was skipped since the last event of the class."""

    def request(self) -> Subscribe:
        """Return the request for it."""
        wanted = self.wanted
        message = Subscribe(
            id=self.id,
            stream=self.stream,
            max_hz=wanted.max_hz,
            epsilon=wanted.epsilon,
            filter=wanted.filter,
            centroids=wanted.centroids,
            sample=wanted.sample,
        )
        if wanted.events is not None:
            message.events = list(wanted.events)
        if self.epoch is not None:
            message.since = Position(epoch=self.epoch, offsets=dict(self.told))
        return message

    def begin(self, message: Subscribed) -> None:
        """Go on from where the server says."""
        self.epoch, self.told = message.epoch, dict(message.offsets)
        skipped, self._skipped = self._skipped, {}
        if message.recovered:
            # What was skipped is still to be covered, by the next event of its class;
            # but only these two go on counting when the server starts anew.
            offsets = dict(message.offsets)
            for name in ("lossless", "keyed"):
                if name in skipped:
                    self._skipped[name] = skipped[name]
                    offsets[name] = skipped[name] - 1
            message = msgspec.structs.replace(message, offsets=offsets)
        self.deliver(message)

    def take(self, event: Any) -> bool:
        """Take an event; return False if it does not follow the last."""
        delivery, last = event.delivery, event.last
        told = self.told.get(delivery, 0)
        if event.epoch != self.epoch or event.first > told + 1:
            return False
        if last > told:
            self.told[delivery] = last
            skipped = self._skipped.pop(delivery, None)
            if skipped is not None:
                # Covered too, so that what is passed on has no holes.
                event = msgspec.structs.replace(event, from_=skipped, to=last)
            self.deliver(event)
        return True

    def skip(self, skip: Skip) -> bool:
        """Take note of offsets that carry nothing it asked for; as `take`."""
        told = self.told.get(skip.delivery, 0)
        if skip.epoch != self.epoch or skip.from_ > told + 1:
            return False
        self._skipped.setdefault(skip.delivery, skip.from_)
        self.told[skip.delivery] = max(skip.to, told)
        return True


class Readers:
    """The subscriptions of one session.

    Attributes:
        rest_s: after how many seconds `due` is to be called; None for not at all. Who
            does it sets this back.
    """

    def __init__(self) -> None:
        self.rest_s: float | None = None
        self._readers: list[Reader] = []
        self._number = 0

    def __iter__(self) -> Any:
        return iter(tuple(self._readers))

    def add(self, reader: Reader) -> None:
        """Take a subscription."""
        self._readers.append(reader)

    def remove(self, reader: Reader) -> Sequence[ClientMessage]:
        """Give a subscription up; return what to send."""
        if reader not in self._readers:
            return []
        self._readers.remove(reader)
        return self._leave(reader)

    def pause(self, reader: Reader) -> Sequence[ClientMessage]:
        """Let one hear nothing until it is resumed; return what to send."""
        messages = self._leave(reader)
        reader.state = "paused"
        return messages

    def resume(self, reader: Reader) -> None:
        """Let one go on after the last event that it was given."""
        if reader.state == "paused":
            reader.state = "pending"

    def disconnected(self) -> None:
        """All have to be asked for again."""
        for reader in self._readers:
            if reader.state != "paused":
                reader.state = "pending"

    def requests(self) -> Sequence[ClientMessage]:
        """Return the requests that have not been sent on this connection."""
        messages = []
        for reader in self._readers:
            if reader.state == "pending":
                self._number += 1
                reader.id, reader.state = f"s{self._number}", "joining"
                messages.append(reader.request())
        return messages

    def due(self) -> None:
        """Those that rest are to be asked for again."""
        for reader in self._readers:
            if reader.state == "resting":
                reader.state = "pending"

    def subscribed(self, message: Subscribed) -> None:
        """Take the answer to a request, or a snapshot in mid-stream."""
        reader = self._by_id(message.id)
        if reader is not None and reader.state in ("joining", "live"):
            reader.state = "live"
            reader.begin(message)

    def follow(self, message: Any) -> Sequence[ClientMessage]:
        """Take an event or a skip; return what to send if it does not follow."""
        for reader in self._readers:
            if reader.stream == message.stream and reader.state == "live":
                take = reader.skip if isinstance(message, Skip) else reader.take
                if take(message):
                    return []
                reader.gaps += 1
                reader.epoch = None
                left = self._leave(reader)
                self._rest(reader, _GAP_REST_S)
                return left
        return []

    def refused(self, error: Error) -> None:
        """Take a refusal, if it is of a request for one of them."""
        reader = self._by_id(error.id)
        if reader is None or reader.state != "joining":
            return
        if error.retry == Retry.LATER:
            self._rest(reader, 1.0 if error.retry_after is None else error.retry_after)
        elif error.retry != Retry.RECONNECT:
            self._readers.remove(reader)
            reader.fail(refused(error))

    def _rest(self, reader: Reader, seconds: float) -> None:
        reader.state = "resting"
        self.rest_s = seconds

    def _by_id(self, id: str | None) -> Reader | None:
        return next((r for r in self._readers if r.id == id), None)

    @staticmethod
    def _leave(reader: Reader) -> Sequence[ClientMessage]:
        asked = reader.state in ("joining", "live")
        return [Unsubscribe(id=reader.id)] if asked else []
