"""The live page: static files of the package under a strict policy."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from .files import file_response

__all__ = ["asset", "page"]

_WEB = Path(__file__).parent.parent / "web"
_FILES = frozenset(path.name for path in _WEB.iterdir() if path.is_file())
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


async def page(request: web.Request) -> web.StreamResponse:
    """Show the live page."""
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return file_response(request, _WEB / "index.html", headers)


async def asset(request: web.Request) -> web.StreamResponse:
    """Give a file of the live page."""
    name = request.match_info["name"]
    if name not in _FILES:
        raise web.HTTPNotFound
    path = _WEB / name
    return file_response(request, path, {"Cache-Control": "no-cache"})
