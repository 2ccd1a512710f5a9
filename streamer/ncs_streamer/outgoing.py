"""The outgoing half of a connection: straight to the transport, or into the outbox.

There is no writing task. What is sent is written at once as long as nothing waits and
the transport's own buffer is short; else it waits in the outbox, which the server's one
wheel (see `fanout`) drains when there is room again. All of it happens between two
awaits, so that frames of the socket's library (pings, the closing handshake) come
between these frames and never inside one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ncs_protocol.messages import ServerMessage, Subscribed

from .lanes import Lanes
from .outbox import Outbox, Patience
from .wire import Frame, WebSocketWire, Wire

__all__ = ["Outgoing"]

_BUFFER_BYTES = 64 * 1024  # in the transport; beyond it a connection is behind
_DRAIN_BYTES = 256 * 1024  # written at once
_MOST_CREDIT = 2**30
_COMPRESS_FROM = 1024
_POLL_S = 0.02


class Outgoing:
    """See the module. Implements `Outlet`.

    Args:
        transport: of the socket.
        wire: how messages become bytes.
        patience: how much may wait.
        monotonic: a clock that never goes back.
        on_waiting: called when there is something that `attend` has to do soon.
        on_owed: called with the lanes to which a snapshot is owed and can be sent.
        on_hopeless: called when the connection has to be ended.
        window_bits: of permessage-deflate, or 0 without it.
    """

    __slots__ = (
        "_closed", "_is_closing", "_monotonic", "_on_hopeless", "_on_owed",
        "_on_waiting", "_size", "_window_bits", "_wire", "_write", "outbox",
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        wire: Wire,
        patience: Patience,
        *,
        monotonic: Callable[[], float],
        on_waiting: Callable[[Outgoing], None],
        on_owed: Callable[[Lanes], None],
        on_hopeless: Callable[[], None],
        window_bits: int = 0,
    ) -> None:
        self.outbox = Outbox(patience, self.frame)
        self._wire = wire
        self._monotonic = monotonic
        self._on_waiting = on_waiting
        self._on_owed = on_owed
        self._on_hopeless = on_hopeless
        self._window_bits = window_bits
        self._closed = False
        self._write = transport.write
        self._size = transport.get_write_buffer_size
        self._is_closing = transport.is_closing

    def send(self, message: ServerMessage) -> None:
        """Send an answer; it does not wait for events, nor for credit."""
        if self._closed:
            return
        frame, outbox = self.frame(message), self.outbox
        if not outbox.has_replies and self._size() < _BUFFER_BYTES:
            if not self._is_closing():
                self._write(frame.data)
            return
        outbox.reply(frame, self._monotonic())
        self._wait()

    def write(self, data: bytes, size: int) -> bool:
        """See `Outlet.write`."""
        outbox = self.outbox
        if (
            not outbox.is_empty
            or not outbox.has_credit
            or self._size() >= _BUFFER_BYTES
            or self._closed
        ):
            return False
        if not self._is_closing():
            self._write(data)
            outbox.spend(size)
        return True

    def frame(self, message: ServerMessage) -> Frame:
        """See `Outlet.frame`."""
        payload = self._wire.codec.encode(message)
        if (
            self._window_bits
            and isinstance(self._wire, WebSocketWire)
            and isinstance(message, Subscribed)
            and len(payload) >= _COMPRESS_FROM
        ):
            return self._wire.compressed_frame(payload, self._window_bits)
        return self._wire.frame(payload)

    def drain(self, now: float) -> None:
        """See `Outlet.drain`."""
        outbox = self.outbox
        if self._closed or self._is_closing():
            return
        if not outbox.is_empty:
            outbox.check(now)
        if not outbox.hopeless and self._size() < _BUFFER_BYTES:
            frames = outbox.take(_DRAIN_BYTES, now)
            if frames:
                self._write(b"".join(frames))
        for lanes in outbox.owing():
            if not lanes.is_asked:
                lanes.is_asked = True
                self._on_owed(lanes)
        self._wait()

    def attend(self, now: float) -> None:
        """Do what is due: write what waits, or have the connection ended."""
        self.drain(now)
        if self.outbox.hopeless and not self._closed:
            self._on_hopeless()

    def grant(self, size: int) -> None:
        """Let so many bytes more of events be sent."""
        self.outbox.grant(size, _MOST_CREDIT)
        self.drain(self._monotonic())

    async def flushed(self) -> None:
        """Wait until all answers are written."""
        while self.outbox.has_replies and not self._is_closing():
            self.drain(self._monotonic())
            await asyncio.sleep(_POLL_S)

    def close(self) -> None:
        """Take nothing any more."""
        self._closed = True
        self.outbox.clear()

    def _wait(self) -> None:
        if not self.outbox.is_empty or self.outbox.hopeless:
            self._on_waiting(self)
