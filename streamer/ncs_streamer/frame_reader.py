"""The incoming half of a WebSocket (RFC 6455, section 5): bytes in, messages out.

aiohttp's reader needs its request handler, a queue and a task around it for as long as
the connection lives: some ten kilobytes for a reader of events that never says a word.
Here an idle connection keeps a few numbers, and what has arrived is only looked into
when somebody asks for the next message, so that a peer which sends faster than it is
served has bytes waiting and not objects.

What a message says is for whoever decodes it; control frames are answered by `link`.
"""

from __future__ import annotations

import enum
import zlib
from typing import NamedTuple

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform: slower, the same bytes
    from websockets.utils import apply_mask

__all__ = ["FrameError", "FrameReader", "Opcode", "Received", "close_code_of"]

_FIN, _COMPRESSED, _RESERVED, _CONTROL = 0x80, 0x40, 0x30, 0x08
_MASKED = 0x80
_HEAD = 2  # bytes that say how long the rest of the header is
_MOST_CONTROL_BYTES = 125
_SYNC_TAIL = b"\x00\x00\xff\xff"
_END = b"\x01\x00\x00\xff\xff"  # an empty block, the last one
_PROTOCOL_ERROR, _NO_CODE, _BAD_PAYLOAD, _TOO_BIG = 1002, 1005, 1007, 1009
_CODES_OF_THE_STANDARD = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))


class Opcode(enum.IntEnum):
    """What a frame is (RFC 6455, section 11.8)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_OPCODES = frozenset(map(int, Opcode))


class Received(NamedTuple):
    """A whole message, or a control frame."""

    opcode: int
    payload: bytes


class FrameError(Exception):
    """What came is no frame of a client; nothing after it can be read.

    Attributes:
        close_code: to close the connection with (RFC 6455, section 7.4.1).
    """

    def __init__(self, close_code: int, meaning: str) -> None:
        super().__init__(meaning)
        self.close_code = close_code

    @property
    def is_too_big(self) -> bool:
        """Whether it is only larger than the limit."""
        return self.close_code == _TOO_BIG


class FrameReader:
    """See the module.

    Args:
        max_bytes: of a message, as sent and, if it is compressed, as meant.
        inflates: whether permessage-deflate (RFC 7692) was agreed on; without context
            takeover, so nothing is kept between two messages.

    Attributes:
        max_bytes: may be raised.
        waiting_bytes: that have arrived and are not read yet.
    """

    __slots__ = (
        "_at", "_data", "_inflates", "_is_compressed", "_more", "_needed", "_opcode",
        "_partial", "max_bytes", "waiting_bytes",
    )  # fmt: skip

    def __init__(self, max_bytes: int, *, inflates: bool = False) -> None:
        self.waiting_bytes = 0
        self.max_bytes = max_bytes
        self._inflates = inflates
        self._data = b""
        self._at = 0
        self._more: list[bytes] = []  # behind `_data`, joined once there is enough
        self._needed = _HEAD  # bytes, before it is worth looking again
        self._opcode = 0  # of the message that has begun in fragments
        self._is_compressed = False
        self._partial: bytearray | None = None  # of that message

    @property
    def is_inside(self) -> bool:
        """Whether a message or frame has begun and not ended, once `read` is None."""
        return bool(self.waiting_bytes or self._opcode)

    @property
    def is_ready(self) -> bool:
        """Whether there is something to `read`, a fragment perhaps."""
        return self.waiting_bytes >= self._needed

    def feed(self, data: bytes) -> None:
        """Take the bytes that follow."""
        if self.waiting_bytes:
            self._more.append(data)
        else:
            self._data, self._at = data, 0
        self.waiting_bytes += len(data)

    def read(self) -> Received | None:
        """Return the next message or control frame, or None if none is there whole.

        Raises:
            FrameError: if it is not one that a client may send here.
        """
        while self.waiting_bytes >= self._needed:
            found = self._frame()
            if found is not None:
                first, payload = found
                if first & _CONTROL:
                    return Received(first & 0x0F, payload)
                received = self._message(first, payload)
                if received is not None:
                    return received
        return None

    def _frame(self) -> tuple[int, bytes] | None:
        """Return the first byte and the payload of a frame; None if more is needed."""
        if self._more:
            self._data = b"".join((self._data[self._at :], *self._more))
            self._at = 0
            self._more.clear()
        data, at = self._data, self._at
        first, second = data[at], data[at + 1]
        if not second & _MASKED:
            raise FrameError(_PROTOCOL_ERROR, "a client masks its frames")
        length, head = second & 0x7F, 6
        self._check(first, length)
        if length > _MOST_CONTROL_BYTES:
            head = 8 if length == 126 else 14
            if self.waiting_bytes < head:
                self._needed = head
                return None
            length = int.from_bytes(data[at + 2 : at + head - 4], "big")
        begun = 0 if self._partial is None else len(self._partial)
        if begun + length > self.max_bytes and not first & _CONTROL:
            raise FrameError(_TOO_BIG, f"a message has at most {self.max_bytes} bytes")
        end = at + head + length
        if self.waiting_bytes < head + length:
            self._needed = head + length
            return None
        begin = at + head
        payload = apply_mask(data[begin:end], data[begin - 4 : begin])
        self.waiting_bytes -= end - at
        self._needed = _HEAD
        if self.waiting_bytes:
            self._at = end
        else:
            self._data, self._at = b"", 0
        return first, payload

    def _check(self, first: int, length: int) -> None:
        """Refuse a frame by the first two bytes of its header."""
        opcode = first & 0x0F
        if first & _RESERVED or (first & _COMPRESSED and not self._inflates):
            raise FrameError(_PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in _OPCODES:
            raise FrameError(_PROTOCOL_ERROR, f"there is no opcode {opcode}")
        if opcode & _CONTROL:
            if length > _MOST_CONTROL_BYTES or not first & _FIN or first & _COMPRESSED:
                raise FrameError(_PROTOCOL_ERROR, "that is no control frame")
            return
        if bool(self._opcode) is not (opcode == Opcode.CONTINUATION):
            raise FrameError(_PROTOCOL_ERROR, "a fragment is out of place")
        if opcode == Opcode.CONTINUATION and first & _COMPRESSED:
            raise FrameError(_PROTOCOL_ERROR, "a message is compressed as a whole")

    def _message(self, first: int, payload: bytes) -> Received | None:
        """Return the message that a data frame ends, if it ends one."""
        opcode = first & 0x0F
        if not self._opcode:
            self._is_compressed = bool(first & _COMPRESSED)
            if not first & _FIN:
                self._opcode, self._partial = opcode, bytearray(payload)
                return None
        else:
            assert self._partial is not None
            self._partial += payload
            if not first & _FIN:
                return None
            opcode, payload = self._opcode, bytes(self._partial)
            self._opcode, self._partial = 0, None
        if self._is_compressed:
            payload = _inflated(payload, self.max_bytes)
        if opcode == Opcode.TEXT and not payload.isascii():
            _check_text(payload)
        return Received(opcode, payload)


def close_code_of(payload: bytes) -> int:
    """Return the code of a close frame; 1005 if it has none.

    Raises:
        FrameError: if there is no such code, or its reason is no text.
    """
    if not payload:
        return _NO_CODE
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not (code in _CODES_OF_THE_STANDARD or 3000 <= code <= 4999):
        raise FrameError(_PROTOCOL_ERROR, f"there is no close code {code}")
    _check_text(payload[2:])
    return code


def _inflated(payload: bytes, max_bytes: int) -> bytes:
    """Return what is meant by a compressed payload (RFC 7692, section 7.2.2).

    Behind it goes a last block, which is found only if the payload ends with a block
    too. Its own last one may be marked as such (section 7.2.3.4).
    """
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    behind = _SYNC_TAIL + _END
    try:
        data = inflate.decompress(payload + behind, max_bytes + 1)
    except zlib.error as error:
        raise FrameError(_BAD_PAYLOAD, str(error)) from None
    if len(data) > max_bytes:
        raise FrameError(_TOO_BIG, f"a message has at most {max_bytes} bytes")
    if not inflate.eof or inflate.unused_data not in (b"", b"\x00" + behind):
        raise FrameError(_BAD_PAYLOAD, "a compressed message ends within a block")
    return data


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise FrameError(_BAD_PAYLOAD, str(error)) from None
