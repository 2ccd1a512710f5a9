"""The live page: static files of the package under a strict policy."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

__all__ = ["asset", "page"]

_WEB = Path(__file__).parent.parent / "web"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


async def page(request: web.Request) -> web.StreamResponse:
    """Show the live page."""
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    return web.FileResponse(_WEB / "index.html", headers=headers)


async def asset(request: web.Request) -> web.StreamResponse:
    """Give a file of the live page."""
    path = _WEB / request.match_info["name"]
    if path.parent != _WEB or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})
