"""The API's documents, readable without a network: OpenAPI, Swagger UI, ReDoc."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp_swagger3
import orjson
from aiohttp import web

from .files import file_response
from .openapi import openapi

__all__ = ["docs", "docs_asset", "openapi_json", "redoc", "start_script"]

_ASSETS = Path(aiohttp_swagger3.__file__).parent
_FILES = {
    "swagger-ui.css": _ASSETS / "swagger_ui" / "swagger-ui.css",
    "swagger-ui-bundle.js": _ASSETS / "swagger_ui" / "swagger-ui-bundle.js",
    "redoc.js": _ASSETS / "redoc_ui" / "redoc.standalone.js",
}
# Both viewers style inline and draw icons from data URLs; scripts come from here only.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self';"
    " worker-src blob:; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{style}
<body>
<div id="page"></div>
<script src="/docs/assets/{viewer}"></script>
<script src="/docs/assets/{start}"></script>
</body>
</html>
"""
_STARTS = {
    "start-swagger.js": (
        'SwaggerUIBundle({url: "/openapi.json", dom_id: "#page", deepLinking: true,'
        " validatorUrl: null});"
    ),
    "start-redoc.js": (
        'Redoc.init("/openapi.json", {disableSearch: true, hideDownloadButton: false},'
        ' document.getElementById("page"));'
    ),
}


async def openapi_json(request: web.Request) -> web.Response:
    """Give the OpenAPI document."""
    body = orjson.dumps(openapi(), option=orjson.OPT_INDENT_2)
    return web.Response(body=body, content_type="application/json")


async def docs(request: web.Request) -> web.Response:
    """Show the API interactively."""
    style = '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">'
    return _page("swagger-ui-bundle.js", "start-swagger.js", style)


async def redoc(request: web.Request) -> web.Response:
    """Show the API for reading."""
    return _page("redoc.js", "start-redoc.js", "")


async def docs_asset(request: web.Request) -> web.StreamResponse:
    """Give a file of the viewers."""
    name = request.match_info["name"]
    if name in _STARTS:
        return start_script(name)
    if name not in _FILES:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "public, max-age=86400"}
    return file_response(request, _FILES[name], headers)


def start_script(name: str) -> web.Response:
    """Return the line that starts a viewer; inline it would break the policy."""
    return web.Response(text=_STARTS[name], content_type="text/javascript")


def _page(viewer: str, start: str, style: str) -> web.Response:
    values: dict[str, Any] = {"viewer": viewer, "start": start, "style": style}
    text = _PAGE.format(title="NeuroCluster Streamer API", **values)
    headers = {"Content-Security-Policy": _POLICY}
    return web.Response(text=text, content_type="text/html", headers=headers)
