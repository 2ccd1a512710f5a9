"""A batch as it lies in a spool: a `points` message that lacks only its identity.

It is checked and packed once, when it is pushed. Sending it is a matter of putting
`seq` and `id` in front, so a gateway needs neither NumPy nor the memory for a second
copy of the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack

from ncs_protocol import (
    DEFAULT_LIMITS,
    EXT_NDARRAY,
    Code,
    NcsError,
    ScaledArray,
    check_metadata,
    pack,
    pack_rows,
    to_ns,
)

from .errors import refusal
from .points import Rows, as_points, count_of

__all__ = ["frame_of", "payload_of"]

_IDENTITY_BYTES = 64
_MAX_ABS = DEFAULT_LIMITS.max_abs_value


def payload_of(
    points: Any,
    stream: str,
    timestamps: Sequence[float] | None,
    metadata: Mapping[str, Any] | None,
    columns: Sequence[str] | None = None,
) -> bytes:
    """Return what to spool for a batch.

    Args:
        points: see `as_points`; lists are packed as float64.
        stream: name of the stream.
        timestamps: event time per point, epoch seconds or integer nanoseconds.
        metadata: echoed in the events that the batch causes.
        columns: see `as_points`.

    Raises:
        RefusedError: if the server would refuse it whatever its state.
        TypeError: if something in it is not a number, or cannot be encoded.
    """
    rows = as_points(points, columns)
    try:
        fields: dict[str, Any] = {"type": "points", "stream": stream}
        fields["array"] = msgpack.ExtType(EXT_NDARRAY, _packed(rows))
        if timestamps is not None:
            times = [_plain(value) for value in timestamps]
            for value in times:
                to_ns(value)
            if len(times) != count_of(rows):
                raise NcsError(
                    Code.INVALID_TIMESTAMP,
                    f"{len(times)} timestamps for {count_of(rows)} points",
                )
            fields["timestamps"] = times
        if metadata is not None:
            fields["metadata"] = dict(metadata)
            check_metadata(fields["metadata"], DEFAULT_LIMITS)
        payload: bytes = msgpack.packb(fields)
        size = len(payload) + _IDENTITY_BYTES
        if size > DEFAULT_LIMITS.max_frame_bytes:
            raise NcsError(Code.FRAME_TOO_LARGE, f"the batch takes {size} bytes")
    except NcsError as error:
        raise refusal(error.code.wire, error.detail, index=error.index) from None
    return payload


def frame_of(payload: bytes, seq: int, id: str) -> bytes:
    """Return the frame that carries a spooled batch under a number.

    A MessagePack map of up to 15 fields begins with one byte that counts them; the rest
    is the fields, in any order.
    """
    identity = b"".join(msgpack.packb(part) for part in ("seq", seq, "id", id))
    return bytes([payload[0] + 2]) + identity + payload[1:]


def _plain(value: Any) -> int | float:
    """Return a number of NumPy's as one of Python's."""
    plain: int | float = value.item() if hasattr(value, "item") else value
    return plain


def _packed(points: Rows) -> bytes:
    if isinstance(points, list):
        _check_shape(len(points), len(points[0]) if points else 0)
        _check_rows(points)
        return pack_rows(points)
    values = points.values if isinstance(points, ScaledArray) else points
    if values.ndim != 2:
        raise NcsError(Code.BAD_ARRAY, f"points of shape {list(values.shape)}")
    _check_shape(*values.shape)
    if values is not points:  # scaled; the limits hold for what it stands for
        return pack(points)
    inside = (abs(values.astype("f8", copy=False)) <= _MAX_ABS).all(axis=1)
    if not inside.all():
        raise _bad_value(int(inside.argmin()), values[int(inside.argmin())].tolist())
    return pack(values)


def _check_rows(rows: list[list[float]]) -> None:
    for index, row in enumerate(rows):
        if not all(-_MAX_ABS <= value <= _MAX_ABS for value in row):
            raise _bad_value(index, row)


def _bad_value(index: int, row: list[float]) -> NcsError:
    value = next(v for v in row if not -_MAX_ABS <= v <= _MAX_ABS)
    code = Code.OUT_OF_RANGE if math.isfinite(value) else Code.NOT_FINITE
    return NcsError(code, f"Point {index} has {value:g}", index=index)


def _check_shape(count: int, dimension: int) -> None:
    limits = DEFAULT_LIMITS
    if count == 0:
        raise NcsError(Code.NO_POINTS)
    if dimension == 0:
        raise NcsError(Code.EMPTY_POINT, index=0)
    for code, found, limit, index in (
        (Code.TOO_MANY_POINTS, count, limits.max_points, None),
        (Code.TOO_MANY_DIMENSIONS, dimension, limits.max_dimensions, 0),
        (Code.TOO_MANY_ELEMENTS, count * dimension, limits.max_elements, None),
    ):
        if found > limit:
            raise NcsError(code, f"{found}, the limit is {limit}", index=index)
