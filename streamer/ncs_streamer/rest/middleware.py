"""What happens around every request: id, credential, rate, errors, headers, log."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web

from ncs_protocol import Code, NcsError

from ..limiter import STRANGERS, Tier, Verdict
from ..logs import get_log
from ..server import Phase, Server
from .context import PRINCIPAL, REQUEST_ID, request_id_for, server_of
from .errors import error_response
from .table import Route, route_of

__all__ = ["client_ip", "credential_of", "middlewares"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_COMPRESS_FROM_BYTES = 1000
_KEY_FACTOR = 10
_LOGINS = Tier("login", 10, 60.0)
_PROBES = frozenset(("/livez", "/readyz", "/health", "/metrics"))
_PROCESS_POINTS = 100  # a minute, for tokens

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_HSTS = "max-age=31536000; includeSubDomains"
_METHODS = "GET, POST, PUT, PATCH, DELETE"

log = get_log()


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id; log and count it; finish the response's headers."""
    server = server_of(request)
    began = time.perf_counter()
    request_id = request[REQUEST_ID] = request_id_for(request)
    peer = client_ip(request)
    route = route_of(request)
    template = route.path if route else "other"
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        log.debug("request_started", endpoint=request.path, method=request.method)
        response = await handler(request)
        elapsed = time.perf_counter() - began
        log.log(
            10 if template in _PROBES else _level(response.status),
            "request_completed",
            method=request.method,
            endpoint=request.path,
            status_code=response.status,
            response_time_ms=round(1000 * elapsed, 3),
            response_size=_size(response),
            client_ip=peer,
            user_agent=request.headers.get(hdrs.USER_AGENT, "")[:200],
        )
    status = str(response.status)
    server.metrics.count("ncs_http_requests_total", request.method, template, status)
    if response.status != 101:
        server.metrics.observe("ncs_http_request_seconds", elapsed, template)
    return response


@web.middleware
async def finish(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into their bodies; add headers, CORS and compression."""
    server = server_of(request)
    origin = request.headers.get(hdrs.ORIGIN)
    response: web.StreamResponse
    if _is_preflight(request):
        response = web.Response(status=204)
    else:
        try:
            response = await handler(request)
        except NcsError as error:
            response = _failed(server, error, request)
        except web.HTTPException as error:
            response = _failed(server, _translated(error), request)
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers[hdrs.ALLOW] = ", ".join(sorted(error.allowed_methods))
        except ConnectionError:
            raise
        except Exception:
            log.exception("request_failed", endpoint=request.path)
            error_ = NcsError(Code.INTERNAL_ERROR, "Processing failed")
            response = _failed(server, error_, request)
    if response.prepared:  # a WebSocket that has ended
        return response
    _add_headers(server, request, response)
    if origin is not None and origin in server.settings.cors_origins:
        _add_cors(request, response, origin)
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        accepts = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
        if accepts and len(response.body) >= _COMPRESS_FROM_BYTES:
            response.enable_compression(web.ContentCoding.gzip)
    return response


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through only who may, as often as they may."""
    server, route = server_of(request), route_of(request)
    if route is None:
        return await handler(request)
    if server.phase is Phase.STARTING and route.needs_streams:
        raise NcsError(Code.STARTING, retry_after_s=1.0)
    verdict = None
    if route.tier == "login":
        verdict = _limit(request, _LOGINS, client_ip(request))
    if route.scope is not None:
        verdict = await _identify(request, route)
    response = await handler(request)
    if verdict is not None and not response.prepared:
        response.headers["RateLimit-Limit"] = str(verdict.tier.requests)
        response.headers["RateLimit-Remaining"] = str(verdict.remaining)
        response.headers["RateLimit-Reset"] = str(round(verdict.reset_s))
    return response


middlewares = (observe, finish, guard)


def client_ip(request: web.Request) -> str:
    """Return the client's address, by X-Forwarded-For only from a trusted proxy."""
    peer = request.remote or ""
    trusted = server_of(request).settings.trusted_proxies
    if not trusted or not _in_networks(peer, trusted):
        return peer
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
        if not _in_networks(hop, trusted):
            return hop
    return peer


async def _identify(request: web.Request, route: Route) -> Verdict:
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
    factor = _KEY_FACTOR if principal.kind == "key" else 1
    caller = f"{principal.tenant}/{principal.kind}/{principal.subject}"
    each_minute = server.settings.rate_limit_per_minute * factor
    verdict = _limit(request, Tier("user", each_minute, 60.0), caller)
    if route.tier == "process_points":
        tier = Tier("endpoint", min(_PROCESS_POINTS * factor, each_minute), 60.0)
        verdict = _limit(request, tier, caller)
    principal.require(route.scope)
    return verdict


def credential_of(request: web.Request) -> str | None:
    """Return the credential that the request carries in a header, if any."""
    if key := request.headers.get("X-API-Key"):
        return key
    kind, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return value.strip() or None if kind.lower() == "bearer" else None


def _limit(request: web.Request, tier: Tier, caller: str) -> Verdict:
    server = server_of(request)
    verdict = server.limiter.check(tier, caller, server.clock.monotonic())
    if not verdict.allowed:
        server.metrics.count("ncs_rate_limited_total", tier.name)
        log.warning(
            "rate_limit_exceeded",
            source_ip=client_ip(request),
            endpoint=request.path,
            tier=tier.name,
        )
        raise NcsError(
            Code.RATE_LIMITED,
            f"Rate limit exceeded for {tier.name}",
            retry_after_s=verdict.retry_after_s,
        )
    return verdict


def _failed(server: Server, error: NcsError, request: web.Request) -> web.Response:
    server.metrics.count("ncs_errors_total", error.code.wire)
    if error.code is Code.PERMISSION_DENIED:
        log.warning("permission_denied", endpoint=request.path, detail=error.detail)
    return error_response(error, request[REQUEST_ID])


def _translated(error: web.HTTPException) -> NcsError:
    """Return aiohttp's own refusals in our words."""
    codes = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}
    codes |= {413: Code.FRAME_TOO_LARGE, 415: Code.UNSUPPORTED_MEDIA_TYPE}
    if error.status >= 500:
        return NcsError(Code.INTERNAL_ERROR, "Processing failed")
    return NcsError(codes.get(error.status, Code.MALFORMED_FRAME))


def _size(response: web.StreamResponse) -> int | None:
    body = response.body if isinstance(response, web.Response) else None
    return len(body) if isinstance(body, bytes) else None


def _is_preflight(request: web.Request) -> bool:
    return request.method == hdrs.METH_OPTIONS and (
        hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def _add_headers(
    server: Server, request: web.Request, response: web.StreamResponse
) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    if server.settings.hsts:
        response.headers["Strict-Transport-Security"] = _HSTS
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "ncs"


def _add_cors(request: web.Request, response: web.StreamResponse, origin: str) -> None:
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "X-Request-ID"
    response.headers[hdrs.VARY] = "Origin"
    if _is_preflight(request):
        asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "*")
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked
        response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = "600"


def _in_networks(address: str, networks: tuple[str, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
        return any(ip in ipaddress.ip_network(n, strict=False) for n in networks)
    except ValueError:
        return False


def _level(status: int) -> int:
    if status >= 500:
        return 40
    return 30 if status in (401, 429) else 20
