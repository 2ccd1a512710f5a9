"""The dashboard: static files of the package under a strict policy.

They are built from `clients/dashboard` and are not part of the repository; a tree in
which nobody has built them says so instead.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import hdrs, web

from .context import server_of
from .files import file_response

__all__ = ["asset", "page"]

_WEB = Path(__file__).parent.parent / "web"
_ASSETS = _WEB / "assets"
# No source of anything but this server; the worker is bound by the policy that comes
# with its own file, so every file has it.
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors {ancestors}"
)
_NOBODY = "'none'"
_NOT_BUILT = (
    "The dashboard is not built here. `make page` builds it; the API is at /docs.\n"
)
# Names hold a hash of what is in them.
_FOR_EVER = "public, max-age=31536000, immutable"


async def page(request: web.Request) -> web.StreamResponse:
    """Show the dashboard; with `?embed` as a part of pages that may have it."""
    index = _WEB / "index.html"
    if not index.is_file():
        return web.Response(status=503, text=_NOT_BUILT)
    ancestors = _NOBODY
    if "embed" in request.query:
        ancestors = " ".join(("'self'", *server_of(request).settings.cors_origins))
    headers = {
        hdrs.CACHE_CONTROL: "no-cache",
        "Content-Security-Policy": _POLICY.format(ancestors=ancestors),
    }
    return file_response(request, index, headers)


async def asset(request: web.Request) -> web.StreamResponse:
    """Give a file of the dashboard."""
    name = request.match_info["name"]
    names = [path.name for path in _ASSETS.iterdir()] if _ASSETS.is_dir() else []
    if name not in names:
        raise web.HTTPNotFound
    headers = {
        hdrs.CACHE_CONTROL: _FOR_EVER,
        "Content-Security-Policy": _POLICY.format(ancestors=_NOBODY),
    }
    return file_response(request, _ASSETS / name, headers)
