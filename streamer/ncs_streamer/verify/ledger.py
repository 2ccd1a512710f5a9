"""What producers sent and were answered, and what readers were told; without any I/O.

Whatever contradicts a promise while it happens is a `Violation` at once; what takes the
server's books to find out is for `judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from ncs_protocol.messages import (
    Ack,
    DeliveryClass,
    Error,
    Event,
    ServerMessage,
    Skip,
    Subscribed,
    Welcome,
)

__all__ = [
    "ProducerLedger",
    "ReaderLedger",
    "Record",
    "Told",
    "Violation",
    "take_down",
]


class Violation(NamedTuple):
    """A promise that was not kept."""

    kind: str
    detail: str


class Record(Protocol):
    """Takes down what happens between one producer and the server."""

    def transmitted(self, seq: int) -> None:
        """Take down that a batch is about to go out, for the first time or again."""

    def acknowledged(self, seq: int, duplicate: bool) -> None:
        """Take down an ack of every batch up to `seq`, or that one is a duplicate."""

    def welcomed(self, last_seq: int) -> None:
        """Take down where the server says the producer stands."""

    def refused(self, code: str) -> None:
        """Take down a refusal."""


def take_down(record: Record, stream: str, message: ServerMessage) -> None:
    """Take down what a message of the server means for the producer."""
    match message:
        case Ack():
            record.acknowledged(message.seq, message.duplicate)
        case Welcome():
            resume = message.resume.get(stream)
            record.welcomed(0 if resume is None else resume.last_seq)
        case Error(seq=seq) if seq is not None:
            record.refused(message.code)


class ProducerLedger:
    """The books of one producer; implements `Record`.

    Args:
        name: the producer's.
        now: a clock that never goes back.

    Attributes:
        sent: the highest batch that went out.
        acked: every batch up to here is acknowledged.
        again: transmissions of a batch that had gone out before.
        duplicates: acks that said a batch was in the model already.
        refusals: code -> how often.
        waits_s: from the first transmission of a batch to its ack.
        violations: found so far.
    """

    def __init__(self, name: str, now: Callable[[], float]) -> None:
        self.name = name
        self.sent = 0
        self.acked = 0
        self.again = 0
        self.duplicates = 0
        self.refusals: dict[str, int] = {}
        self.waits_s: list[float] = []
        self.violations: list[Violation] = []
        self._now = now
        self._first_sent: dict[int, float] = {}

    def transmitted(self, seq: int) -> None:
        """See `Record`."""
        if seq <= self.sent:
            self.again += 1
            return
        self.sent = seq
        self._first_sent[seq] = self._now()

    def acknowledged(self, seq: int, duplicate: bool) -> None:
        """See `Record`."""
        self.duplicates += duplicate
        self._covered(seq, "acknowledged")

    def welcomed(self, last_seq: int) -> None:
        """See `Record`."""
        if last_seq < self.acked:
            self._violated(
                "ack taken back",
                f"batch {self.acked} was acknowledged, and after a reconnect the"
                f" server knew {last_seq} only",
            )
        self._covered(last_seq, "known to the server")

    def refused(self, code: str) -> None:
        """See `Record`."""
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def _covered(self, seq: int, how: str) -> None:
        if seq > self.sent:
            self._violated("phantom", f"batch {seq} was {how} and never sent")
        now = self._now()
        for covered in range(self.acked + 1, min(seq, self.sent) + 1):
            self.waits_s.append(now - self._first_sent.pop(covered))
        self.acked = max(self.acked, min(seq, self.sent))

    def _violated(self, kind: str, detail: str) -> None:
        self.violations.append(Violation(kind, f"producer {self.name}: {detail}"))


Told = dict[tuple[str, int], tuple[str, bytes]]
"""(epoch, offset) of a lossless event -> who was told first, and what."""


class ReaderLedger:
    """The books of one reader.

    Args:
        name: the reader's.
        told: of all readers: an event is the same for everyone and in every life.

    Attributes:
        events: received.
        recoveries: times that it came back to everything that it had missed.
        gaps_told: times that it was given the model anew because events were gone.
        violations: found so far.
    """

    def __init__(self, name: str, told: Told) -> None:
        self.name = name
        self.events = 0
        self.recoveries = 0
        self.gaps_told = 0
        self.violations: list[Violation] = []
        self._told = told
        self._epoch: str | None = None
        self._at: dict[DeliveryClass, int] = {}

    def take_down(self, message: ServerMessage) -> None:
        """Take down a message of the server."""
        match message:
            case Subscribed():
                self._subscribed(message)
            case Skip():
                if message.delivery == "lossless":  # it has asked for all of them
                    text = f"lossless {message.from_} to {message.to} were left out"
                    self._violated("silent gap", text)
                self._range(message.delivery, message.from_, message.to)
            case _ if isinstance(message, Event):
                self.events += 1
                self._range(message.delivery, message.first, message.last)
                if message.delivery == "lossless":
                    self._compare(message)

    def _subscribed(self, message: Subscribed) -> None:
        if message.recovered:
            self.recoveries += 1
            self._compare_positions(message.epoch, message.offsets)
        elif self._epoch is not None:
            self.gaps_told += 1
        self._epoch, self._at = message.epoch, dict(message.offsets)

    def _compare_positions(
        self, epoch: str, offsets: Mapping[DeliveryClass, int]
    ) -> None:
        """A subscription that was recovered goes on exactly where it was."""
        if epoch != self._epoch:
            self._violated("silent gap", f"epoch {self._epoch} went on as {epoch}")
        for delivery in ("lossless", "keyed"):
            was, now = self._at.get(delivery, 0), offsets.get(delivery, 0)
            if was != now:
                self._violated("silent gap", f"{delivery} went on at {now}, not {was}")

    def _range(self, delivery: DeliveryClass, first: int, last: int) -> None:
        at = self._at.get(delivery, 0)
        if first > at + 1:
            self._violated("silent gap", f"{delivery} {at} was followed by {first}")
        elif first <= at:
            self._violated("event repeated", f"{delivery} {first} came after {at}")
        self._at[delivery] = last

    def _compare(self, event: Event) -> None:
        """Whoever is told a lossless event, and when, it says the same."""
        said = msgspec.structs.replace(event, times=None)
        content = msgspec.json.encode(said)
        place = (event.epoch, event.last)
        first, known = self._told.setdefault(place, (self.name, content))
        if known != content:
            self._violated(
                "event changed",
                f"lossless {event.last} is not what {first} was told: {content!r}"
                f" instead of {known!r}",
            )

    def _violated(self, kind: str, detail: str) -> None:
        self.violations.append(Violation(kind, f"reader {self.name}: {detail}"))
