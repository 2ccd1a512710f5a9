"""Server-sent events (WHATWG HTML, section 9.2): messages as text over HTTP.

The data of an event is the very JSON that a WebSocket would carry, so one encoding
serves both. The id of an event says where its reader stands in all delivery classes; it
comes back as `Last-Event-ID`, and is a position like that of `subscribe`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from ncs_protocol import JSON, Code, Codec, NcsError
from ncs_protocol.messages import DELIVERY_CLASSES, DeliveryClass, Position

from .wire import Frame

__all__ = ["SseWire", "decode_position", "encode_position"]

_POSITION = re.compile(r"([\w-]{1,64})((?::\d{1,19}){1,8})", re.ASCII)
_MOST = 2**63 - 1


def encode_position(epoch: str, told: Mapping[DeliveryClass, int]) -> str:
    """Return the id of an event: the epoch, and the offset of each class in order."""
    return ":".join([epoch, *[str(told.get(c, 0)) for c in DELIVERY_CLASSES]])


def decode_position(id: str) -> Position:
    """Return the position that an id stands for.

    Raises:
        NcsError: ``invalid_message`` if it is not an id of ours.
    """
    found = _POSITION.fullmatch(id)
    offsets = [int(n) for n in found[2][1:].split(":")] if found else []
    if found is None or max(offsets) > _MOST:
        raise NcsError(
            Code.INVALID_MESSAGE,
            f"Last-Event-ID {id!r:.80} is not the id of an event of this server",
            field="header.Last-Event-ID",
        )
    # An id that is older than a class has no offset of it.
    classes = DELIVERY_CLASSES[: len(offsets)]
    return Position(epoch=found[1], offsets=dict(zip(classes, offsets, strict=False)))


@dataclasses.dataclass(frozen=True, slots=True)
class SseWire:
    """Each message is an event; see `Wire`.

    Args:
        epoch: of the stream, for the ids.
        chunked: whether the body is in chunks (RFC 9112, section 7.1); HTTP/1.0 has
            none.
    """

    epoch: str
    chunked: bool
    codec: Codec = JSON

    def frame(
        self,
        payload: bytes,
        told: Mapping[DeliveryClass, int] | None = None,
        retry_ms: int | None = None,
    ) -> Frame:
        """See `Wire.frame`.

        Args:
            payload: JSON, which has no line breaks.
            told: without it, the event leaves the reader where it stands.
            retry_ms: how long the reader shall wait before it comes back.
        """
        lines = b"data: %b\n" % payload
        if told is not None:
            lines = f"id: {encode_position(self.epoch, told)}\n".encode() + lines
        if retry_ms is not None:
            lines = b"retry: %d\n%b" % (retry_ms, lines)
        return Frame(self.lines(lines), len(payload))

    def lines(self, lines: bytes) -> bytes:
        """Return the bytes of an event, or of anything else, that has these lines."""
        if self.chunked:
            return b"%x\r\n%b\n\r\n" % (len(lines) + 1, lines)
        return lines + b"\n"
