"""Whether a peer is in the middle of a WebSocket message (RFC 6455, section 5.2).

Only lengths and the FIN bit are read: what is in the frames, and whether they are
legal, is for whoever decodes them. Control frames may come between the fragments of a
message, and end none.
"""

from __future__ import annotations

__all__ = ["Framing"]

_FIN, _MASK, _CONTROL = 0x80, 0x80, 0x08
_EXTRA = {126: 2, 127: 8}
_MASK_BYTES = 4
_USUAL_HEAD = 2 + _MASK_BYTES


class Framing:
    """Follows the frames of one direction of one connection.

    Attributes:
        is_inside: whether a message, or a control frame, has begun and not ended.
    """

    __slots__ = ("_head", "_in_message", "_rest", "is_inside")

    def __init__(self) -> None:
        self.is_inside = False
        self._head = b""  # of a frame whose header has not arrived whole
        self._rest = 0  # bytes of the present frame's payload still to come
        self._in_message = False

    def feed(self, data: bytes) -> bool:
        """Take the bytes that follow, and return whether anything ended in them."""
        # The usual chunk is one masked frame of less than 64 KiB.
        if not self.is_inside and len(data) > _USUAL_HEAD and data[0] & _FIN:
            length = data[1] ^ _MASK
            if length == 126:
                length = 2 + (data[2] << 8 | data[3])
            if len(data) == 2 + length + _MASK_BYTES and data[1] != _MASK | 127:
                return True
        return self._follow(data)

    def _follow(self, data: bytes) -> bool:
        position, ended = 0, False
        if self._rest:
            position = min(self._rest, len(data))
            self._rest -= position
            ended = not self._rest and not self._in_message
        elif self._head:
            position, data = 0, self._head + data
            self._head = b""
        while position < len(data):
            size = _header_size(data, position)
            if size is None or position + size > len(data):
                self._head = data[position:]
                break
            length = _payload_length(data, position)
            first = data[position]
            if not first & _CONTROL:
                self._in_message = not first & _FIN
            position += size
            self._rest = max(0, position + length - len(data))
            position += length
            ended = ended or (not self._rest and not self._in_message)
        self.is_inside = bool(self._rest or self._head or self._in_message)
        return ended


def _header_size(data: bytes, at: int) -> int | None:
    """Return the size of the header at `at`, None if too little of it is there."""
    if len(data) < at + 2:
        return None
    second = data[at + 1]
    size = 2 + _EXTRA.get(second & 0x7F, 0)
    return size + _MASK_BYTES if second & _MASK else size


def _payload_length(data: bytes, at: int) -> int:
    short = data[at + 1] & 0x7F
    if short not in _EXTRA:
        return short
    return int.from_bytes(data[at + 2 : at + 2 + _EXTRA[short]], "big")
