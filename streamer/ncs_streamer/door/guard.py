"""Between a socket and aiohttp's protocol: passes everything on, and tells the door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import orjson

from ncs_protocol import Code

from .door import Door
from .unsent import kernel_bytes

__all__ = ["Guard", "Watched"]


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
