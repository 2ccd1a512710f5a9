"""One reader over HTTP: the adapter between an endless response and its session.

What it follows, how far it may fall behind and when it has to go are the same as for a
WebSocket. It can only listen, so there is one subscription, and it begins at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Draining, Error, ServerMessage, Subscribe, Subscribed

from .effects import Close, Effect, Send
from .follower import Follower
from .outgoing import Outgoing
from .session import Session
from .sse import SseWire
from .wire import Frame

if TYPE_CHECKING:
    from .server import Server

__all__ = ["EventStream"]

_CLOSE_S = 2.0
_RETRY_MS = 1000


class EventStream(Follower):
    """See the module.

    Args:
        server: what the reader belongs to.
        wire: of the stream that is followed.
        session: with its principal.
        transport: of the socket.
    """

    def __init__(
        self,
        server: Server,
        wire: SseWire,
        session: Session,
        transport: asyncio.Transport,
    ) -> None:
        super().__init__(server, session, wire, transport, "sse", _Outgoing)
        self._outgoing: _Outgoing
        self._wire = wire
        self._unsent, self._sent_at = 0, server.clock.monotonic()
        self._beat_at = server.clock.monotonic() + server.settings.heartbeat_s
        self._ending = asyncio.Event()
        self._ended = asyncio.Event()

    def follow(self, request: Subscribe) -> None:
        """Begin the subscription; what it gives waits for `run`.

        Raises:
            NcsError: if the stream may not be followed.
        """
        assert self.session.principal is not None
        self._subscriptions.follow(self.session.principal.tenant, request)

    async def run(self, response: web.StreamResponse) -> None:
        """Serve the reader until it ends; the response is prepared."""
        try:
            await response.write(b"retry: %d\n\n" % _RETRY_MS)  # and before it the head
            self._outgoing.begin()
            await self._ending.wait()
            async with asyncio.timeout(_CLOSE_S):
                await self._outgoing.flushed()
        except (TimeoutError, ConnectionError):
            self.abort()
        self._server.metrics.count("ncs_closes_total", self.reason)

    def close(self) -> None:
        """Follow nothing any more, and let go of what waits."""
        self._let_go()
        self._ended.set()

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    if isinstance(message, Error):
                        self._server.metrics.count("ncs_errors_total", message.code)
                    self._outgoing.send(message)
                case Close(code):
                    self.reason = code.wire
                    self._subscriptions.end()  # what waits for it is in the history
                    self._ending.set()

    # What the server calls

    def tick(self, now: float) -> None:
        """Do what is due; also find out here whether the reader is gone."""
        self._perform(self.session.tick(now))
        monotonic = self._server.clock.monotonic()
        unsent = self._transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._sent_at = unsent, monotonic
        elif monotonic - self._sent_at >= self._server.patience.hopeless_s:
            self.cut_off()
        if self._transport.is_closing():
            self._ending.set()
        elif monotonic >= self._beat_at:
            self._beat_at = monotonic + self._server.settings.heartbeat_s
            self._outgoing.write(self._wire.lines(b":\n"), 0)  # keeps proxies patient

    async def drain(self, reconnect_after_ms: int) -> None:
        """Say when to come back, end, and be gone."""
        self._perform(self.session.drain(reconnect_after_ms))
        self.end(Code.DRAINING)
        await self._ended.wait()

    def end(self, code: Code) -> None:
        """End with the code, after what waits is written."""
        self._perform(self.session.end(code))

    def _refuse_follow(self, error: NcsError, id: str) -> None:
        self.end(error.code)


class _Outgoing(Outgoing):
    """Writes events once the head of the response is written."""

    __slots__ = ("_has_begun",)

    _wire: SseWire

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._has_begun = False

    def begin(self) -> None:
        """Write from now on."""
        self._has_begun = True
        self.drain(self._monotonic())

    def write(self, data: bytes, size: int) -> bool:
        """See `Outlet.write`."""
        return self._has_begun and super().write(data, size)

    def drain(self, now: float) -> None:
        """See `Outlet.drain`."""
        if self._has_begun:
            super().drain(now)

    def frame(self, message: ServerMessage) -> Frame:
        """See `Outlet.frame`."""
        payload = self._wire.codec.encode(message)
        if isinstance(message, Subscribed):
            return self._wire.frame(payload, message.offsets)
        if isinstance(message, Draining):
            wait = message.reconnect_after_ms
            return self._wire.frame(payload, retry_ms=wait)
        return self._wire.frame(payload)
