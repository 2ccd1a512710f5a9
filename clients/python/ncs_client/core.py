"""The client's side of a session, without any socket: what to send, what it means.

It numbers batches, keeps them until they are acknowledged, sends them again after a
reconnect or a rewind, and resumes subscriptions where they were. A batch is never
applied twice: its identity (producer, epoch, seq) stays the same however often it is
sent. What is in flight takes no more bytes than the server gives credit for. The
adapter feeds it decoded messages and sends what it returns.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from ncs_protocol import MSGPACK, Code, Codec, Retry, ScaledArray
from ncs_protocol.messages import (
    Ack,
    CaughtUp,
    Credit,
    Error,
    Event,
    Hello,
    Lagging,
    Points,
    ServerMessage,
    Skip,
    SlowDown,
    Subscribed,
    Welcome,
)

from .connection import Outgoing
from .errors import RefusedError, refusal, refused
from .readers import Incoming, Reader, Readers, Wanted

__all__ = ["Batch", "ClientCore", "Incoming", "Reader", "Wanted"]


@dataclasses.dataclass(slots=True, eq=False)
class Batch:
    """Points on their way."""

    message: Points
    settle: Callable[[Ack | RefusedError], None]
    """Called once, when it is in the model or refused for good."""
    frame: bytes | None = None
    """Under its present seq and id, while it is next and there is no credit for it."""
    size: int = 0
    """Of the frame, once it is in flight."""

    @property
    def count(self) -> int:
        """How many points there are."""
        message = self.message
        if message.points is not None:
            return len(message.points)
        array = cast(Any, message.array)
        values = array.values if isinstance(array, ScaledArray) else array
        return int(values.shape[0])

    def applied(self, ack: Ack) -> None:
        """Settle it with an ack that may cover others too."""
        own = ack.seq == self.message.seq
        self.settle(
            msgspec.structs.replace(
                ack,
                seq=self.message.seq,
                accepted=self.count,
                duplicate=own and ack.duplicate,
                results=ack.results if own else None,
            )
        )


@dataclasses.dataclass(slots=True, eq=False)
class _Lane:
    """The batches of one stream that are not acknowledged, by seq."""

    stream: str
    next_seq: int = 1
    flying: deque[Batch] = dataclasses.field(default_factory=deque)
    """On their way."""
    unsent: deque[Batch] = dataclasses.field(default_factory=deque)
    """Behind those."""

    def rewind(self, expected: int) -> int:
        """Let batches from `expected` on go out again, numbered without a gap.

        Numbers change after a batch was given up, and when a server comes back without
        what it never promised to keep. What it does not know it has not applied, so no
        batch can count twice.

        Returns:
            How many bytes are not in flight any more.
        """
        size = 0
        while self.flying and self.flying[-1].message.seq >= expected:
            batch = self.flying.pop()
            size += batch.size
            self.unsent.appendleft(batch)
        for seq, batch in enumerate(self.unsent, expected):
            batch.message.seq, batch.frame = seq, None
        self.next_seq = expected + len(self.unsent)
        return size


class ClientCore:
    """See the module.

    Args:
        token: credential for `hello`.
        producer: names this sender; its batches are exactly-once under this name.
        producer_epoch: higher than in any earlier life of the producer, or the
            server's is gone beyond while nothing can be in a model under this one: a
            clock may have been set back.
        streams: streams to be told of in `welcome` from the start.
        event_credit: bytes of events that may be on their way or taken and not read;
            None for as many as the line takes.
        connection_id: a label for the server's logs and `presence`.

    Attributes:
        welcome: the last one; None while not connected.
        codec: how batches are encoded.
        paused: streams that wait for `resume`.
        readers: the subscriptions.
        must_reconnect: whether this connection has to be ended, since it began under
            an epoch that is over.
    """

    def __init__(
        self,
        token: str,
        producer: str,
        producer_epoch: int,
        streams: Sequence[str] = ("default",),
        event_credit: int | None = None,
        connection_id: str | None = None,
    ) -> None:
        self.token = token
        self.welcome: Welcome | None = None
        self.codec: Codec = MSGPACK
        self.paused: set[str] = set()
        self._producer = producer
        self.must_reconnect = False
        self._epoch = producer_epoch
        self._is_fresh = True  # nothing can be in a model under this epoch
        self._is_stale = False  # as the server has said
        self._lanes: dict[str, _Lane] = {name: _Lane(name) for name in streams}
        self._due: deque[_Lane] = deque()  # have something to send, in turns
        self._flying_bytes = 0
        self._credit = 0
        self._most_credit = 0  # ever told
        self.readers = Readers()
        self._next_id = 1
        self._event_credit = event_credit
        self._connection_id = connection_id
        self._read = 0  # bytes of events since credit was given last

    @property
    def unacknowledged(self) -> int:
        """Batches that are not acknowledged."""
        lanes = self._lanes.values()
        return sum(len(lane.flying) + len(lane.unsent) for lane in lanes)

    # What the adapter does

    def connected(self) -> Sequence[Outgoing]:
        """Return what to send on a new connection."""
        self.welcome = None
        self.must_reconnect = False
        self.readers.disconnected()
        if any(lane.flying for lane in self._lanes.values()):
            self._is_fresh = False
        for lane in self._lanes.values():
            lane.unsent.extendleft(reversed(lane.flying))
            lane.flying.clear()
        self._flying_bytes = self._most_credit = 0
        self._due.clear()
        return [
            Hello(
                token=self.token,
                producer=self._producer,
                producer_epoch=self._epoch,
                connection_id=self._connection_id,
                streams=list(self._lanes),
            )
        ]

    def add(self, batch: Batch) -> Sequence[Outgoing]:
        """Take a batch; return what to send, nothing while not connected.

        The batch's `seq` is set here.
        """
        stream = batch.message.stream
        lane = self._lanes.get(stream) or self._lanes.setdefault(stream, _Lane(stream))
        batch.message.seq = lane.next_seq
        lane.next_seq += 1
        lane.unsent.append(batch)
        return self._send(lane)

    def subscribe(self, reader: Reader) -> Sequence[Outgoing]:
        """Take a subscription; return what to send."""
        self.readers.add(reader)
        return self.ask()

    def unsubscribe(self, reader: Reader) -> Sequence[Outgoing]:
        """Give a subscription up; return what to send."""
        messages = self.readers.remove(reader)
        return [] if self.welcome is None else messages

    def pause(self, reader: Reader) -> Sequence[Outgoing]:
        """Let a subscription rest on the server too; return what to send."""
        messages = self.readers.pause(reader)
        return [] if self.welcome is None else messages

    def go_on(self, reader: Reader) -> Sequence[Outgoing]:
        """Let a subscription that was paused go on; return what to send."""
        self.readers.resume(reader)
        return self.ask()

    def ask(self) -> Sequence[Outgoing]:
        """Return the requests for subscriptions that are due."""
        return [] if self.welcome is None else self.readers.requests()

    def read(self, size: int) -> Sequence[Outgoing]:
        """Take note that events of `size` bytes were read; return what to send."""
        if self._event_credit is None or self.welcome is None:
            return []
        self._read += size
        if self._read < self._event_credit // 2:
            return []
        grant, self._read = self._read, 0
        return [Credit(bytes=grant)]

    def resume(self, stream: str) -> Sequence[Outgoing]:
        """Go on with a stream that was paused; return what to send."""
        self.paused.discard(stream)
        return self._send(self._lanes[stream])

    def receive(self, message: ServerMessage) -> Sequence[Outgoing]:
        """Take a message of the server; return what to send."""
        match message:
            case Welcome():
                return self._welcomed(message)
            case Ack():
                return self._acknowledged(message)
            case SlowDown():
                self._credit = 0  # until an ack says otherwise
            case Error():
                return self._refused(message)
            case Subscribed():
                self.readers.subscribed(message)
            case Lagging() | CaughtUp():
                for reader in self.readers:
                    reader.deliver(message)
            case _:
                if isinstance(message, Event | Skip):
                    return self.readers.follow(message)
        return []

    # Batches

    def _welcomed(self, welcome: Welcome) -> Sequence[Outgoing]:
        newest = max((r.producer_epoch for r in welcome.resume.values()), default=0)
        if self._is_fresh and newest > self._epoch:
            self._epoch, self._is_stale = newest + 1, False
            self._begin_anew()
            return []
        if self._is_stale:  # and yet it is the newest: it is not for us to understand
            self._is_fresh = False
        self.welcome = welcome
        self.paused.clear()
        self._read = 0
        grant = self._event_credit
        credit = [] if grant is None else [Credit(bytes=grant)]
        self._take_credit(welcome.credit)
        for stream, lane in self._lanes.items():
            resume = welcome.resume.get(stream)
            known = resume is not None and resume.producer_epoch == self._epoch
            last_seq = resume.last_seq if resume is not None and known else 0
            self._applied_meanwhile(lane, last_seq)
            lane.rewind(last_seq + 1)
        return [*credit, *self._send(*self._lanes.values()), *self.ask()]

    def _applied_meanwhile(self, lane: _Lane, last_seq: int) -> None:
        """Settle the batches whose acks were lost with the old connection."""
        while lane.unsent and lane.unsent[0].message.seq <= last_seq:
            batch = lane.unsent.popleft()
            batch.applied(
                Ack(
                    stream=lane.stream,
                    seq=batch.message.seq,
                    offset=0,
                    model_version=0,
                    accepted=0,
                    credit=0,
                    duplicate=True,
                )
            )

    def _begin_anew(self) -> None:
        self.must_reconnect, self.welcome = True, None

    def _acknowledged(self, ack: Ack) -> Sequence[Outgoing]:
        self._is_fresh = False
        lane = self._lanes.get(ack.stream)
        while lane and lane.flying and lane.flying[0].message.seq <= ack.seq:
            batch = lane.flying.popleft()
            self._flying_bytes -= batch.size
            batch.applied(ack)
        self._take_credit(ack.credit)
        return self._send()

    def _take_credit(self, credit: int) -> None:
        """Take note of how many bytes may be in flight.

        An ack tells what is left beside what the server has of us at that time, which
        is at most what we have in flight; and never more than it has ever offered.
        """
        self._most_credit = max(self._most_credit, credit)
        self._credit = min(self._most_credit, credit + self._flying_bytes)

    def _refused(self, error: Error) -> Sequence[Outgoing]:
        if error.seq is None or error.stream not in self._lanes:
            self.readers.refused(error)
            return []
        lane = self._lanes[error.stream]
        batch = next((b for b in lane.flying if b.message.id == error.id), None)
        if batch is None:
            return []  # the answer to a transmission that another has replaced since
        seq = batch.message.seq
        if error.retry == Retry.REWIND and error.expected_seq is not None:
            self._rewind(lane, error.expected_seq)
        elif error.retry in (Retry.LATER, Retry.RECONNECT):
            # Kept, and sent again by `resume` or on the next connection.
            self.paused.add(error.stream)
            self._rewind(lane, seq)
        elif self._is_fresh and error.code == Code.STALE_PRODUCER_EPOCH.wire:
            # Of this stream nothing was taken; the next welcome tells how far it is.
            self._rewind(lane, 1)
            self._is_stale = True
            self._begin_anew()
        else:
            lane.flying.remove(batch)
            self._flying_bytes -= batch.size
            self._rewind(lane, seq)
            batch.settle(refused(error))
        return self._send(lane)

    def _rewind(self, lane: _Lane, expected: int) -> None:
        self._flying_bytes -= lane.rewind(expected)

    def _send(self, *lanes: _Lane) -> Sequence[Outgoing]:
        """Return the frames that the credit allows, of these lanes and those due."""
        if self.welcome is None:
            return ()
        self._due.extend(lane for lane in lanes if lane not in self._due)
        frames: list[Outgoing] = []
        while self._due:
            lane = self._due.popleft()
            if not lane.unsent or lane.stream in self.paused:
                continue
            batch = lane.unsent[0]
            frame = batch.frame or self.encode(batch)
            if len(frame) > self.welcome.limits.get("max_frame_bytes", len(frame)):
                self._give_up(lane, len(frame))
                self._due.appendleft(lane)
                continue
            if self._flying_bytes and self._flying_bytes + len(frame) > self._credit:
                batch.frame = frame
                self._due.appendleft(lane)
                break
            batch.frame, batch.size = None, len(frame)
            lane.flying.append(lane.unsent.popleft())
            self._flying_bytes += batch.size
            frames.append(frame)
            self._due.append(lane)
        return frames

    def _give_up(self, lane: _Lane, size: int) -> None:
        """Refuse the next batch, whose frame would end the session."""
        batch = lane.unsent.popleft()
        lane.rewind(batch.message.seq)
        limit = self.welcome.limits["max_frame_bytes"] if self.welcome else 0
        detail = f"frame of {size} bytes, the limit is {limit:g}"
        batch.settle(refusal(Code.FRAME_TOO_LARGE.wire, detail))

    def encode(self, batch: Batch) -> bytes:
        """Return the frame of a batch that is about to go out, under a new id."""
        batch.message.id = f"t{self._next_id}"
        self._next_id += 1
        return self.codec.encode(batch.message)
