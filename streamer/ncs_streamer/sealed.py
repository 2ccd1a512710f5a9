"""Stored bytes that tell their format and notice damage.

Layout: format version (1 byte), CRC-32 of the body (4 bytes, big-endian), body. From
version 3 on the checksum begins with the version, so that one that has changed into
another readable one is noticed too. Entries and snapshots count their versions apart
(see `docs/operations.md`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection

__all__ = ["DamagedError", "checksum_of", "seal", "unseal"]

_HEAD = struct.Struct(">BI")
_COVERED_FROM = 3


class DamagedError(ValueError):
    """Stored bytes are not what was written."""


def seal(version: int, body: bytes) -> bytes:
    """Return `body` behind its head."""
    return _HEAD.pack(version, _checksum(version, body)) + body


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
    if _checksum(found, body) != crc:
        raise DamagedError("checksum differs")
    return body


def checksum_of(payload: bytes) -> str:
    """Return the CRC-32 that sealed bytes carry, in hexadecimal digits."""
    return payload[1 : _HEAD.size].hex()


def _checksum(version: int, body: bytes) -> int:
    return zlib.crc32(body, version if version >= _COVERED_FROM else 0)
