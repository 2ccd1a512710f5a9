"""`/ws`: from an HTTP request to a running `Connection`."""

from __future__ import annotations

from aiohttp import hdrs, web

from ncs_protocol import CODECS, JSON, Code, NcsError

from .auth import Principal
from .connection import Connection
from .door import Place, guard_of
from .logs import get_log
from .rest.context import REQUEST_ID, server_of
from .rest.middleware import client_ip, credential_of
from .server import Phase, Server
from .session import Session
from .wire import WebSocketWire

__all__ = ["websocket"]

_WIRES = {name: WebSocketWire(codec) for name, codec in CODECS.items()}

log = get_log()


async def websocket(request: web.Request) -> web.StreamResponse:
    """Serve one WebSocket connection."""
    server = server_of(request)
    if server.phase is not Phase.SERVING:
        code = Code.DRAINING if server.draining else Code.STARTING
        raise NcsError(code, retry_after_s=1.0)
    if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
        raise NcsError(
            Code.MALFORMED_FRAME,
            "this address speaks WebSocket; connect with a WebSocket client",
        )
    wire = _WIRES[_subprotocol(request)]
    _check_origin(request)
    peer = client_ip(request)
    place = server.take_place(peer)
    try:
        return await _serve(request, server, wire, peer, place)
    finally:
        place.leave()


async def _serve(
    request: web.Request, server: Server, wire: WebSocketWire, peer: str, place: Place
) -> web.StreamResponse:
    guard, principal = guard_of(request), None

    def admit(who: Principal) -> None:
        server.join_place(place, who.tenant)
        if guard is not None:
            guard.show_credential()

    credential = credential_of(request)
    if credential is not None:
        now = server.clock.now()
        try:
            principal = await server.authenticator.authenticate(credential, now)
        except NcsError as error:
            server.note_auth_failure(error, peer, request[REQUEST_ID])
            raise (server.limit_stranger(peer) or error) from None
        admit(principal)
    ws = web.WebSocketResponse(
        heartbeat=server.settings.heartbeat_s,
        protocols=tuple(CODECS),
        autoclose=False,
        compress=server.settings.compress_snapshots,
        max_msg_size=server.limits.max_frame_bytes,
        decode_text=False,
    )
    await ws.prepare(request)
    transport = request.transport
    if transport is None:  # gone meanwhile
        return ws
    session = Session(
        server.make_session_id(), server.session_config, principal, server.clock.now()
    )
    connection = Connection(server, ws, wire, session, peer, transport, admit)
    if guard is not None:
        guard.begin_websocket(connection.end, is_known=principal is not None)
    name = wire.codec.subprotocol
    log.info("session_opened", session=session.id, codec=name, peer=peer)
    server.add(connection)
    try:
        await connection.run()
    finally:
        server.discard(connection)
        log.info("session_closed", session=session.id, reason=connection.reason)
    return ws


def _subprotocol(request: web.Request) -> str:
    """Return the subprotocol to speak: the client's first that is spoken here."""
    header = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL)
    if header is None:
        return JSON.subprotocol
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
