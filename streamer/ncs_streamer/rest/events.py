"""`GET /api/v1/events`: the events of a stream as server-sent events."""

from __future__ import annotations

import asyncio

from aiohttp import HttpVersion11, hdrs, web

from ncs_protocol.messages import Subscribe

from ..door import guard_of
from ..event_stream import EventStream
from ..logs import get_log
from ..session import Session
from ..sse import SseWire, decode_position
from ..store.contracts import StreamKey
from .context import principal_of, server_of
from .event_query import subscription_of
from .headers import finish_headers
from .middleware import client_ip

__all__ = ["MEDIA_TYPE", "events"]

MEDIA_TYPE = "text/event-stream"

log = get_log()


async def events(request: web.Request) -> web.StreamResponse:
    """Follow a stream until the reader goes, or has to."""
    server, principal = server_of(request), principal_of(request)
    subscribe = subscription_of(request.query)
    if last := request.headers.get("Last-Event-ID"):
        subscribe.since = decode_position(last)
    if request.method == hdrs.METH_HEAD:
        return web.Response(content_type=MEDIA_TYPE)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the reader is gone already")
    place = server.take_place(client_ip(request))
    try:
        server.join_place(place, principal.tenant)
        return await _follow(request, subscribe, transport)
    finally:
        place.leave()


async def _follow(
    request: web.Request, subscribe: Subscribe, transport: asyncio.Transport
) -> web.StreamResponse:
    server, principal = server_of(request), principal_of(request)
    key = StreamKey(principal.tenant, subscribe.stream)
    epoch = await server.streams.epoch(key)
    chunked = request.version >= HttpVersion11
    now = server.clock.now()
    reader = EventStream(
        server,
        SseWire(epoch, chunked),
        Session(server.make_session_id(), server.session_config, principal, now),
        transport,
    )
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: MEDIA_TYPE})
    response.headers["X-Accel-Buffering"] = "no"  # or a proxy keeps events for itself
    if chunked:
        response.enable_chunked_encoding()
    finish_headers(request, response)
    try:
        reader.follow(subscribe)
        await response.prepare(request)
        await _serve(request, reader, response)
    finally:
        reader.close()
    return response


async def _serve(
    request: web.Request, reader: EventStream, response: web.StreamResponse
) -> None:
    server, session = server_of(request), reader.session.id
    if (guard := guard_of(request)) is not None:
        guard.leave_to_others()  # how far a reader may fall behind is for its outbox
    log.info("session_opened", session=session, codec="sse", peer=client_ip(request))
    server.add(reader)
    try:
        await reader.run(response)
    finally:
        server.discard(reader)
        log.info("session_closed", session=session, reason=reader.reason)
