"""WebSocket frames on a line (RFC 6455, section 5.2), and what is in them."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import msgpack
import orjson

__all__ = ["CLOSE", "Frame", "decode", "encode", "make_frame", "read_frame"]

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8
_LAST = 0x80
_MASKED = 0x80


class Frame(NamedTuple):
    """One frame.

    Attributes:
        opcode: what it is; a fragment that is not the only one has none of a message.
        payload: unmasked.
        raw: the whole frame as it came.
    """

    opcode: int
    payload: bytes
    raw: bytes

    @property
    def is_message(self) -> bool:
        """Whether it is a whole message."""
        return bool(self.raw[0] & _LAST) and self.opcode in (TEXT, BINARY)


async def read_frame(source: asyncio.StreamReader) -> Frame:
    """Read a frame.

    Raises:
        asyncio.IncompleteReadError: if the line ends before.
    """
    head = await source.readexactly(2)
    size, more = head[1] & 0x7F, b""
    if size > 125:
        more = await source.readexactly(2 if size == 126 else 8)
        size = int.from_bytes(more, "big")
    key = await source.readexactly(4) if head[1] & _MASKED else b""
    payload = await source.readexactly(size)
    return Frame(head[0] & 0x0F, _mask(payload, key), head + more + key + payload)


def make_frame(opcode: int, payload: bytes) -> bytes:
    """Return a frame of a server, which are not masked."""
    if len(payload) < 126:
        size = bytes([len(payload)])
    elif len(payload) < 1 << 16:
        size = b"\x7e" + len(payload).to_bytes(2, "big")
    else:
        size = b"\x7f" + len(payload).to_bytes(8, "big")
    return bytes([_LAST | opcode]) + size + payload


def decode(frame: Frame) -> dict[str, Any]:
    """Return the message in a frame, whatever it says."""
    if frame.opcode == TEXT:
        return dict(orjson.loads(frame.payload))
    return dict(msgpack.unpackb(frame.payload, strict_map_key=False))


def encode(message: dict[str, Any], *, binary: bool) -> bytes:
    """Return the frame of a server's message."""
    if binary:
        return make_frame(BINARY, msgpack.packb(message))
    return make_frame(TEXT, orjson.dumps(message))


def _mask(payload: bytes, key: bytes) -> bytes:
    if not key:
        return payload
    pad = (key * (len(payload) // 4 + 1))[: len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return mixed.to_bytes(len(payload), "big")
