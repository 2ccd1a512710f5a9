"""Checking what came with a batch; the same for a WebSocket frame and an HTTP body."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ncs_protocol import (
    Block,
    Code,
    Limits,
    NcsError,
    as_block,
    check_metadata,
    check_name,
    suspicion,
    to_ns,
)

__all__ = ["Intake", "take_in"]


@dataclasses.dataclass(frozen=True, slots=True)
class Intake:
    """A batch that is within all limits."""

    block: Block
    timestamps: list[int] | None
    """Event time per point, epoch nanoseconds."""
    suspicion: str
    """Why it looks like a probe; empty if it does not."""


def take_in(
    *,
    stream: str,
    points: list[list[float]] | None,
    array: Any,
    timestamps: Sequence[float] | None,
    metadata: dict[str, Any] | None,
    limits: Limits,
    strict: bool,
) -> Intake:
    """Return the checked batch.

    Args:
        stream: name of its stream.
        points: lists; or `array`, a packed array.
        array: see `points`.
        timestamps: event time per point.
        metadata: of the batch.
        limits: to hold.
        strict: whether to refuse what looks like a probe.

    Raises:
        NcsError: for the first rule that is broken.
    """
    check_name("stream", stream)
    if points is None and array is None:
        raise NcsError(Code.INVALID_MESSAGE, "Object missing required field `points`")
    if points is not None and array is not None:
        raise NcsError(Code.INVALID_MESSAGE, "`points` or `array`, not both")
    block = as_block(array if points is None else points, limits)
    if metadata is not None:
        check_metadata(metadata, limits)
    if timestamps is not None and len(timestamps) != len(block):
        raise NcsError(
            Code.INVALID_TIMESTAMP,
            f"{len(timestamps)} timestamps for {len(block)} points",
        )
    times = None if timestamps is None else [to_ns(time) for time in timestamps]
    found = suspicion(block)
    if found is not None and strict:
        index, reason = found
        raise NcsError(Code.SUSPICIOUS_POINT, f"Point {index}: {reason}", index=index)
    return Intake(block, times, f"point {found[0]}: {found[1]}" if found else "")
