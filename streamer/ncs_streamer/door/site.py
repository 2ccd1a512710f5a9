"""A listening address whose sockets go through a door; requests that know theirs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from .door import Door
from .guard import Guard

__all__ = ["GuardedSite", "guard_of", "watched"]

_UNSENT_BYTES = 128 * 1024  # that the system keeps of a connection
_BACKLOG = 16_384  # or what the system has for it: all readers may come at once


class GuardedSite(web.BaseSite):
    """A listening address whose sockets go through a door.

    Args:
        runner: of the application.
        door: where the sockets come in.
        host: address to listen on.
        port: 0 picks a free one.
    """

    def __init__(
        self, runner: web.BaseRunner, door: Door, host: str, port: int
    ) -> None:
        super().__init__(runner, backlog=_BACKLOG)
        self._door = door
        self._host = host
        self._port = port

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen."""
        await super().start()
        make_inner = self._runner.server
        assert make_inner is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Guard(self._door, make_inner),
            self._host,
            self._port,
            backlog=self._backlog,
            reuse_address=True,
        )
        for listening in self._server.sockets:
            _bound_unsent(listening)


def _bound_unsent(listening: socket.socket) -> None:
    """Let the system keep little that is not sent yet; what it accepts inherits that.

    Or megabytes would wait in there for a slow reader: too late for `outbox` to leave
    out what is old, and to notice how slow it is.
    """
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, _UNSENT_BYTES)


def guard_of(request: web.Request) -> Guard | None:
    """Return the guard of the socket that a request came by; None if that is gone."""
    transport = request.transport
    guard = None if transport is None else transport.get_protocol()
    return guard if isinstance(guard, Guard) else None


@web.middleware
async def watched(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Tell the socket's guard when a request begins and ends; the outermost one."""
    guard = guard_of(request)
    if guard is None:
        return await handler(request)
    guard.begin_request()
    try:
        return await handler(request)
    finally:
        guard.end_request()
