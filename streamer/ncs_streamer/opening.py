"""The opening handshake of a WebSocket (RFC 6455, section 4.2): headers in, bytes out.

Of permessage-deflate (RFC 7692) only the form is agreed on in which every message
stands for itself: what a connection would have to remember between two messages is
more than all the rest of it.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import zlib
from collections.abc import Iterator, Mapping

from ncs_protocol import Code, NcsError

__all__ = ["Opening", "open_websocket"]

_VERSION = "13"
_KEY_BYTES = 16
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_DEFLATE = "permessage-deflate"
_LEAST_BITS = 9  # zlib makes no raw stream with a window of 8 bits
_FLAGS = frozenset(("server_no_context_takeover", "client_no_context_takeover"))
_BITS = frozenset(("server_max_window_bits", "client_max_window_bits"))
_WINDOWS = frozenset(map(str, range(8, zlib.MAX_WBITS + 1)))


@dataclasses.dataclass(frozen=True, slots=True)
class Opening:
    """A handshake that is accepted.

    Attributes:
        response: what to answer.
        window_bits: of permessage-deflate, for what is sent; 0 without it.
    """

    response: bytes
    window_bits: int


def open_websocket(
    headers: Mapping[str, str], subprotocol: str | None, *, deflates: bool
) -> Opening:
    """Accept a handshake.

    Args:
        headers: of the request; names are found in any case.
        subprotocol: to answer; None if none was offered.
        deflates: whether to compress if the client can.

    Raises:
        NcsError: ``malformed_frame`` if it is none.
    """
    if "websocket" not in _tokens(headers, "Upgrade"):
        raise _refusal("this address speaks WebSocket; connect with a WebSocket client")
    if "upgrade" not in _tokens(headers, "Connection"):
        raise _refusal("the header Connection does not say upgrade")
    if headers.get("Sec-WebSocket-Version", "").strip() != _VERSION:
        raise _refusal(f"Sec-WebSocket-Version has to be {_VERSION}")
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        is_key = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise _refusal(f"Sec-WebSocket-Key has to be {_KEY_BYTES} bytes in base64")
    digest = hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    offers = headers.get("Sec-WebSocket-Extensions", "") if deflates else ""
    bits = _window_bits(offers)
    if bits:
        flags = "; ".join(sorted(_FLAGS))
        agreed = f"{_DEFLATE}; {flags}"
        if bits < zlib.MAX_WBITS:
            agreed += f"; server_max_window_bits={bits}"
        lines.append(f"Sec-WebSocket-Extensions: {agreed}")
    return Opening("\r\n".join([*lines, "\r\n"]).encode(), bits)


def _window_bits(offers: str) -> int:
    """Return the window for the first offer of permessage-deflate that can be met."""
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == _DEFLATE:
            bits = _bits_of(dict(_pairs(parameters)), len(parameters))
            if bits:
                return bits
    return 0


def _pairs(parameters: list[str]) -> Iterator[tuple[str, str | None]]:
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        yield name.strip(), value.strip().strip('"') if equals else None


def _bits_of(wanted: dict[str, str | None], count: int) -> int:
    """Return the window that an offer allows; 0 if it cannot be met (section 7.1)."""
    if len(wanted) != count:  # one of them comes twice
        return 0
    for name, value in wanted.items():
        if name in _FLAGS and value is None:
            continue
        if name == "client_max_window_bits" and value is None:
            continue
        if name not in _BITS or value not in _WINDOWS:
            return 0
    bits = int(wanted.get("server_max_window_bits") or zlib.MAX_WBITS)
    return bits if bits >= _LEAST_BITS else 0


def _tokens(headers: Mapping[str, str], name: str) -> list[str]:
    return [token.strip().lower() for token in headers.get(name, "").split(",")]


def _refusal(what: str) -> NcsError:
    return NcsError(Code.MALFORMED_FRAME, what)
