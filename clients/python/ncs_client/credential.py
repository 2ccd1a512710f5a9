"""Where a credential comes from: asked for whenever one is needed, never kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

__all__ = ["TokenSource", "fresh"]

TokenSource = Callable[[], str | Awaitable[str]]
"""Returns an API key or an access token; may be asynchronous."""


async def fresh(source: TokenSource) -> str:
    """Return what a source gives now."""
    token = source()
    return token if isinstance(token, str) else await token
