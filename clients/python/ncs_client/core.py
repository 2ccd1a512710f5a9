"""The client's side of a session, without any socket: what to send, what it means.

It numbers batches, keeps them until they are acknowledged, sends them again after a
reconnect or a rewind, and resumes subscriptions where they were. A batch is never
applied twice: its identity (producer, epoch, seq) stays the same however often it is
sent. The adapter feeds it decoded messages and sends what it returns.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ncs_protocol import Retry
from ncs_protocol.messages import (
    Ack,
    CaughtUp,
    ClientMessage,
    Credit,
    DeliveryClass,
    Epsilon,
    Error,
    Event,
    EventFilter,
    EventType,
    Hello,
    Lagging,
    Points,
    Position,
    ServerMessage,
    Skip,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)

from .errors import RefusedError

__all__ = ["Batch", "ClientCore", "Incoming", "Reader", "Wanted"]

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


@dataclasses.dataclass(slots=True, eq=False)
class Batch:
    """Points on their way."""

    message: Points
    settle: Callable[[Ack | RefusedError], None]
    """Called once, when it is in the model or refused for good."""
    sent: bool = False
    """Whether it went out on the present connection, under its present seq."""


@dataclasses.dataclass(slots=True)
class _Lane:
    """The batches of one stream that are not acknowledged, by seq."""

    next_seq: int = 1
    batches: deque[Batch] = dataclasses.field(default_factory=deque)

    def rewind(self, expected: int) -> None:
        """Let batches from `expected` on go out again, numbered without a gap.

        Numbers change after a batch was given up, and when a server comes back without
        what it never promised to keep. What it does not know it has not applied, so no
        batch can count twice.
        """
        again = [batch for batch in self.batches if batch.message.seq >= expected]
        for seq, batch in enumerate(again, expected):
            batch.message.seq = seq
            batch.sent = False
        self.next_seq = expected + len(again)


@dataclasses.dataclass(slots=True, eq=False)
class Reader:
    """A subscription."""

    id: str
    stream: str
    wanted: Wanted
    deliver: Callable[[Incoming], None]
    fail: Callable[[RefusedError], None]
    epoch: str | None = None
    told: dict[DeliveryClass, int] = dataclasses.field(default_factory=dict)
    gaps: int = 0
    """Offsets that the server skipped without saying so; never seen to happen."""


class ClientCore:
    """See the module.

    Args:
        token: credential for `hello`.
        producer: names this sender; its batches are exactly-once under this name.
        producer_epoch: higher than in any earlier life of the producer.
        streams: streams to be told of in `welcome` from the start.
        event_credit: bytes of events that may be on their way or taken and not read;
            None for as many as the line takes.

    Attributes:
        welcome: the last one; None while not connected.
    """

    def __init__(
        self,
        token: str,
        producer: str,
        producer_epoch: int,
        streams: Sequence[str] = ("default",),
        event_credit: int | None = None,
    ) -> None:
        self.token = token
        self.welcome: Welcome | None = None
        self.paused: set[str] = set()
        self._producer = producer
        self._epoch = producer_epoch
        self._lanes: dict[str, _Lane] = {name: _Lane() for name in streams}
        self._readers: dict[str, Reader] = {}
        self._next_id = 1
        self._event_credit = event_credit
        self._read = 0  # bytes of events since credit was given last

    @property
    def unacknowledged(self) -> int:
        """Batches that are not acknowledged."""
        return sum(len(lane.batches) for lane in self._lanes.values())

    # What the adapter does

    def connected(self) -> list[ClientMessage]:
        """Return what to send on a new connection."""
        self.welcome = None
        for lane in self._lanes.values():
            for batch in lane.batches:
                batch.sent = False
        return [
            Hello(
                token=self.token,
                producer=self._producer,
                producer_epoch=self._epoch,
                streams=list(self._lanes),
            )
        ]

    def add(self, batch: Batch) -> list[ClientMessage]:
        """Take a batch; return what to send, nothing while not connected.

        The batch's `seq` is set here.
        """
        lane = self._lanes.setdefault(batch.message.stream, _Lane())
        batch.message.seq = lane.next_seq
        lane.next_seq += 1
        lane.batches.append(batch)
        return self._send_unsent(lane)

    def subscribe(self, reader: Reader) -> list[ClientMessage]:
        """Take a subscription, whose id is set here; return what to send."""
        reader.id = f"s{self._next_id}"
        self._next_id += 1
        self._readers[reader.id] = reader
        return [] if self.welcome is None else [self._subscription(reader)]

    def unsubscribe(self, reader: Reader) -> list[ClientMessage]:
        """Give a subscription up; return what to send."""
        known = self._readers.pop(reader.id, None)
        if known is None or self.welcome is None:
            return []
        return [Unsubscribe(id=reader.id)]

    def read(self, size: int) -> list[ClientMessage]:
        """Take note that events of `size` bytes were read; return what to send."""
        if self._event_credit is None or self.welcome is None:
            return []
        self._read += size
        if self._read < self._event_credit // 2:
            return []
        grant, self._read = self._read, 0
        return [Credit(bytes=grant)]

    def resume(self, stream: str) -> list[ClientMessage]:
        """Go on with a stream that was paused; return what to send."""
        self.paused.discard(stream)
        if self.welcome is None:
            return []
        return self._send_unsent(self._lanes[stream])

    def receive(self, message: ServerMessage) -> list[ClientMessage]:
        """Take a message of the server; return what to send."""
        match message:
            case Welcome():
                return self._welcomed(message)
            case Ack():
                self._acknowledged(message)
            case Error():
                return self._refused(message)
            case Subscribed():
                self._subscribed(message)
            case Lagging() | CaughtUp():
                for reader in list(self._readers.values()):
                    reader.deliver(message)
            case Skip():
                self._told(message.stream, message.delivery, message.from_, message.to)
            case _:
                if isinstance(message, Event):
                    self._event(message)
        return []

    # Batches

    def _welcomed(self, welcome: Welcome) -> list[ClientMessage]:
        self.welcome = welcome
        self.paused.clear()
        messages: list[ClientMessage] = []
        if self._event_credit is not None:
            self._read = 0
            messages.append(Credit(bytes=self._event_credit))
        for stream, lane in self._lanes.items():
            resume = welcome.resume.get(stream)
            known = resume is not None and resume.producer_epoch == self._epoch
            last_seq = resume.last_seq if resume is not None and known else 0
            self._applied_meanwhile(stream, lane, last_seq)
            lane.rewind(last_seq + 1)
            messages += self._send_unsent(lane)
        messages += [self._subscription(reader) for reader in self._readers.values()]
        return messages

    def _applied_meanwhile(self, stream: str, lane: _Lane, last_seq: int) -> None:
        """Settle the batches whose acks were lost with the old connection."""
        while lane.batches and lane.batches[0].message.seq <= last_seq:
            batch = lane.batches.popleft()
            batch.settle(
                Ack(
                    stream=stream,
                    seq=batch.message.seq,
                    offset=0,
                    model_version=0,
                    accepted=0,
                    credit=0,
                    duplicate=True,
                )
            )

    def _acknowledged(self, ack: Ack) -> None:
        lane = self._lanes.get(ack.stream)
        while lane and lane.batches and lane.batches[0].message.seq <= ack.seq:
            lane.batches.popleft().settle(ack)

    def _refused(self, error: Error) -> list[ClientMessage]:
        if error.seq is None or error.stream not in self._lanes:
            reader = self._readers.pop(error.id or "", None)
            if reader is not None:
                reader.fail(_as_exception(error))
            return []
        lane = self._lanes[error.stream]
        refused = next((b for b in lane.batches if b.message.id == error.id), None)
        if refused is None or not refused.sent:
            return []  # the answer to a transmission that another has replaced since
        seq = refused.message.seq
        if error.retry == Retry.REWIND and error.expected_seq is not None:
            lane.rewind(error.expected_seq)
        elif error.retry in (Retry.LATER, Retry.RECONNECT):
            # Kept, and sent again by `resume` or on the next connection.
            self.paused.add(error.stream)
            lane.rewind(seq)
        else:
            lane.batches.remove(refused)
            lane.rewind(seq)
            refused.settle(_as_exception(error))
        return self._send_unsent(lane)

    def _send_unsent(self, lane: _Lane) -> list[ClientMessage]:
        if self.welcome is None:
            return []
        messages: list[ClientMessage] = []
        for batch in lane.batches:
            if not batch.sent and batch.message.stream not in self.paused:
                batch.sent = True
                batch.message.id = f"t{self._next_id}"
                self._next_id += 1
                # A copy: numbers may change while the frame waits to be written.
                messages.append(copy.copy(batch.message))
        return messages

    # Subscriptions

    def _subscription(self, reader: Reader) -> Subscribe:
        wanted = reader.wanted
        message = Subscribe(
            id=reader.id,
            stream=reader.stream,
            max_hz=wanted.max_hz,
            epsilon=wanted.epsilon,
            filter=wanted.filter,
            centroids=wanted.centroids,
        )
        if wanted.events is not None:
            message.events = list(wanted.events)
        if reader.epoch is not None:
            message.since = Position(epoch=reader.epoch, offsets=dict(reader.told))
        return message

    def _subscribed(self, message: Subscribed) -> None:
        reader = self._readers.get(message.id)
        if reader is None:
            return
        reader.epoch = message.epoch
        reader.told = dict(message.offsets)
        if not message.recovered:
            reader.deliver(message)

    def _event(self, event: Any) -> None:
        for reader in list(self._readers.values()):
            events = reader.wanted.events
            if reader.stream == event.stream and (
                events is None or _type_of(event) in events
            ):
                self._told_one(reader, event.delivery, event.first, event.last)
                reader.deliver(event)

    def _told(
        self, stream: str, delivery: DeliveryClass, first: int, last: int
    ) -> None:
        for reader in self._readers.values():
            if reader.stream == stream:
                self._told_one(reader, delivery, first, last)

    @staticmethod
    def _told_one(
        reader: Reader, delivery: DeliveryClass, first: int, last: int
    ) -> None:
        reader.gaps += max(0, first - reader.told.get(delivery, 0) - 1)
        reader.told[delivery] = last


def _type_of(event: Any) -> str:
    return str(type(event).__struct_config__.tag)


def _as_exception(error: Error) -> RefusedError:
    return RefusedError(
        error.code,
        error.detail,
        index=error.index,
        retry_after_s=error.retry_after,
    )
