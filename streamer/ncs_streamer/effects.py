"""What a session asks of whoever holds its socket; see `session`."""

from __future__ import annotations

import dataclasses

from ncs_protocol import Code
from ncs_protocol.messages import (
    Auth,
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
    "Grant",
    "Greet",
    "Report",
    "Send",
    "Submit",
    "Suspicious",
    "Ticket",
    "Unfollow",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Ticket:
    """What the session has to remember of a batch in flight."""

    id: str | None
    stream: str
    seq: int
    size: int
    points: int
    results: ResultDetail


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


@dataclasses.dataclass(frozen=True, slots=True)
class Submit:
    """Hand a batch to its stream, then call `applied` or `failed` with `ticket`."""

    stream: str
    entry: Entry
    ticket: Ticket


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
    | Suspicious
)
