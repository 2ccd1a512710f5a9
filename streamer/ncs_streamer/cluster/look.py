"""A look at the model of a stream on another node: the question, and its answer.

The answer says up to which published event it goes, so that what is published after it
follows it without a gap.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ncs_protocol import MSGPACK
from ncs_protocol.messages import (
    AlgorithmStatus,
    ClusterInfo,
    Event,
    Position,
    Sample,
)

from ..encoded import Encoded
from ..hub import Sight
from ..stream_model import StreamView
from .wire import LinkError

__all__ = ["Look", "Seen", "event_of", "sight_of"]


class Look(msgspec.Struct, array_like=True):
    """The question: how the model is, and what was missed after these positions."""

    since: list[Position | None]
    subscribers: int
    """At the one that asks; it listens from then on."""
    samples: list[Sample]


class Missed(msgspec.Struct, array_like=True):
    """What came after a position."""

    lossless: list[bytes]
    keyed: list[bytes]


class Seen(msgspec.Struct, array_like=True):
    """The answer."""

    source: str
    count: int
    """Number of the last event that was published before it."""
    epoch: str
    offset: int
    lossless: int
    keyed: int
    dimension: int | None
    clusters: list[ClusterInfo]
    status: AlgorithmStatus
    missed: list[Missed | None]
    """For each position; None where it cannot be told."""

    @property
    def view(self) -> StreamView:
        """The model, as a hub wants it."""
        statistics: dict[str, Any] = {"dimension": self.dimension}
        return StreamView(
            self.offset, self.lossless, self.keyed, self.clusters, statistics
        )


def event_of(payload: bytes) -> Event:
    """Return an event that was published.

    Raises:
        LinkError: it is none.
    """
    message = MSGPACK.decode_server(payload)
    if not isinstance(message, Event):
        raise LinkError(f"no event: {type(message).__name__}")
    return message


def sight_of(seen: Seen, missed: Missed | None) -> Sight:
    """Return what a reader has to know that was at a position."""
    if missed is None:
        return Sight(seen.view, seen.status, is_gapless=False)
    keyed = [event_of(payload) for payload in missed.keyed]
    lossless = [Encoded(event_of(payload)) for payload in missed.lossless]
    return Sight(seen.view, seen.status, keyed, lossless)
