"""`/ws`: from an HTTP request to a running `Connection`."""

from __future__ import annotations

import asyncio

from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict

from ncs_protocol import CODECS, JSON, Code, NcsError

from .auth import Principal
from .connection import Connection
from .door import guard_of
from .logs import get_log
from .opening import open_websocket
from .rest.context import REQUEST_ID, server_of
from .rest.middleware import client_ip, credential_of
from .server import Phase, Server
from .session import Session
from .wire import WebSocketWire

__all__ = ["websocket"]

_WIRES = {name: WebSocketWire(codec) for name, codec in CODECS.items()}

log = get_log()


async def websocket(request: web.Request) -> web.StreamResponse:
    """Begin a WebSocket connection, and let it have the socket."""
    server = server_of(request)
    _check_phase(server)
    if request.version < HttpVersion11:
        raise NcsError(Code.MALFORMED_FRAME, "a WebSocket begins with HTTP/1.1")
    name = _subprotocol(request)
    opening = open_websocket(
        _joined(request), name, deflates=server.settings.compress_snapshots
    )
    _check_origin(request)
    peer = client_ip(request)
    place = server.take_place(peer)
    try:
        principal = await _principal_of(request, server, peer)
        _check_phase(server)  # it may have changed meanwhile
        if principal is not None:
            server.join_place(place, principal.tenant)
        guard = guard_of(request)
        if guard is None:
            raise ConnectionResetError("the client is gone already")
        wire = _WIRES[name or JSON.subprotocol]
        now = server.clock.now()
        session = Session(
            server.make_session_id(), server.session_config, principal, now
        )
        transport, unread = _taken_over(request, opening.response)
    except BaseException:
        place.leave()
        raise
    codec = wire.codec.subprotocol
    log.info("session_opened", session=session.id, codec=codec, peer=peer)
    connection = Connection(
        server, transport, guard, place, wire, session, peer, opening.window_bits
    )
    server.add(connection)
    guard.hand_over(connection.link, is_known=principal is not None)
    if unread:
        connection.link.data_received(unread)
    return _Opened(status=101)


def _check_phase(server: Server) -> None:
    if server.phase is not Phase.SERVING:
        code = Code.DRAINING if server.draining else Code.STARTING
        raise NcsError(code, retry_after_s=1.0)


def _joined(request: web.Request) -> CIMultiDict[str]:
    """Return the headers, each once: a list may come in several (RFC 9110, 5.3)."""
    headers = request.headers
    return CIMultiDict({name: ", ".join(headers.getall(name)) for name in headers})


async def _principal_of(
    request: web.Request, server: Server, peer: str
) -> Principal | None:
    """Return who the handshake's credential stands for, if it has one."""
    credential = credential_of(request)
    if credential is None:
        return None
    try:
        now = server.clock.now()
        return await server.authenticator.authenticate(credential, now)
    except NcsError as error:
        server.note_auth_failure(error, peer, request[REQUEST_ID])
        raise (server.limit_stranger(peer) or error) from None


def _taken_over(
    request: web.Request, response: bytes
) -> tuple[asyncio.Transport, bytes]:
    """Answer a request and take its socket away from aiohttp.

    Returns:
        The transport, and what has arrived behind the request.
    """
    handler = request.protocol
    transport = handler.transport
    assert transport is not None
    transport.write(response)
    unread = _Unread()
    handler.set_parser(unread)  # type: ignore[arg-type]
    handler.transport = None  # which it would close
    handler.connection_lost(None)
    return transport, bytes(unread.data)


class _Unread:
    """Takes what has arrived behind a request, in the place of a parser."""

    def __init__(self) -> None:
        self.data = bytearray()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Nothing more comes this way."""


class _Opened(web.StreamResponse):
    """The response to a handshake, for those who log and count: it is sent already."""

    @property
    def prepared(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no body."""


def _subprotocol(request: web.Request) -> str | None:
    """Return the client's first subprotocol that is spoken here; None if it has none.

    Raises:
        NcsError: ``unsupported_subprotocol``.
    """
    headers = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, None)
    if headers is None:
        return None
    header = ", ".join(headers)
    offered = [name.strip() for name in header.split(",")]
    for name in offered:
        if name in CODECS:
            return name
    raise NcsError(
        Code.UNSUPPORTED_SUBPROTOCOL,
        f"subprotocol {header!r:.80} is not spoken here; offer {' or '.join(CODECS)}",
    )


def _check_origin(request: web.Request) -> None:
    """Refuse pages of other sites: a browser sends them with the user's network."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or origin in server_of(request).settings.cors_origins:
        return
    if origin.partition("://")[2] != request.host:
        raise NcsError(
            Code.PERMISSION_DENIED,
            f"pages from {origin!r:.80} may not connect; see the setting cors_origins",
        )
