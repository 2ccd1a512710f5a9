"""A stream, and all of them, as whoever serves a client sees them.

Whether a stream is on this node or on another makes no difference here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ncs_protocol.messages import AlgorithmStatus, Position, ResultDetail, Sample

from .entry import Entry
from .hub import Hub, Sight
from .store.contracts import StreamKey
from .stream import Done

__all__ = ["ServedStream"]


class ServedStream(Protocol):
    """See `Stream` for each of these. All belong to the event loop's thread."""

    key: StreamKey

    @property
    def hub(self) -> Hub:
        """Who reads on this node; the same as long as somebody does."""

    def submit(
        self, entry: Entry, size: int, done: Done, detail: ResultDetail = "full"
    ) -> None:
        """See `Stream.submit`."""

    def look(
        self, since: Position | None, deliver: Callable[[Sight | Exception], None]
    ) -> None:
        """See `Stream.look`."""

    def status(self, deliver: Callable[[AlgorithmStatus | Exception], None]) -> None:
        """See `Stream.status`."""

    def sample(self, options: Sample) -> None:
        """See `Stream.sample`."""

    def unsample(self, options: Sample) -> None:
        """See `Stream.unsample`."""
