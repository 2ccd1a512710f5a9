"""What happens around every request: id, credential, rate, errors, headers, log."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable

import psutil
import structlog
from aiohttp import hdrs, web

from ncs_protocol import Code, NcsError

from ..auth.principal import Principal
from ..limiter import STRANGERS, Tier
from ..logs import get_log
from ..server import Phase
from ..store.contracts import StoreError
from .context import (
    IS_OF_NODES,
    PRINCIPAL,
    REQUEST_ID,
    VERDICT,
    request_id_for,
    server_of,
)
from .errors import error_response
from .headers import finish_headers, is_preflight
from .proxy import answered_anywhere, identify_node, served_here
from .table import Route, route_of

__all__ = ["client_ip", "credential_of", "middlewares"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_KEY_FACTOR = 10
_LOGINS = Tier("login", 10, 60.0)
_PROBES = frozenset(("/livez", "/readyz", "/health", "/metrics"))
_PROCESS_POINTS = 100  # a minute, for tokens

log = get_log()


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id; log and count it."""
    server = server_of(request)
    began = time.perf_counter()
    request_id = request[REQUEST_ID] = request_id_for(request)
    route = route_of(request)
    # Where a route is known its template is logged: a path may hold what a caller put
    # into the wrong place.
    endpoint = route.path if route else request.path
    memory = _resident_bytes() if server.settings.debug else 0
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        log.debug("request_started", endpoint=endpoint, method=request.method)
        response = await handler(request)
        elapsed = time.perf_counter() - began
        log.log(
            logging.DEBUG if endpoint in _PROBES else _level(response.status),
            "request_completed",
            method=request.method,
            endpoint=endpoint,
            status_code=response.status,
            response_time_ms=round(1000 * elapsed, 3),
            response_size=response.content_length,
            client_ip=client_ip(request),
            user_agent=request.headers.get(hdrs.USER_AGENT, "")[:200],
        )
        if server.settings.debug:
            log.debug(
                "request_profile",
                path=endpoint,
                method=request.method,
                duration_ms=round(1000 * elapsed, 3),
                memory_delta_mb=(_resident_bytes() - memory) / 2**20,
            )
    template, status = (route.path if route else "other"), str(response.status)
    server.metrics.count("ncs_http_requests_total", request.method, template, status)
    if not response.prepared:  # else it was open for as long as its reader wanted
        server.metrics.observe("ncs_http_request_seconds", elapsed, template)
    return response


@web.middleware
async def finish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into their bodies, and finish the headers."""
    if is_preflight(request):
        response: web.StreamResponse = web.Response(status=204)
    else:
        response = await _answer(request, handler)
    if not response.prepared:  # as that of a WebSocket that has ended is
        finish_headers(request, response)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except NcsError as error:
        if error.code is Code.INTERNAL_ERROR:
            log.error("request_failed", detail=error.detail, exc_info=error)
        return _failed(request, error)
    except StoreError as error:
        log.error("store_unavailable", error=str(error))
        return _failed(request, NcsError(Code.STORE_UNAVAILABLE, retry_after_s=1.0))
    except web.HTTPException as error:
        response = _failed(request, _translated(error))
        if isinstance(error, web.HTTPMethodNotAllowed):
            response.headers[hdrs.ALLOW] = ", ".join(sorted(error.allowed_methods))
        return response
    except ConnectionError:
        return web.Response(status=400)  # nobody is there to read it
    except Exception as error:
        log.exception("request_failed", error_type=type(error).__name__)
        return _failed(request, NcsError(Code.INTERNAL_ERROR, "Processing failed"))


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through only who may, as often as they may."""
    server, route = server_of(request), route_of(request)
    if request.app[IS_OF_NODES]:
        if route is None or route.scope is None:
            return await handler(request)
        await identify_node(request)
        return await served_here(request, handler)
    if route is None:
        return await handler(request)
    if server.phase is Phase.STARTING and route.needs_streams:
        raise NcsError(Code.STARTING, retry_after_s=1.0)
    if server.draining and route.needs_streams:
        raise NcsError(Code.DRAINING, retry_after_s=1.0)
    if route.tier == "login":
        _limit(request, _LOGINS, client_ip(request))
    if route.scope is not None:
        await _identify(request, route)
        _check_query(request, route)
    if server.cluster is not None:
        return await answered_anywhere(request, handler)
    return await handler(request)


middlewares = (observe, finish, guard)


def client_ip(request: web.Request) -> str:
    """Return the client's address, by X-Forwarded-For only from a trusted proxy."""
    peer = request.remote or ""
    trusted = server_of(request).settings.trusted_proxies
    if not trusted or not _in_networks(peer, trusted):
        return peer
    # Each proxy on the way adds a hop, some as a further header line.
    hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
    for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
        if not _in_networks(hop, trusted):
            return hop
    return peer


async def _identify(request: web.Request, route: Route) -> None:
    """Put the principal on the request and count the request for it."""
    server, peer = server_of(request), client_ip(request)
    try:
        credential = credential_of(request)
        if credential is None:
            raise NcsError(Code.CREDENTIALS_MISSING)
        now = server.clock.now()
        principal = await server.authenticator.authenticate(credential, now)
    except NcsError as error:
        server.note_auth_failure(error, peer, request[REQUEST_ID])
        _limit(request, STRANGERS, peer)
        raise
    request[PRINCIPAL] = principal
    assert route.scope is not None
    if route.tier != "exempt":
        _limit_principal(request, route, principal)
    principal.require(route.scope)


def _check_query(request: web.Request, route: Route) -> None:
    """Refuse what the route does not read, before it answers for something else."""
    known = {name for name, _ in route.query}
    for name in request.query:
        if name not in known:
            hint = f"; this route reads {', '.join(sorted(known)) or 'none'}"
            if name == "stream" and route.body is not None:
                hint = "; here the name of the stream belongs into the body"
            raise NcsError(
                Code.INVALID_MESSAGE,
                f"unknown query parameter {name!r:.60}{hint}",
                field=f"query.{name:.60}",
            )


def _limit_principal(request: web.Request, route: Route, principal: Principal) -> None:
    factor = _KEY_FACTOR if principal.kind == "key" else 1
    who = principal.credential or principal.subject
    caller = f"{principal.tenant}/{principal.kind}/{who}"
    each_minute = server_of(request).settings.rate_limit_per_minute * factor
    _limit(request, Tier("user", each_minute, 60.0), caller)
    if route.tier == "process_points":
        most = min(_PROCESS_POINTS * factor, each_minute)
        _limit(request, Tier("endpoint", most, 60.0), caller)
    if route.tier == "shadow":
        each_minute = server_of(request).settings.shadows_per_minute
        _limit(request, Tier("shadow", each_minute, 60.0), principal.tenant)


def credential_of(request: web.Request) -> str | None:
    """Return the credential that the request carries in a header, if any."""
    if key := request.headers.get("X-API-Key"):
        return key
    kind, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return value.strip() or None if kind.lower() == "bearer" else None


def _limit(request: web.Request, tier: Tier, caller: str) -> None:
    """Count the request, or refuse it; the last verdict goes into the headers."""
    server = server_of(request)
    verdict = server.limiter.check(tier, caller, server.clock.monotonic())
    request[VERDICT] = verdict
    if not verdict.allowed:
        route = route_of(request)
        server.metrics.count("ncs_rate_limited_total", tier.name)
        log.warning(
            "rate_limit_exceeded",
            source_ip=client_ip(request),
            endpoint=route.path if route else request.path,
            tier=tier.name,
            violation_count=verdict.violations,
        )
        raise NcsError(
            Code.RATE_LIMITED,
            f"Rate limit exceeded for {tier.name}",
            retry_after_s=verdict.retry_after_s,
        )


def _failed(request: web.Request, error: NcsError) -> web.Response:
    server_of(request).metrics.count("ncs_errors_total", error.code.wire)
    if error.code is Code.PERMISSION_DENIED:
        route = route_of(request)
        endpoint = route.path if route else request.path
        log.warning("permission_denied", endpoint=endpoint, detail=error.detail)
    return error_response(error, request[REQUEST_ID])


def _translated(error: web.HTTPException) -> NcsError:
    """Return aiohttp's own refusals in our words."""
    codes = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}
    codes |= {413: Code.FRAME_TOO_LARGE, 415: Code.UNSUPPORTED_MEDIA_TYPE}
    if error.status >= 500:
        return NcsError(Code.INTERNAL_ERROR, "Processing failed")
    return NcsError(codes.get(error.status, Code.MALFORMED_FRAME))


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _in_networks(address: str, networks: tuple[str, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
        return any(ip in ipaddress.ip_network(n, strict=False) for n in networks)
    except ValueError:
        return False


def _level(status: int) -> int:
    if status >= 500:
        return logging.ERROR
    return logging.WARNING if status in (401, 429) else logging.INFO
