"""One producer's way from its spool to the server, without any socket.

It says hello, compares what the server has with what the spool has, sends batches under
their numbers as far as credit and pace allow, and lets the spool forget what is
acknowledged. The adapter feeds it decoded messages and sends what it returns.

What the server and the spool may say to each other, by the mark in `welcome.resume`
(epoch E, last seq L; both 0 if it knows nothing) and the spool's numbers (epoch e, last
acknowledged seq a, last seq s that may have been sent; a <= s):

| mark | what happened | what is done |
| --- | --- | --- |
| E = e, a <= L <= s | the usual | forget up to L, send L+1 .. under their numbers |
| E < e, a = 0 | nothing of this epoch arrived; also a fresh spool | send from 1 on |
| E < e, a > 0 | the server lost what it acknowledged, or is another | new epoch |
| E = e, L < a | the server went back to a backup | new epoch |
| E = e, L > s | the spool went back: its end is lost | forget all sent; new epoch |
| E = e, L within damage | a record is damaged that may have been sent | new epoch |
| E > e | the spool is an old copy, or made e by a slow clock | drop sent; new epoch |

In the last row what may have been sent is dropped and reported, because it might be in
the model already.
In all rows before it, what is sent anew under a new epoch is not in the model: the
server says so by the same mark. (Marks tell what is durable. For damage alone a batch
could matter that was admitted and not yet durable when the new connection said hello:
milliseconds after the old one broke.) A new epoch is higher than E and e and at least
the clock in nanoseconds, so that two lives of a spool do not choose the same; it is on
disk before the next `hello` tells it.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence

from ncs_protocol import Code, Retry
from ncs_protocol.messages import (
    Ack,
    Error,
    Hello,
    Resume,
    ServerMessage,
    SlowDown,
    Welcome,
)

from .connection import Outgoing
from .payload import frame_of
from .segment import Record
from .spool import Spool

__all__ = ["DISK", "HOLD_S", "Lane", "Pace"]

DISK = "disk_full"
"""The reason when the disk does not take what must be on it first."""

HOLD_S = 30.0
"""Wait after a refusal that is not about the batch and does not pass by itself."""
_MAX_FLIGHTS = 32
"""After a refusal all frames behind it are refused as well, for the gap; a server ends
the session after more than 32 refusals in a row."""
_BURST_S = 0.05
_NOTHING = Resume(producer_epoch=0, last_seq=0)
_OF_CONTENT = frozenset(
    code.wire
    for code in (
        Code.MALFORMED_FRAME, Code.INVALID_MESSAGE, Code.NESTED_TOO_DEEP,
        Code.METADATA_TOO_LARGE, Code.INVALID_TIMESTAMP, Code.BAD_ARRAY, Code.NO_POINTS,
        Code.EMPTY_POINT, Code.RAGGED_POINTS, Code.NOT_FINITE, Code.OUT_OF_RANGE,
        Code.SUSPICIOUS_POINT, Code.TOO_MANY_POINTS, Code.TOO_MANY_DIMENSIONS,
        Code.TOO_MANY_ELEMENTS, Code.FRAME_TOO_LARGE, Code.DIMENSION_MISMATCH,
    )
)  # fmt: skip
"""Refusals that are about the batch itself. After any other the batch is kept: that a
key may not write is no reason to throw data away."""


class Pace:
    """Bounds the mean of bytes per second; bursts of 50 ms, so that small frames go out
    several at a time, and one frame may overdraw it.

    Args:
        bytes_per_s: the bound; None for none.
    """

    def __init__(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s = bytes_per_s
        self._clear_at = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long nothing may be sent; `now` is monotonic seconds."""
        ahead = self._clear_at - now
        return 0.0 if ahead < _BURST_S else ahead - _BURST_S / 2

    def spend(self, size: int, now: float) -> None:
        """Take note of `size` bytes that are sent."""
        if self._bytes_per_s is not None:
            self._clear_at = max(self._clear_at, now) + size / self._bytes_per_s


@dataclasses.dataclass(frozen=True, slots=True)
class _Flight:
    """A frame on its way."""

    index: int
    seq: int
    size: int
    id: str


class Lane:
    """See the module; it is a `Core`.

    Args:
        spool: what is to be sent; its owner must be this producer and stream.
        producer: name of the producer.
        stream: name of the stream.
        window_bytes: frames in flight take no more than this, nor than the credit.
        pace: bounds the rate of sending.
        clock_ns: epoch nanoseconds, for new epochs.
        on_ready: called when there may be something to send.
        on_ack: called with the number of batches and whether it is a duplicate.
        on_refused: called with code and detail when a batch is refused and dropped.
        on_pause: called with code, seconds and detail when nothing more can be sent.

    Attributes:
        must_reconnect: whether this connection must be ended: it began under an epoch
            that is over.
        stream: name of the stream.
        stream: name of the stream.
        retry_s: after which `resume` shall be called, if that is not up to the server.
    """

    def __init__(
        self,
        spool: Spool,
        producer: str,
        stream: str,
        *,
        window_bytes: int,
        pace: Pace,
        clock_ns: Callable[[], int],
        on_ready: Callable[[], None],
        on_ack: Callable[[int, bool], None],
        on_refused: Callable[[str, str], None],
        on_pause: Callable[[str, float | None, str], None],
    ) -> None:
        self.token = ""
        self.welcome: Welcome | None = None
        self.spool = spool
        self.pace = pace
        self.must_reconnect = False
        self.retry_s: float | None = None
        self._producer = producer
        self.stream = stream
        self._window_bytes = window_bytes
        self._credit = window_bytes
        self._clock_ns = clock_ns
        self._on_ready = on_ready
        self._on_ack = on_ack
        self._on_refused = on_refused
        self._on_pause = on_pause
        self._paused = False
        self._is_careful = False  # after a refusal, one at a time until an ack
        self._flights: deque[_Flight] = deque()
        self._flying_bytes = 0
        self._sent = 0  # index of the last record in flight
        self._ahead: Record | None = None  # read and not sent yet
        self._next_id = 1

    @property
    def is_connected(self) -> bool:
        """Whether the server knows this lane and agrees on its numbers."""
        return self.welcome is not None

    @property
    def is_open(self) -> bool:
        """Whether batches may be sent."""
        return self.is_connected and not self._paused

    @property
    def has_unsent(self) -> bool:
        """Whether there are batches that are not on their way."""
        return self._ahead is not None or self.spool.has_more(self._sent)

    # What the connection does

    def connected(self) -> Sequence[Outgoing]:
        """See `Core.connected`."""
        self.welcome = None
        self._paused = self._is_careful = self.must_reconnect = False
        self._rewind(0)
        numbers = self.spool.numbers
        return [
            Hello(
                token=self.token,
                producer=self._producer,
                producer_epoch=numbers.epoch,
                streams=[self.stream],
            )
        ]

    def receive(self, message: ServerMessage) -> Sequence[Outgoing]:
        """See `Core.receive`; frames come from `frames`."""
        if self.must_reconnect:
            return []  # said in an epoch that is over
        try:
            match message:
                case Welcome():
                    self._welcomed(message)
                case Ack() if message.stream == self.stream:
                    self._acknowledged(message)
                case Error() if message.stream == self.stream:
                    self._refused(message)
                case SlowDown():
                    # Nothing needs to be held back for it: the credit did that already.
                    wait_s = message.retry_after_ms / 1000
                    self._on_pause(message.reason, wait_s, "no credit is left")
        except OSError as error:  # the disk did not take the numbers: compare anew
            self.must_reconnect, self.welcome = True, None
            self._on_pause(DISK, None, str(error))
        return []

    def resume(self, stream: str) -> Sequence[Outgoing]:
        """See `Core.resume`."""
        if stream == self.stream:
            self._paused = False
            self._on_ready()
        return []

    def frames(self, now: float) -> list[bytes]:
        """Return what is to be sent now; `now` is monotonic seconds.

        Raises:
            OSError: if the spool cannot note on disk what is about to be sent.
        """
        frames: list[bytes] = []
        while self.is_open and self.pace.wait_s(now) <= 0.0:
            record = self._ahead or self.spool.read(self._sent)
            if record is None and self.spool.has_lost_sent and not self._flights:
                self._renew(keep_sent=True)
            if record is None:
                break
            self._ahead = record
            if self._flights and not self._may_follow(record):
                break
            frame = self._fly(record)
            if frame is not None:
                self.pace.spend(len(frame), now)
                frames.append(frame)
        return frames

    def _may_follow(self, record: Record) -> bool:
        """Return whether a batch may be sent while others are on their way."""
        fits = self._flying_bytes + len(record.payload) <= self._credit
        return fits and len(self._flights) < (1 if self._is_careful else _MAX_FLIGHTS)

    def _fly(self, record: Record) -> bytes | None:
        seq, id = self.spool.numbers.seq_of(record.index), str(self._next_id)
        frame = frame_of(record.payload, seq, id)
        assert self.welcome is not None
        limit = self.welcome.limits.get("max_frame_bytes", len(frame))
        if len(frame) > limit:  # the server would close the connection for good
            self._give_up(record.index, Code.FRAME_TOO_LARGE.wire, f"limit {limit:.0f}")
            return None
        self._next_id += 1
        self._flights.append(_Flight(record.index, seq, len(frame), id))
        self._flying_bytes += len(frame)
        self._sent, self._ahead = record.index, None
        return frame

    # What the server says

    def _welcomed(self, welcome: Welcome) -> None:
        if self._agree(welcome.resume.get(self.stream, _NOTHING)):
            self.welcome = welcome
            self._credit = min(self._window_bytes, welcome.credit)
            self._sent = self.spool.numbers.acked_index
            self._on_ready()

    def _agree(self, mark: Resume) -> bool:
        """Compare marks as the table of the module says; return whether to go on."""
        spool, numbers = self.spool, self.spool.numbers
        if mark.producer_epoch > numbers.epoch:
            self._renew(keep_sent=False, above=mark.producer_epoch)
            return False
        is_known = mark.producer_epoch == numbers.epoch
        last_seq = mark.last_seq if is_known else 0
        went_back = last_seq > spool.sent_seq()
        if last_seq < numbers.acked_seq:
            self._renew(keep_sent=True)
            return False
        acked = spool.acknowledge(last_seq)
        if acked:
            self._on_ack(acked, True)
        if went_back or spool.has_lost_sent:
            self._renew(keep_sent=True)
            return False
        return True

    def _renew(self, *, keep_sent: bool, above: int = 0) -> None:
        """Begin a new epoch, on a new connection."""
        self.must_reconnect, self.welcome = True, None
        epoch = max(above, self.spool.numbers.epoch) + 1
        self._rewind(0)
        self.spool.begin_epoch(max(epoch, self._clock_ns()), keep_sent=keep_sent)

    def _acknowledged(self, ack: Ack) -> None:
        while self._flights and self._flights[0].seq <= ack.seq:
            self._flying_bytes -= self._flights.popleft().size
        self._is_careful = False
        acked = self.spool.acknowledge(ack.seq)
        # What the server counts as in flight is at most what we do: with a constant
        # credit the sum is not below it, and with a falling one it follows.
        self._credit = min(self._window_bytes, ack.credit + self._flying_bytes)
        if acked:
            self._on_ack(acked, ack.duplicate)
        self._on_ready()

    def _refused(self, error: Error) -> None:
        flight = next((f for f in self._flights if f.id == error.id), None)
        if flight is None:
            return  # the answer to a transmission that another has replaced since
        if error.code == Code.STALE_PRODUCER_EPOCH.wire:
            self.must_reconnect = True  # the next welcome says which epoch is above
        elif error.retry == Retry.REWIND and error.expected_seq is not None:
            self._go_back_to(error.expected_seq, flight)
        elif error.code in _OF_CONTENT:
            self._rewind(flight.index)
            self._is_careful = True
            self._give_up(flight.index, error.code, error.detail)
        else:
            self._rewind(flight.index)
            self._paused = True
            wait = error.retry_after
            if error.retry == Retry.NEVER:
                wait = self.retry_s = HOLD_S
            self._on_pause(error.code, wait, error.detail)
        self._on_ready()

    def _go_back_to(self, expected_seq: int, flight: _Flight) -> None:
        numbers = self.spool.numbers
        if numbers.acked_seq < expected_seq <= flight.seq:
            self._rewind(numbers.index_of(expected_seq))
        else:  # not what was agreed on: compare anew
            self.must_reconnect = True

    def _give_up(self, index: int, code: str, detail: str) -> None:
        self.spool.refuse(index)
        self._ahead = None
        self._on_refused(code, detail)

    def _rewind(self, index: int) -> None:
        """Let what is in flight from `index` on be sent again."""
        while self._flights and self._flights[-1].index >= index:
            self._flying_bytes -= self._flights.pop().size
        self._ahead = None
        self._sent = self._flights[-1].index if self._flights else 0
