"""What a session asks of whoever holds its socket; see `session`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from ncs_protocol import Code
from ncs_protocol.messages import (
    Auth,
    GatewayReport,
    Hello,
    ResultDetail,
    ServerMessage,
    Subscribe,
)

from .entry import Entry

__all__ = [
    "Authenticate",
    "Close",
    "Effect",
    "Follow",
    "Frame",
    "Grant",
    "Greet",
    "Report",
    "Reported",
    "Send",
    "Submit",
    "Suspicious",
    "Ticket",
    "Unfollow",
]


class Frame(NamedTuple):
    """What the session has to remember of a frame of points."""

    id: str | None
    seq: int
    size: int
    points: int


@dataclasses.dataclass(frozen=True, slots=True)
class Ticket:
    """What the session has to remember of a batch in flight."""

    stream: str
    frames: tuple[Frame, ...]
    """One, or several that came together."""
    results: ResultDetail
    size: int
    """Bytes of the frames."""
    points: int

    @property
    def seq(self) -> int:
        """Of the last frame."""
        return self.frames[-1].seq


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """Send a message."""

    message: ServerMessage


@dataclasses.dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with the code."""

    code: Code
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Authenticate:
    """Check a credential, then call `authenticated` or `refused` with `request`."""

    token: str
    request: Hello | Auth


@dataclasses.dataclass(frozen=True, slots=True)
class Greet:
    """Look up where the producer stands, then call `greet`."""

    producer: str | None
    streams: tuple[str, ...]
    label: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Submit:
    """Hand a batch to its stream, then call `applied` or `failed` with `ticket`."""

    stream: str
    entry: Entry
    ticket: Ticket

    def each(self) -> Iterator[Submit]:
        """Yield a batch for every frame."""
        frames, results = self.ticket.frames, self.ticket.results
        ends = itertools.accumulate(frame.points for frame in frames)
        for frame, end in zip(frames, ends, strict=True):
            entry = self.entry.part(end - frame.points, end, frame.seq)
            size, points = frame.size, frame.points
            ticket = Ticket(self.stream, (frame,), results, size, points)
            yield Submit(self.stream, entry, ticket)


@dataclasses.dataclass(frozen=True, slots=True)
class Follow:
    """Begin a subscription; the stream's hub answers it."""

    request: Subscribe


@dataclasses.dataclass(frozen=True, slots=True)
class Unfollow:
    """End a subscription."""

    id: str
    stream: str


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """Let so many bytes more of events be sent."""

    bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """Send the `status` of a stream."""

    id: str
    stream: str


@dataclasses.dataclass(frozen=True, slots=True)
class Reported:
    """Take note of what the producer says of itself."""

    producer: str
    report: GatewayReport


@dataclasses.dataclass(frozen=True, slots=True)
class Suspicious:
    """Log input that looks like a probe."""

    stream: str
    reason: str


Effect = (
    Send
    | Close
    | Authenticate
    | Greet
    | Submit
    | Follow
    | Unfollow
    | Grant
    | Report
    | Reported
    | Suspicious
)
