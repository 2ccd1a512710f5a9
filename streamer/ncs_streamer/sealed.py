"""Stored bytes that tell their format and notice damage.

Layout: format version (1 byte), CRC-32 of the body (4 bytes, big-endian), body. Entries
and snapshots count their versions apart (see `docs/operations.md`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection

__all__ = ["DamagedError", "seal", "unseal"]

_HEAD = struct.Struct(">BI")


class DamagedError(ValueError):
    """Stored bytes are not what was written."""


def seal(version: int, body: bytes) -> bytes:
    """Return `body` behind its head."""
    return _HEAD.pack(version, zlib.crc32(body)) + body


def unseal(payload: bytes, readable: Collection[int]) -> bytes:
    """Return the body that `seal` was given, with one of the versions `readable`.

    Raises:
        DamagedError: if the bytes are of another format, or changed.
    """
    if len(payload) < _HEAD.size:
        raise DamagedError("too short")
    found, crc = _HEAD.unpack_from(payload)
    if found not in readable:
        known = ", ".join(map(str, readable))
        raise DamagedError(f"format {found}, this version reads {known}")
    body = payload[_HEAD.size :]
    if zlib.crc32(body) != crc:
        raise DamagedError("checksum differs")
    return body
