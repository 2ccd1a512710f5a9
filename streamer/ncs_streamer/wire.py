"""How what is told becomes bytes on a connection.

A server's WebSocket frames are not masked (RFC 6455, section 5.1), so the bytes of a
frame are the same for every reader: made once, they are written to all of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ncs_protocol import Codec
from ncs_protocol.messages import DeliveryClass

__all__ = ["Frame", "WebSocketWire", "Wire", "control_frame"]

_FINAL, _COMPRESSED = 0x80, 0x40
_TEXT, _BINARY = 1, 2
_SYNC_TAIL = b"\x00\x00\xff\xff"


class Frame(NamedTuple):
    """An encoded message as it goes out."""

    data: bytes
    size: int
    """Bytes of the message alone: what its reader sees, and credit counts."""


class Wire(Protocol):
    """Turns encoded messages into bytes that a reader tells apart. Stateless.

    Equal wires are one object, or compare equal: it is part of what an audience has in
    common.
    """

    @property
    def codec(self) -> Codec:
        """What payloads are made by."""

    def frame(
        self, payload: bytes, told: Mapping[DeliveryClass, int] | None = None
    ) -> Frame:
        """Return the frame of an encoded message.

        Args:
            payload: made by `codec`.
            told: the last offsets that the reader has with this message, if it is one
                of a subscription.
        """


class WebSocketWire:
    """Each message is a WebSocket message of one frame."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._first = _FINAL | (_BINARY if codec.binary else _TEXT)

    def frame(
        self, payload: bytes, told: Mapping[DeliveryClass, int] | None = None
    ) -> Frame:
        """See `Wire.frame`."""
        size = len(payload)
        return Frame(_header(self._first, size) + payload, size)

    def compressed_frame(self, payload: bytes, window_bits: int) -> Frame:
        """Return a frame of a connection that negotiated permessage-deflate (RFC 7692).

        Each such message starts from an empty window, which a peer can always read;
        messages that are not compressed may come between them (section 6).
        """
        deflate = zlib.compressobj(level=1, wbits=-window_bits)
        packed = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
        packed = packed.removesuffix(_SYNC_TAIL)
        header = _header(self._first | _COMPRESSED, len(packed))
        return Frame(header + packed, len(payload))


def control_frame(opcode: int, payload: bytes) -> bytes:
    """Return a control frame; `payload` has at most 125 bytes."""
    return _header(_FINAL | opcode, len(payload)) + payload


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 1 << 16:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")
