"""Timestamps on the wire: epoch seconds or epoch nanoseconds, told apart by size.

MessagePack clients may also send the timestamp extension (type -1), which the codec
turns into integer nanoseconds. Inside the server a time is always integer nanoseconds.
"""

from __future__ import annotations

from .codes import Code
from .errors import NcsError

__all__ = ["to_ns"]

_SECONDS_BELOW = 9.2e9  # year 2261; its nanoseconds still fit in 64 bits
_NS_FROM = 10**15  # 11.6 days after the epoch in nanoseconds
_NS_BELOW = 2**63


def to_ns(value: float) -> int:
    """Return epoch nanoseconds for a wire timestamp.

    Args:
        value: epoch seconds (int or float, below 9.2e9 in absolute value) or epoch
            nanoseconds (int from 1e15).

    Raises:
        NcsError: ``invalid_timestamp`` for anything between or beyond.
    """
    if abs(value) < _SECONDS_BELOW:
        return round(value * 1_000_000_000)
    if isinstance(value, int) and _NS_FROM <= value < _NS_BELOW:
        return value
    raise NcsError(
        Code.INVALID_TIMESTAMP,
        f"{value!r:.40} is neither epoch seconds (below 9.2e9) nor integer epoch"
        " nanoseconds (from 1e15)",
    )
