"""The route type, and which route a request has found.

The table itself is `routes.ROUTES`; from it the router, the guard, the OpenAPI document
and a test of every route's credentials derive.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

__all__ = ["ROUTE_TABLE", "Route", "route_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    summary: str
    scope: str | None
    """What the credential needs; None for everybody."""
    body: Any = None
    """Type of the request body."""
    answer: Any = None
    """Type of the reply's body; None if it is not JSON."""
    aliases: tuple[str, ...] = ()
    tier: str = ""
    query: tuple[tuple[str, str], ...] = ()
    """(name, description) of query parameters."""
    headers: tuple[tuple[str, str], ...] = ()
    """(name, description) of headers that the route reads."""
    media_type: str = ""
    """Of a reply that is not JSON."""
    needs_streams: bool = True
    """Whether it has to wait until the streams are recovered."""
    status: int = 200


ROUTE_TABLE: web.AppKey[dict[Any, Route]] = web.AppKey("route_table", dict)


def route_of(request: web.Request) -> Route | None:
    """Return the row that the request has found, if any."""
    return request.app[ROUTE_TABLE].get(request.match_info.handler)
