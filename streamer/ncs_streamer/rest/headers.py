"""The headers of every response: security, CORS, rate limits, compression."""

from __future__ import annotations

from aiohttp import hdrs, web
from multidict import CIMultiDict

from ..limiter import Verdict
from .context import REQUEST_ID, VERDICT, server_of

__all__ = ["finish_headers", "is_preflight"]

_COMPRESS_FROM_BYTES = 1000
_METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
_EXPOSED = (
    "X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
)
_HSTS = "max-age=31536000; includeSubDomains"
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def is_preflight(request: web.Request) -> bool:
    """Return whether a browser, or a page itself, asks if it may send a request."""
    return request.method == hdrs.METH_OPTIONS and (
        hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        or hdrs.ORIGIN in request.headers  # as `fetch` does: it may not set the other
    )


def finish_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add all headers to a response that is not sent yet."""
    settings = server_of(request).settings
    headers = response.headers
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)
    headers["X-Request-ID"] = request[REQUEST_ID]
    headers["Server"] = "ncs"
    headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if settings.hsts:
        headers["Strict-Transport-Security"] = _HSTS
    verdict = request.get(VERDICT)
    if verdict is not None:
        _add_rate(headers, verdict)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin in settings.cors_origins:
        _add_cors(request, headers, origin)
    if _accepts_gzip(request) and _is_worth_compressing(response):
        response.enable_compression(web.ContentCoding.gzip)


def _add_rate(headers: CIMultiDict[str], verdict: Verdict) -> None:
    headers["RateLimit-Limit"] = str(verdict.tier.requests)
    headers["RateLimit-Remaining"] = str(verdict.remaining)
    headers["RateLimit-Reset"] = str(round(verdict.reset_s))


def _add_cors(request: web.Request, headers: CIMultiDict[str], origin: str) -> None:
    headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
    headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
    headers[hdrs.VARY] = "Origin"
    if is_preflight(request):
        asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "*")
        headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked
        headers[hdrs.ACCESS_CONTROL_MAX_AGE] = "600"


def _accepts_gzip(request: web.Request) -> bool:
    for coding in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _is_worth_compressing(response: web.StreamResponse) -> bool:
    body = response.body if isinstance(response, web.Response) else None
    return isinstance(body, bytes) and len(body) >= _COMPRESS_FROM_BYTES
