"""A WebSocket between its transport and whoever reads its messages.

Takes the transport over from the HTTP server once the handshake is done, so that
nothing of a request is kept while the connection lives, and no task waits for what may
never come: its user is called when there is something to read.

Control frames are dealt with here, and so is the end: the closing handshake, and a peer
of whom nothing is heard. For that a wheel calls `tick`; there are no timers. Whatever
arrives is a sign of life. A peer that takes no bytes could not be reached by a ping, so
its silence says nothing: it is given the patience that slow readers are given.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Protocol

from ncs_protocol import Code

from .door import Guard
from .frame_reader import FrameError, FrameReader, Opcode, Received, close_code_of
from .wire import control_frame

__all__ = ["Link", "LinkUser", "Pulse"]

_UNREAD_BYTES = 128 * 1024  # beyond it the socket is not read
_UNSENT_BYTES = 64 * 1024  # beyond it pings are not answered
_CLOSE_S = 2.0  # that the peer has for closing too
_DEAD = 1.5  # heartbeats without a sign of life
_PING = control_frame(Opcode.PING, b"")


class LinkUser(Protocol):
    """Who reads a link."""

    def readable(self) -> None:
        """There is something for `Link.take`, or the link is over."""

    def end(self, code: Code) -> None:
        """The connection has to end, with this code."""

    def cut_off(self) -> None:
        """The peer takes nothing of what waits for it."""

    def let_go(self, reason: str) -> None:
        """Nothing can be sent any more, for this reason; the link will be over soon."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pulse:
    """How long a peer may be silent; one for all links of a server.

    Attributes:
        heartbeat_s: without a sign of life, before it is asked for one.
        stuck_s: in which a peer has to take some of what is to be sent to it.
    """

    heartbeat_s: float
    stuck_s: float


class Link(asyncio.Protocol):
    """See the module. Implements `Watched`.

    Args:
        transport: of the socket; this is its protocol from now on.
        guard: of the socket.
        reader: for what the peer sends.
        pulse: how long it may be silent.
        user: who reads.
        now: monotonic seconds.

    Attributes:
        is_over: whether the socket is gone; what has arrived may still be taken.
    """

    __slots__ = (
        "_close_by", "_grace", "_guard", "_has_heard", "_has_pinged", "_heard_at",
        "_is_awaited", "_is_deaf", "_is_paused", "_is_told", "_pulse", "_reader",
        "_sent_at", "_transport", "_unsent", "_user", "is_over",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        guard: Guard,
        reader: FrameReader,
        pulse: Pulse,
        user: LinkUser,
        now: float,
    ) -> None:
        self.is_over = False
        self._transport = transport
        self._guard = guard
        self._reader = reader
        self._pulse = pulse
        self._user = user
        self._close_by: float | None = None
        self._is_deaf = False  # to all that comes: it makes no sense, or is the end
        self._is_paused = False
        self._is_told = False  # that this is the end; nothing may follow that
        self._is_awaited = False  # the rest of a message, by the door
        self._grace = 0  # bytes for which that may yet win time
        self._has_heard = False
        self._has_pinged = False
        self._heard_at = self._sent_at = now
        self._unsent = 0
        transport.set_protocol(self)

    # What the transport calls

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        self._has_heard = True
        if self._is_deaf:
            return
        reader = self._reader
        reader.feed(data)
        if self._is_awaited:
            # No more than a message can have: empty fragments, and pings between them,
            # would keep it from ending for ever.
            counts = min(len(data), self._grace)
            self._grace -= counts
            self._guard.go_on(counts)
        if reader.waiting_bytes > _UNREAD_BYTES and reader.is_ready:
            self._is_paused = True
            self._transport.pause_reading()
        self._user.readable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let what has arrived be taken, and then nothing more."""
        self._guard.leave()
        self.is_over = True
        self._user.readable()

    # What the user calls

    def take(self) -> Received | None:
        """Return the next message; None if none is there."""
        try:
            while not self._is_deaf and (received := self._reader.read()) is not None:
                if received.opcode <= Opcode.BINARY:
                    self._await(False)
                    return received
                self._control(received)
        except FrameError as error:
            self._is_deaf = True
            too_big = Code.FRAME_TOO_LARGE
            self._user.let_go(too_big.wire if error.is_too_big else "broken")
            self.close(error.close_code, str(error).encode())
        self._await(self._reader.is_inside and not self._is_deaf)
        if self._is_paused and not self.is_over:
            self._is_paused = False
            self._transport.resume_reading()
        return None

    def allow(self, max_bytes: int) -> None:
        """Take messages of so many bytes from now on."""
        self._reader.max_bytes = max_bytes

    def close(self, code: int, reason: bytes) -> None:
        """Tell the peer that this is the end.

        The socket is read on until the peer has closed too: closed while there is
        something to read it would be reset, and the peer might lose the last it was
        told, which is why.
        """
        self._tell_end(code.to_bytes(2, "big") + reason)

    def end_by(self, when: float) -> None:
        """Cut the connection then, if it is not over."""
        if self._close_by is None:
            self._close_by = when

    def tick(self, now: float) -> None:
        """Do what is due; about once a second."""
        if self._close_by is None and self._is_deaf:
            self._close_by = now + _CLOSE_S
        if self._close_by is not None:
            if now >= self._close_by:
                self._transport.abort()  # nothing, if it is gone
            return
        unsent = self._transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._sent_at = unsent, now
        pulse, silent = self._pulse, now - self._heard_at
        if self._has_heard or self._is_paused:
            self._has_heard = self._has_pinged = False
            self._heard_at = now
        elif unsent:
            self._has_pinged = False
            self._heard_at = max(self._heard_at, now - pulse.heartbeat_s)
        elif silent >= _DEAD * pulse.heartbeat_s:
            self._user.let_go("heartbeat")
            self._transport.abort()
        elif silent >= pulse.heartbeat_s and not self._has_pinged:
            self._has_pinged = True
            self._write(_PING)
        if unsent and now - self._sent_at >= pulse.stuck_s:
            self._user.cut_off()

    # What the door asks

    @property
    def is_read(self) -> bool:
        """Whether it is the peer on whom the rest of a message waits."""
        return not self._is_paused and not self._reader.is_ready

    def refuse(self, code: Code) -> None:
        """End the connection."""
        self._user.end(code)

    def _await(self, is_awaited: bool) -> None:
        """Let the door watch the rest of a message, or not."""
        if is_awaited is not self._is_awaited:
            self._is_awaited = is_awaited
            if is_awaited:
                self._grace = self._reader.max_bytes
                self._guard.begin_frame()
            else:
                self._guard.end_frame()

    # Control frames

    def _control(self, received: Received) -> None:
        if received.opcode == Opcode.CLOSE:
            code = close_code_of(received.payload)
            self._is_deaf = True
            self._tell_end(received.payload[:2] if code != 1005 else b"")
            self._transport.close()
        elif (
            received.opcode == Opcode.PING
            and not self._is_told
            and self._transport.get_write_buffer_size() < _UNSENT_BYTES
        ):
            self._write(control_frame(Opcode.PONG, received.payload))

    def _tell_end(self, payload: bytes) -> None:
        if not self._is_told:
            self._is_told = True
            self._write(control_frame(Opcode.CLOSE, payload))

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
