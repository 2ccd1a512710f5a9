"""The engine's snapshot format: a versioned, checksummed container without code in it.

Layout: magic `NCSE`, uint32 format version, uint32 CRC-32 of the rest (begun with the
length), uint32 length of the head, the head as JSON (state and, per array, name, dtype,
shape), the arrays' bytes in the head's order, little-endian, C order.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMAT_VERSION", "decode_snapshot", "encode_snapshot"]

FORMAT_VERSION = 2
"""What is written: 2 has scores' background, novelty and the pace of density steps."""

_READABLE = (1, 2)
_MAGIC = b"NCSE"
_HEAD = struct.Struct("<4sIII")


def encode_snapshot(state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return the container of JSON-able `state` and `arrays`."""
    index, parts = [], []
    for name, array in arrays.items():
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        index.append([name, array.dtype.str, list(array.shape)])
        parts.append(array.tobytes())
    head = json.dumps({"state": state, "arrays": index}, allow_nan=False).encode()
    body = head + b"".join(parts)
    crc = _checksum(len(head), body)
    return _HEAD.pack(_MAGIC, FORMAT_VERSION, crc, len(head)) + body


def decode_snapshot(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return (state, arrays); the arrays are read-only views of `data`.

    Raises:
        ValueError: if `data` is not a whole snapshot of a known format version.
    """
    if len(data) < _HEAD.size:
        raise ValueError("not an engine snapshot: too short")
    magic, version, crc, head_length = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("not an engine snapshot")
    if version not in _READABLE:
        raise ValueError(
            f"engine snapshot of format {version}, this engine reads up to"
            f" {FORMAT_VERSION}"
        )
    if _checksum(head_length, memoryview(data)[_HEAD.size :]) != crc:
        raise ValueError("engine snapshot is damaged: checksum differs")
    at = _HEAD.size + head_length
    head = json.loads(data[_HEAD.size : at])
    arrays = {}
    for name, dtype, shape in head["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += arrays[name].nbytes
    return head["state"], arrays


def _checksum(head_length: int, body: bytes | memoryview) -> int:
    return zlib.crc32(body, head_length)
