"""Packed arrays: the body of MessagePack ext type 0x10, and the same bytes in JSON.

A payload is a 4-byte head (dtype, number of dimensions, flags, zero), the shape as
little-endian uint32, for scaled integers two float64 (scale, offset), zero padding to a
multiple of 8, then the values in C order, little-endian. The padding lets a decoder use
the values where they lie: `unpack` makes a view, not a copy.
"""

from __future__ import annotations

import array
import functools
import math
import struct
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .codes import Code
from .errors import NcsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EXT_NDARRAY", "ScaledArray", "pack", "pack_rows", "unpack"]

EXT_NDARRAY = 0x10
_ALIGNMENT = 8
_MAX_NDIM = 4
_SCALED = 0x01

_FLOAT64 = 2
_NAMES = {1: "<f4", _FLOAT64: "<f8", 3: "<f2", 4: "<i2", 5: "i1", 6: "u1", 7: "<i4"}
_SCALABLE = frozenset((4, 5, 6))


class ScaledArray:
    """Integers that stand for ``offset + scale * values``; for thin links.

    Args:
        values: int16, int8 or uint8, any shape.
        scale: finite and not zero.
        offset: finite.
    """

    __slots__ = ("offset", "scale", "values")

    def __init__(self, values: NDArray[Any], scale: float, offset: float = 0.0) -> None:
        self.values = values
        self.scale = scale
        self.offset = offset


@functools.cache
def _dtypes() -> dict[int, np.dtype[Any]]:
    import numpy as np

    return {code: np.dtype(name) for code, name in _NAMES.items()}


@functools.cache
def _codes() -> dict[np.dtype[Any], int]:
    return {dtype: code for code, dtype in _dtypes().items()}


def pack_rows(rows: Sequence[Sequence[float]]) -> bytes:
    """Return the payload for lists of numbers, as float64; needs no NumPy.

    Args:
        rows: n of the same length d, n and d at least 1.

    Raises:
        NcsError: ``ragged_points``, with the index of the first row that differs.
    """
    values = array.array("d")
    dimension = len(rows[0])
    for index, row in enumerate(rows):
        if len(row) != dimension:
            raise NcsError(
                Code.RAGGED_POINTS,
                f"Point {index} has {len(row)} dimensions, expected {dimension}",
                index=index,
            )
        values.extend(row)
    if sys.byteorder == "big":
        values.byteswap()
    head = struct.pack("<BBBx2Ixxxx", _FLOAT64, 2, 0, len(rows), dimension)
    return head + values.tobytes()


def pack(block: NDArray[Any] | ScaledArray) -> bytes:
    """Return the payload for an array.

    Args:
        block: float32, float64, float16, int32, int16, int8 or uint8, 1 to 4
            dimensions; or a `ScaledArray`.

    Raises:
        NcsError: ``bad_array`` for another dtype or number of dimensions.
    """
    import numpy as np

    scaling: tuple[float, float] | None = None
    if isinstance(block, ScaledArray):
        scaling = (block.scale, block.offset)
        block = block.values
    dtype = block.dtype.newbyteorder("<")
    code = _codes().get(dtype)
    fits = code is not None and 1 <= block.ndim <= _MAX_NDIM
    if not fits or (scaling and code not in _SCALABLE):
        raise NcsError(
            Code.BAD_ARRAY,
            f"cannot pack {block.ndim} dimensions of {block.dtype}"
            + (" with a scale" if scaling else ""),
        )
    head = struct.pack(
        f"<BBBx{block.ndim}I", code, block.ndim, _SCALED if scaling else 0, *block.shape
    )
    if scaling:
        head += struct.pack("<dd", *scaling)
    head += bytes(-len(head) % _ALIGNMENT)
    return head + np.ascontiguousarray(block, dtype).tobytes()


def unpack(payload: bytes) -> NDArray[Any]:
    """Return the array in `payload`.

    Plain arrays are read-only views of `payload`. Scaled integers become a new float32
    array of the values they stand for.

    Raises:
        NcsError: ``bad_array``, saying which part does not fit.
    """
    import numpy as np

    if len(payload) < 4:
        raise _bad(f"{len(payload)} bytes are too short for a head")
    code, ndim, flags, reserved = payload[:4]
    dtype = _dtypes().get(code)
    if dtype is None:
        raise _bad(f"unknown dtype {code}")
    if not 1 <= ndim <= _MAX_NDIM:
        raise _bad(f"{ndim} dimensions, expected 1 to {_MAX_NDIM}")
    if reserved or flags & ~_SCALED or (flags and code not in _SCALABLE):
        raise _bad(f"unknown flags {flags:#x} for {dtype.name}")
    at = 4 + 4 * ndim
    data_at = at + (16 if flags else 0)
    data_at += -data_at % _ALIGNMENT
    if len(payload) < data_at:
        raise _bad("cut off within the head")
    shape = struct.unpack_from(f"<{ndim}I", payload, 4)
    expected = math.prod(shape) * dtype.itemsize
    if len(payload) - data_at != expected:
        raise _bad(
            f"{len(payload) - data_at} bytes of data, shape {list(shape)} of"
            f" {dtype.name} takes {expected}"
        )
    try:
        view = np.frombuffer(payload, dtype, offset=data_at).reshape(shape)
    except ValueError:  # no element, and yet other dimensions that numpy cannot hold
        raise _bad(f"shape {list(shape)} is too large") from None
    if not flags:
        return view
    scale, offset = struct.unpack_from("<dd", payload, at)
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0.0:
        raise _bad(f"scale {scale} and offset {offset} are not usable")
    with np.errstate(over="ignore"):
        values: NDArray[Any] = (view * scale + offset).astype(np.float32)
    return values


def _bad(why: str) -> NcsError:
    return NcsError(Code.BAD_ARRAY, f"packed array: {why}")
