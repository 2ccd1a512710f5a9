"""Between the listening socket and aiohttp: no socket is held for nothing.

aiohttp bounds the size of a header and of a frame, but not the time in which they have
to come, nor that in which a response has to be taken: a client that sends or reads one
byte now and then would hold its socket for ever. Here a header, a frame, a response and
the pause between two requests have a deadline each, all of them in a few tables that
one timer looks through; and sockets are counted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import orjson
from aiohttp import web

from ncs_protocol import Code

from ..clock import Clock
from ..logs import get_log
from ..metrics import Metrics
from .unsent import kernel_bytes
from .waits import Waits

__all__ = [
    "Door",
    "DoorLimits",
    "Guard",
    "GuardedSite",
    "Watched",
    "guard_of",
    "watched",
]

_SWEEP_S = 0.5
_STRANGER_S = 2.0  # that everybody has for showing a credential
_UNSENT_BYTES = 128 * 1024  # that the system keeps of a connection
_BACKLOG = 2048  # all readers of a server that was restarted come at once
_SLOWEST_BYTES_PER_S = 500  # either way; what is slower counts as standing still

log = get_log()


@dataclasses.dataclass(frozen=True, slots=True)
class DoorLimits:
    """What a door allows; see the settings of the same names."""

    max_sockets: int
    max_unauthenticated: int
    header_timeout_s: float
    frame_timeout_s: float
    response_timeout_s: float
    idle_timeout_s: float


class Door:
    """All sockets of a server, and what each of them is waited for.

    Args:
        limits: in force.
        metrics: counts sockets and refusals.
        clock: where the time comes from.

    Attributes:
        strangers: sockets that have shown no credential, from the oldest on, and since
            when they have not.
    """

    def __init__(self, limits: DoorLimits, metrics: Metrics, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self.headers: Waits[Guard] = Waits(limits.header_timeout_s)
        self.idle: Waits[Guard] = Waits(limits.idle_timeout_s)
        self.frames: Waits[Guard] = Waits(limits.frame_timeout_s, _SLOWEST_BYTES_PER_S)
        self.responses: Waits[Guard] = Waits(
            limits.response_timeout_s, _SLOWEST_BYTES_PER_S
        )
        self.strangers: dict[Guard, float] = {}
        self._unsent: dict[Guard, int] = {}  # of the responses that are waited for
        self._sockets = 0
        self._metrics = metrics

    async def run(self) -> None:
        """Keep the deadlines until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            try:
                self.sweep(self.clock.monotonic())
            except Exception:  # of one socket; the others still have their deadlines
                log.exception("sweep_failed")

    def sweep(self, now: float) -> None:
        """Do what is due, and tell how many sockets there are."""
        for guard in self.headers.due(now):
            guard.refuse(Code.HEADER_TIMEOUT)
        for guard in self.frames.due(now):
            if guard.is_peers_turn:
                guard.refuse(Code.FRAME_TIMEOUT)
            else:  # it is this server that takes no more just now
                self.frames.begin(guard, now)
        for guard in self.idle.due(now):
            if guard.is_written:
                guard.close()
            else:  # a response is still on its way
                self.idle.begin(guard, now)
                self.begin_response(guard)
        self._see_responses_taken(now)
        self._thin_out(now)
        self._metrics.set("ncs_sockets", self._sockets)
        self._metrics.set("ncs_unauthenticated_sockets", len(self.strangers))

    def _see_responses_taken(self, now: float) -> None:
        for guard, before in self._unsent.items():
            left = self._unsent[guard] = guard.unsent_bytes
            self.responses.arrived(guard, max(0, before - left))
        for guard in self.responses.due(now):
            del self._unsent[guard]
            self.refused(Code.RESPONSE_TIMEOUT)
            guard.abort()

    def _thin_out(self, now: float) -> None:
        """Close the oldest strangers, if there are too many.

        The oldest, not the newest: who has a credential shows it at once, so what has
        stood about for longest is what an attacker left there. And none that has just
        come: after a restart all readers come in the same moment.
        """
        too_many = len(self.strangers) - self.limits.max_unauthenticated
        for guard, since in list(
            itertools.islice(self.strangers.items(), max(0, too_many))
        ):
            if now - since >= _STRANGER_S:
                del self.strangers[guard]
                guard.refuse(Code.TOO_MANY_UNAUTHENTICATED)

    def enter(self, guard: Guard) -> bool:
        """Count a new socket; return False if there are too many."""
        if self._sockets >= self.limits.max_sockets:
            self.refused(Code.SERVER_FULL)
            return False
        self._sockets += 1
        self.doubt(guard)
        return True

    def leave(self, guard: Guard) -> None:
        """Forget a socket that entered."""
        self._sockets -= 1
        self.strangers.pop(guard, None)
        for waits in (self.headers, self.idle, self.frames):
            waits.end(guard)
        self.end_response(guard)

    def begin_response(self, guard: Guard) -> None:
        """Give the rest of a response its time to be taken."""
        self.responses.begin(guard, self.clock.monotonic())
        self._unsent.setdefault(guard, guard.unsent_bytes)

    def end_response(self, guard: Guard) -> None:
        """Wait for it no longer."""
        self.responses.end(guard)
        self._unsent.pop(guard, None)

    def doubt(self, guard: Guard) -> None:
        """Take a socket for a stranger's."""
        self.strangers[guard] = self.clock.monotonic()

    def trust(self, guard: Guard) -> None:
        """Take a socket for one whose request or credential is there."""
        self.strangers.pop(guard, None)

    def refused(self, code: Code) -> None:
        """Count a socket that was refused or cut off."""
        self._metrics.count("ncs_sockets_refused_total", code.wire)


class Watched(Protocol):
    """A WebSocket, for which its guard keeps the deadlines."""

    @property
    def is_read(self) -> bool:
        """Whether it is the peer on whom the rest of a message waits."""

    def refuse(self, code: Code) -> None:
        """End the connection."""


class Guard(asyncio.Protocol):
    """One socket: passes everything on to aiohttp's protocol, and watches.

    A WebSocket is the protocol of its transport itself, and tells its guard.

    Args:
        door: what it belongs to.
        make_inner: makes the protocol behind it.
    """

    __slots__ = (
        "_door", "_inner", "_is_judged", "_make_inner", "_transport", "_watched",
    )  # fmt: skip

    def __init__(
        self, door: Door, make_inner: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self._door = door
        self._make_inner = make_inner
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport
        self._watched: Watched | None = None  # once it is a WebSocket
        self._is_judged = True  # by how it takes responses

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the socket in, or close it."""
        # uvloop's is one in all but its class.
        self._transport = cast(asyncio.Transport, transport)
        if not self._door.enter(self):
            self._answer(Code.SERVER_FULL)
            return
        inner = self._inner = self._make_inner()  # type: ignore[assignment]
        self._door.headers.begin(self, self._door.clock.monotonic())
        inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what has arrived."""
        if self._inner is None:
            return
        if self in self._door.idle:
            self._door.idle.end(self)
            self._door.headers.begin(self, self._door.clock.monotonic())
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that nothing more will come."""
        return None if self._inner is None else self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the socket."""
        inner, self._inner = self._inner, None
        if inner is not None:
            self._door.leave(self)
            inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that the peer reads slowly."""
        if self._inner is not None:
            if self._is_judged:
                self._door.begin_response(self)
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it has caught up."""
        if self._inner is not None:
            self._door.end_response(self)
            self._inner.resume_writing()

    # What the server calls

    @property
    def is_peers_turn(self) -> bool:
        """Whether it is the peer on whom the rest of a message waits."""
        return self._watched is not None and self._watched.is_read

    @property
    def is_written(self) -> bool:
        """Whether everything that was to be sent has left."""
        return not self._transport.get_write_buffer_size()

    @property
    def unsent_bytes(self) -> int:
        """How much the peer has yet to take, where the system tells that."""
        sock = self._transport.get_extra_info("socket")
        waiting = self._transport.get_write_buffer_size()
        return waiting + (0 if sock is None else kernel_bytes(sock.fileno()))

    def begin_request(self) -> None:
        """Take note that a header has arrived whole."""
        self._door.headers.end(self)
        self._door.trust(self)

    def end_request(self) -> None:
        """Take note that its response is made; another request may follow."""
        if self._inner is not None:
            self._door.idle.begin(self, self._door.clock.monotonic())

    def leave_to_others(self) -> None:
        """Take note that somebody else judges how it takes its response."""
        self._is_judged = False

    def show_credential(self) -> None:
        """Take note that it has shown one."""
        self._door.trust(self)

    def refuse(self, code: Code) -> None:
        """Close the socket and say why; once."""
        if self._inner is not None:
            self._answer(code)
        elif self._watched is not None:
            watched, self._watched = self._watched, None
            watched.refuse(code)
        else:
            return
        self._door.refused(code)

    # What its WebSocket calls

    def hand_over(self, watched: Watched, *, is_known: bool) -> None:
        """Let go of aiohttp's protocol; somebody else is that of the transport.

        Args:
            watched: who that is; calls `leave` in the end.
            is_known: whether the handshake showed a credential.
        """
        self._inner = None
        self._watched = watched
        if not is_known:
            self._door.doubt(self)

    def begin_frame(self) -> None:
        """Give the rest of a message its time."""
        self._door.frames.begin(self, self._door.clock.monotonic())

    def go_on(self, size: int) -> None:
        """Give it more, for so many bytes of it."""
        self._door.frames.arrived(self, size)

    def end_frame(self) -> None:
        """Wait for it no longer."""
        self._door.frames.end(self)

    def leave(self) -> None:
        """Forget the socket."""
        self._watched = None
        self._door.leave(self)

    def close(self) -> None:
        """Close the socket, without a word."""
        self._transport.close()

    def abort(self) -> None:
        """Close the socket, whatever is still to be sent."""
        self._transport.abort()

    def _answer(self, code: Code) -> None:
        """Answer a request that is not there, as aiohttp would."""
        body = orjson.dumps({"detail": code.meaning, "error_code": code.name})
        head = (
            f"HTTP/1.1 {code.http_status} {code.wire}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Retry-After: 1\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.close()


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
