"""Requests for streams of other nodes: sent on to the owner, whoever that is by then.

Nothing of a request is done here, so it may be sent until somebody has done it. Once an
owner has it and is lost, that holds only for what counts once: reading, and batches,
which get an `Idempotency-Key` if they have none.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import ClientError, ClientTimeout, hdrs, web

from ncs_protocol import Code, NcsError

from ..cluster.assertion import HEADER, assert_principal, principal_in
from ..cluster.streams import ClusterStreams
from ..elsewhere import ElsewhereError
from ..logs import get_log
from .context import (
    IDEMPOTENCY_KEY,
    IS_OF_NODES,
    KEY_HEADER,
    PRINCIPAL,
    REQUEST_ID,
    read_bytes,
    server_of,
)

__all__ = ["answered_anywhere", "identify_node", "served_here"]

ELSEWHERE = "X-NCS-Owner"
_PATIENCE_S = 45.0
_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_ANSWER_S = 60.0
_PASSED_ON = (hdrs.CONTENT_TYPE, hdrs.ACCEPT)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = get_log()


async def served_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request of another node; it goes no further than this one."""
    try:
        return await handler(request)
    except ElsewhereError as error:
        return web.Response(status=503, headers={ELSEWHERE: error.node or "?"})


async def answered_anywhere(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Answer a request here, or have the owner of its stream answer it."""
    clock = server_of(request).clock
    until, pause = clock.monotonic() + _PATIENCE_S, _PAUSE_S
    while True:
        try:
            return await handler(request)
        except ElsewhereError as error:
            answer = await _sent_on(request, error.node) if error.node else None
        if answer is not None:
            return answer
        if clock.monotonic() > until:
            raise NcsError(Code.OWNER_UNAVAILABLE, retry_after_s=1.0)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


async def _sent_on(request: web.Request, node: str) -> web.Response | None:
    """Return the owner's answer; None if it has done nothing, or may be asked again."""
    server = server_of(request)
    cluster = server.cluster
    assert cluster is not None
    target = cluster.peers.address_of(node)
    if target is None:
        return None
    body = await read_bytes(request)
    if request.method == hdrs.METH_POST and KEY_HEADER not in request.headers:
        request.setdefault(IDEMPOTENCY_KEY, f"node-{secrets.token_hex(16)}")
    try:
        async with cluster.peers.http.request(
            request.method,
            f"http://{target}{request.path_qs}",
            data=body,
            headers=_headers(request, cluster, body),
            timeout=ClientTimeout(total=_ANSWER_S, sock_connect=2.0),
            allow_redirects=False,
        ) as answer:
            owner = answer.headers.get(ELSEWHERE)
            if owner is not None:
                cluster.peers.moved(node)
                return None
            headers = {hdrs.CONTENT_TYPE: answer.headers.get(hdrs.CONTENT_TYPE, "")}
            for name in (hdrs.RETRY_AFTER, hdrs.WWW_AUTHENTICATE):
                if name in answer.headers:
                    headers[name] = answer.headers[name]
            server.metrics.count("ncs_forwarded_requests_total")
            content = await answer.read()
            return web.Response(body=content, status=answer.status, headers=headers)
    except (ClientError, TimeoutError, OSError) as error:
        log.warning("request_not_sent_on", node=node, error=repr(error))
        cluster.peers.moved(node)
        if _counts_once(request) or isinstance(error, ConnectionRefusedError):
            return None
        raise NcsError(Code.OWNER_UNAVAILABLE, retry_after_s=1.0) from None


def _counts_once(request: web.Request) -> bool:
    reads = request.method in (hdrs.METH_GET, hdrs.METH_HEAD)
    return reads or request.path.startswith("/api/v1/process_points")


def _headers(
    request: web.Request, cluster: ClusterStreams, body: bytes
) -> dict[str, str]:
    server = server_of(request)
    given = request.headers  # without its encoding: the body that was read is decoded
    headers = {str(name): given[name] for name in _PASSED_ON if name in given}
    key = request.headers.get(KEY_HEADER, request.get(IDEMPOTENCY_KEY))
    if key is not None:
        headers[KEY_HEADER] = key
    headers["X-Request-ID"] = request[REQUEST_ID]
    headers[HEADER] = assert_principal(
        cluster.secret,
        cluster.me,
        request[PRINCIPAL],
        _said(request, body),
        server.clock.now(),
    )
    return headers


def _said(request: web.Request, body: bytes) -> bytes:
    """Return what of a request matters, for its signature."""
    return f"{request.method} {request.path_qs}\n".encode() + body


async def identify_node(request: web.Request) -> None:
    """Put the principal on a request that another node has sent on.

    Raises:
        NcsError: ``token_invalid``.
    """
    server = server_of(request)
    assert server.cluster is not None and request.app[IS_OF_NODES]
    body = await read_bytes(request)
    header = request.headers.get(HEADER, "")
    secret, now = server.cluster.secret, server.clock.now()
    request[PRINCIPAL] = principal_in(secret, header, _said(request, body), now)
