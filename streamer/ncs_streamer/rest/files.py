"""Files of the package as responses, from memory, with validators for caches.

Not aiohttp's `FileResponse`: compressed, it sends a body with a 304, which a browser
takes for the next response on the connection.
"""

from __future__ import annotations

import functools
import hashlib
import mimetypes
from pathlib import Path

from aiohttp import hdrs, web

__all__ = ["file_response"]

# RFC 9239; the machine's own table may say otherwise.
_TYPES = {".js": "text/javascript"}
_TEXTS = frozenset((".html", ".css", ".js", ".svg"))


def file_response(
    request: web.Request, path: Path, headers: dict[str, str]
) -> web.Response:
    """Return a file, or 304 if the caller has it already."""
    body, etag = _read(path, path.stat().st_mtime_ns)
    headers = {**headers, hdrs.ETAG: etag}
    known = request.headers.get(hdrs.IF_NONE_MATCH, "").replace("W/", "")
    if etag in [tag.strip() for tag in known.split(",")]:
        return web.Response(status=304, headers=headers)
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return web.Response(
        body=body,
        content_type=kind or "application/octet-stream",
        charset="utf-8" if path.suffix in _TEXTS else None,
        headers=headers,
    )


@functools.lru_cache(maxsize=64)
def _read(path: Path, _changed_ns: int) -> tuple[bytes, str]:
    # A page that is built anew has other assets: a running server must not go on
    # naming the old ones.
    body = path.read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
