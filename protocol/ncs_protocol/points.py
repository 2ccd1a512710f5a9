"""From the points of a frame to one checked block of floats.

Lists become float64, because that is what the sender wrote; packed float32 stays
float32 and is not copied. What leaves here is finite, in range, rectangular and within
the limits, so nothing behind it checks again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import Code
from .errors import NcsError
from .limits import DEFAULT_LIMITS, Limits

__all__ = ["Block", "as_block", "suspicion"]

Block = NDArray[np.float32] | NDArray[np.float64]
"""float32 or float64, shape (n, d), C-contiguous; n and d at least 1, all finite."""

_SUSPICIOUS_ABOVE_DIMENSIONS = 100
_SPARSE_SHARE = 0.95


def as_block(
    points: list[list[float]] | NDArray[Any], limits: Limits = DEFAULT_LIMITS
) -> Block:
    """Return `points` as a checked block.

    Args:
        points: n lists of d numbers, or an array of shape (n, d) of any float or
            integer dtype. float32 and float64 arrays are not copied.
        limits: the upper bounds to hold.

    Raises:
        NcsError: with the code of the first rule that is broken, and the index of the
            first point that breaks it.
    """
    block = _from_array(points) if isinstance(points, np.ndarray) else None
    count = len(points)
    if count == 0:
        raise NcsError(Code.NO_POINTS, "points must hold at least 1 point")
    if count > limits.max_points:
        raise NcsError(
            Code.TOO_MANY_POINTS,
            f"{count} points in one batch, the limit is {limits.max_points}",
        )
    dimension = len(points[0])
    _check_dimension(dimension, count, limits)
    if not isinstance(points, np.ndarray):
        block = _from_lists(points, dimension, limits)
    assert block is not None
    _check_values(block, limits)
    return block


def suspicion(block: Block) -> tuple[int, str] | None:
    """Return (index, reason) of the first point that looks like a probe, or None.

    Only points of more than 100 dimensions can look suspicious: there, all coordinates
    equal, or more than 95 % of them zero.
    """
    dimension = block.shape[1]
    if dimension <= _SUSPICIOUS_ABOVE_DIMENSIONS:
        return None
    uniform = (block == block[:, :1]).all(axis=1)
    sparse = (block == 0).sum(axis=1) > _SPARSE_SHARE * dimension
    hits = np.flatnonzero(uniform | sparse)
    if not hits.size:
        return None
    index = int(hits[0])
    return index, "all coordinates equal" if uniform[index] else "more than 95 % zeros"


def _check_dimension(dimension: int, count: int, limits: Limits) -> None:
    if dimension == 0:
        raise NcsError(
            Code.EMPTY_POINT, "Point must contain at least 1 dimension", index=0
        )
    if dimension > limits.max_dimensions:
        raise NcsError(
            Code.TOO_MANY_DIMENSIONS,
            f"Point 0 has {dimension} dimensions, the limit is {limits.max_dimensions}",
            index=0,
        )
    if count * dimension > limits.max_elements:
        raise NcsError(
            Code.TOO_MANY_ELEMENTS,
            f"{count} points of {dimension} dimensions are {count * dimension}"
            f" elements, the limit is {limits.max_elements}",
        )


def _from_array(points: NDArray[Any]) -> Block:
    if points.ndim != 2:
        raise NcsError(
            Code.BAD_ARRAY,
            f"points must be 2-dimensional (n, d), got shape {list(points.shape)}",
        )
    if points.dtype not in (np.float32, np.float64):
        if points.dtype.kind not in "fiu":
            raise NcsError(Code.BAD_ARRAY, f"points of dtype {points.dtype}")
        wide = points.dtype.itemsize > 4 or points.dtype.kind in "iu"
        with np.errstate(over="ignore"):
            points = points.astype(np.float64 if wide else np.float32)
    return np.ascontiguousarray(points)


def _from_lists(points: list[list[float]], dimension: int, limits: Limits) -> Block:
    for index, point in enumerate(points):
        if len(point) != dimension:
            if not point:
                raise NcsError(
                    Code.EMPTY_POINT,
                    "Point must contain at least 1 dimension",
                    index=index,
                )
            raise NcsError(
                Code.RAGGED_POINTS,
                f"Point {index} has {len(point)} dimensions, expected {dimension}",
                index=index,
            )
    try:
        return np.array(points, dtype=np.float64)
    except OverflowError:  # an int that no float reaches
        raise next(
            _out_of_range(index, axis, f"{value!s:.24}", limits)
            for index, point in enumerate(points)
            for axis, value in enumerate(point)
            if abs(value) > limits.max_abs_value
        ) from None


def _check_values(block: Block, limits: Limits) -> None:
    # One pass for the usual case: a comparison with NaN is false as well.
    if (np.abs(block) <= limits.max_abs_value).all():
        return
    bad = ~(np.abs(block) <= limits.max_abs_value)
    index, axis = (int(i) for i in np.argwhere(bad)[0])
    value = float(block[index, axis])
    if not np.isfinite(value):
        raise NcsError(
            Code.NOT_FINITE,
            f"Point {index} has {value} at coordinate {axis}; it must be finite",
            index=index,
        )
    raise _out_of_range(index, axis, f"{value:g}", limits)


def _out_of_range(index: int, axis: int, shown: str, limits: Limits) -> NcsError:
    return NcsError(
        Code.OUT_OF_RANGE,
        f"Point {index} has {shown} at coordinate {axis}; the limit is"
        f" {limits.max_abs_value:g} in absolute value",
        index=index,
    )
