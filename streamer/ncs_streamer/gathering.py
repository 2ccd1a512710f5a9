"""Frames that came together, to be taken as one batch.

A producer that sends point by point, faster than one can be journaled and learned for
itself, has many frames in the socket's buffer at any time. What is there already is
joined; nothing ever waits for a frame that is still to come. Nothing is decided here:
whether what was joined is good is for the session, see `Session.receive_points`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray

from ncs_protocol import Limits
from ncs_protocol.messages import Points

__all__ = ["Arrived", "Gathering", "count_of", "join"]

_MAX_POINTS = 1024
_MAX_BYTES = 64 * 1024  # what is larger gains nothing by being copied together


class Arrived(NamedTuple):
    """A frame of points."""

    message: Points
    size: int
    """Bytes of the frame."""


class Gathering:
    """Frames that can be one batch: of one stream, in order, asking nothing special.

    Args:
        limits: that a batch has to hold.

    Attributes:
        size: bytes of the frames.
    """

    def __init__(self, limits: Limits) -> None:
        self.size = 0
        self._frames: list[Arrived] = []
        self._points = 0
        self._is_closed = False  # to more: the first has to be looked at by itself
        self._max_points = min(_MAX_POINTS, limits.max_points)

    def __bool__(self) -> bool:
        return bool(self._frames)

    @property
    def is_full(self) -> bool:
        """Whether as much again would be too much."""
        return 2 * self.size > _MAX_BYTES or 2 * self._points > self._max_points

    def add(self, arrived: Arrived) -> bool:
        """Take a frame; return False if it cannot join those that are there."""
        count = _count(arrived.message)
        if self._frames and not (
            count
            and not self._is_closed
            and self._points + count <= self._max_points
            and self.size + arrived.size <= _MAX_BYTES
            and _follows(arrived.message, self._frames[-1].message)
        ):
            return False
        self._frames.append(arrived)
        self._points += count
        self.size += arrived.size
        self._is_closed = not count
        return True

    def take(self) -> list[Arrived]:
        """Return and forget the frames."""
        frames, self._frames = self._frames, []
        self.size = self._points = 0
        return frames


def join(frames: Sequence[Arrived]) -> Points:
    """Return the frames of a `Gathering` as one, under the last one's number."""
    messages = [frame.message for frame in frames]
    last = messages[-1]
    joined = Points(seq=last.seq, stream=last.stream, metadata=last.metadata)
    if last.array is None:
        joined.points = [point for one in messages for point in one.points or ()]
    else:
        joined.array = np.concatenate([one.array for one in messages])
    if last.timestamps is not None:
        joined.timestamps = [t for one in messages for t in one.timestamps or ()]
    return joined


def count_of(message: Points) -> int:
    """Return how many points a good frame has."""
    return len(message.points or () if message.array is None else message.array)


def _count(message: Points) -> int:
    """Return how many points a frame has, or 0 if it has to be looked at by itself."""
    points, array, times = message.points, message.array, message.timestamps
    if (points is None) == (array is None) or (array is not None and array.ndim != 2):
        return 0
    if message.results != "none" or message.event_time is not None:
        return 0
    count = count_of(message)
    return 0 if times is not None and len(times) != count else count


def _follows(message: Points, before: Points) -> bool:
    return (
        message.seq == before.seq + 1
        and message.stream == before.stream
        and (message.timestamps is None) == (before.timestamps is None)
        and _is_alike(message.array, before.array)
        and _is_same(message.metadata, before.metadata)
    )


def _is_same(one: Any, other: Any) -> bool:
    """Compare by what is written: True and 1 are equal, and not the same to read."""
    if one is None or other is None:
        return one is other
    try:
        return bool(msgpack.packb(one) == msgpack.packb(other))
    except (ValueError, TypeError, OverflowError):
        return False  # it is nested too deep, or no plain data; nothing was checked yet


def _is_alike(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and one.shape[1] == other.shape[1]
