"""A WebSocket to a server that is made again whenever it breaks, and feeds a core.

It knows frames, waits and close codes. What is sent and what an answer means is the
core's affair: the same connection carries a live session and a lane of a gateway.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from ssl import SSLContext
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.typing import Subprotocol

from ncs_protocol import Code, Codec, NcsError, Retry
from ncs_protocol.messages import (
    Auth,
    ClientMessage,
    Draining,
    Error,
    ServerMessage,
    TokenExpiring,
    Welcome,
)

from .backoff import Backoff
from .credential import TokenSource, fresh
from .errors import ConnectionEndedError, close_is_final

__all__ = ["Connection", "Core", "Outgoing"]

_FRAMES_A_WRITE = 64
_BYTES_A_WRITE = 64 * 1024
_CLOSING_S = 5.0
_STEADY_S = 5.0  # a connection that held this long was a success
_WELCOME_S = 20.0  # for the answer to `hello`
_PROBE_S = 10.0  # for an answer, when in doubt whether the peer is there
_LONGEST_S = 3600.0  # whatever a draining server says

"""Returns a credential, at once or later."""

Outgoing = ClientMessage | bytes
"""A message to be encoded, or a frame that is ready."""


class Core(Protocol):
    """Decides what is sent. No I/O on the network, called from one event loop only."""

    token: str
    """Credential for the next `hello`."""
    welcome: Welcome | None
    """The last one; None while not connected."""

    def connected(self) -> Sequence[Outgoing]:
        """Return what to send on a new connection, `hello` first."""

    def receive(self, message: ServerMessage) -> Sequence[Outgoing]:
        """Take a message of the server; return what to send."""

    def resume(self, stream: str) -> Sequence[Outgoing]:
        """Go on with a stream that a refusal paused; return what to send."""


class Connection:
    """See the module.

    Args:
        url: `ws://` or `wss://` address of the server's `/ws`.
        token: returns a credential, asked for every connection, and when the server
            says that the present one expires.
        codec: how messages are encoded.
        core: decides what is sent.
        reconnect_attempts: how often in a row to try again; None for ever.
        on_reconnect: called with the number of the attempt.
        backoff: waits between attempts to connect.
        ssl: with whom TLS is spoken and how; that of the system, if left out.
    """

    def __init__(
        self,
        url: str,
        token: TokenSource,
        codec: Codec,
        core: Core,
        *,
        reconnect_attempts: int | None = None,
        on_reconnect: Callable[[int], None] | None = None,
        backoff: Backoff | None = None,
        ssl: SSLContext | None = None,
    ) -> None:
        self._url = url
        self._ssl = (ssl or True) if url.startswith("wss:") else None
        self._token = token
        self._codec = codec
        self._core = core
        self._attempts = reconnect_attempts
        self._on_reconnect = on_reconnect
        self._backoff = backoff or Backoff()
        self._socket: ClientConnection | None = None
        self._outgoing: deque[Outgoing] = deque()
        self._to_send = asyncio.Event()
        self._ended: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self._reconnect_after_s: float | None = None
        self._last_failure = "the connection was lost"
        self._last_code: int | None = None  # of the close frame, if one came
        self._expired_token: str | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._greeted = asyncio.Event()
        self._welcomed_at = 0.0
        self._was_welcomed = False
        self._heard = 0  # frames

    # For who builds on it

    def _begin(self) -> None:
        """Start to connect."""
        self._task = asyncio.create_task(self._run())

    async def _stop(self) -> None:
        """End the connection and its task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _arriving(self, message: ServerMessage, size: int) -> None:
        """Take note of a message of `size` bytes, before the core does."""

    def _received(self, message: ServerMessage) -> None:
        """Take note of a message, after the core did."""

    def _unreachable(self) -> ConnectionEndedError | None:
        """Return the error if what failed just now shall not be tried again."""
        return None

    async def _rest(self, wait_s: float) -> None:
        """Wait before the next attempt to connect."""
        await asyncio.sleep(wait_s)

    def _end(self, error: Exception) -> None:
        """Take note that the connection has ended for good."""
        self._ended = self._ended or error

    def send_now(self, messages: Sequence[Outgoing]) -> None:
        """Queue messages for the present connection.

        What is queued in one pass of the event loop leaves in one write; and before the
        pass ends if it is much, so that the server can begin.
        """
        socket = self._socket
        if messages and socket is not None:
            self._outgoing.extend(messages)
            self._to_send.set()
            if (
                len(self._outgoing) >= _FRAMES_A_WRITE
                and socket.state is State.OPEN
                and not socket.transport.get_write_buffer_size()
            ):
                self._put(socket, self._taken())

    # The connection

    async def _run(self) -> None:
        """Keep a connection up until it has ended for good."""
        try:
            await self._reconnect_until_ended()
        except Exception as unexpected:
            self._end(unexpected)

    async def _reconnect_until_ended(self) -> None:
        while self._ended is None:
            self._greeted.clear()
            error = await self._connection()
            if (
                self._greeted.is_set()
                and time.monotonic() - self._welcomed_at > _STEADY_S
            ):
                self._backoff.reset()
            if error is not None:
                self._end(error)
                return
            if self._attempts is not None and self._backoff.attempt >= self._attempts:
                self._end(ConnectionEndedError(self._last_code, self._last_failure))
                return
            wait = self._backoff.next_s()
            if self._reconnect_after_s is not None:
                wait, self._reconnect_after_s = self._reconnect_after_s, None
            await self._rest(wait)
            if self._on_reconnect is not None:
                self._on_reconnect(self._backoff.attempt)

    async def _connection(self) -> ConnectionEndedError | None:
        """Run one connection to its end; return an error if it is the end of all."""
        self._last_code = None
        try:
            token = await fresh(self._token)
        except Exception as error:  # whatever the user's function raises
            self._last_failure = f"no token: {error}"
            return self._unreachable()
        if token == self._expired_token:
            why = "the token has expired, and there is no fresh one; log in again"
            return ConnectionEndedError(Code.TOKEN_EXPIRED.close_code, why)
        self._core.token, self._expired_token = token, None
        try:
            async with connect(
                self._url,
                subprotocols=[Subprotocol(self._codec.subprotocol)],
                ssl=self._ssl,
                compression=None,
                max_size=None,
                ping_interval=None,  # see `_watch`
            ) as socket:
                await self._use(socket)
            return self._closed(socket.close_code, socket.close_reason)
        except InvalidStatus as error:
            body = (error.response.body or b"")[:300].decode(errors="replace")
            status = error.response.status_code
            self._last_failure = f"HTTP {status}: {body}"
            # Once it was let in, a refusal is of what stands before the server now.
            if status < 500 and status not in (408, 429) and not self._was_welcomed:
                return ConnectionEndedError(None, self._last_failure)
            return self._unreachable()
        except (OSError, TimeoutError, EOFError, InvalidHandshake) as error:
            self._last_failure = f"cannot connect to {self._url}: {error}"
            return self._unreachable()

    async def _use(self, socket: ClientConnection) -> None:
        """Read and write until the connection is closed."""
        self._socket = socket
        self._outgoing.clear()
        self.send_now(self._core.connected())
        tasks = [
            asyncio.create_task(self._write(socket)),
            asyncio.create_task(self._watch(socket)),
        ]
        try:
            await self._read(socket)
        finally:
            self._socket = None
            self._core.welcome = None
            if self._renewing is not None:
                tasks.append(self._renewing)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _closed(
        self, code: int | None, reason: str | None
    ) -> ConnectionEndedError | None:
        self._last_failure = f"connection closed: {code} {reason or ''}".strip()
        self._last_code = None if code == CloseCode.ABNORMAL_CLOSURE else code
        if close_is_final(code):
            return ConnectionEndedError(code, reason or "")
        if code == Code.TOKEN_EXPIRED.close_code:
            self._expired_token = self._core.token
        return self._unreachable()

    async def _watch(self, socket: ClientConnection) -> None:
        """Leave a peer that does not answer."""
        try:
            async with asyncio.timeout(_WELCOME_S):
                await self._greeted.wait()
            while True:
                welcome, heard = self._core.welcome, self._heard
                beat_s = max(1.0, welcome.heartbeat_s if welcome else _WELCOME_S)
                await asyncio.sleep(beat_s)
                if self._heard == heard:
                    async with asyncio.timeout(min(_PROBE_S, beat_s)):
                        await (await socket.ping())
        except TimeoutError:
            socket.transport.abort()
        except ConnectionClosed:
            pass

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while True:
                frame = await socket.recv(decode=False)
                self._heard += 1
                try:
                    message = self._codec.decode_server(frame)
                except NcsError as error:
                    if error.code is Code.UNKNOWN_TYPE:
                        continue  # of a newer server; what it adds may be ignored
                    raise
                if isinstance(message, Welcome):
                    self._welcomed_at = time.monotonic()
                    self._was_welcomed = True
                    self._greeted.set()
                if isinstance(message, TokenExpiring):
                    self._renewing = asyncio.create_task(self._renew_token())
                if isinstance(message, Draining):
                    wait_s = message.reconnect_after_ms / 1000
                    self._reconnect_after_s = min(wait_s, _LONGEST_S)
                if isinstance(message, Error):
                    self._wait_as_told(message, socket)
                self._arriving(message, len(frame))
                self.send_now(self._core.receive(message))
                self._received(message)
        except ConnectionClosed:
            pass
        except NcsError as error:
            self._end(ConnectionEndedError(None, f"not understood: {error}"))

    async def _renew_token(self) -> None:
        """Give the server the token that replaces the present one, if there is one."""
        token = await fresh(self._token)
        if token != self._core.token:
            self._core.token = token
            self.send_now([Auth(id="renewed", token=token)])

    def _wait_as_told(self, error: Error, socket: ClientConnection) -> None:
        loop, stream = asyncio.get_running_loop(), error.stream
        if error.retry == Retry.LATER and stream is not None:
            loop.call_later(
                error.retry_after or 1.0,
                lambda: self.send_now(self._core.resume(stream)),
            )
        elif error.retry == Retry.RECONNECT:
            # The server closes such a connection, as a rule, once it has answered what
            # is in flight.
            loop.call_later(_CLOSING_S, socket.transport.abort)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                while self._outgoing:
                    *frames, last = self._taken()
                    if frames and socket.state is State.OPEN:
                        self._put(socket, frames)
                    # And this waits until what was written has gone out.
                    await socket.send(last, text=not self._codec.binary)
                self._to_send.clear()
                await self._to_send.wait()
        except ConnectionClosed:
            pass
        except Exception as error:
            self._end(error)
            await socket.close()

    def _taken(self) -> list[bytes]:
        """Remove and return the frames of the next write, one at least."""
        frames: list[bytes] = []
        size = 0
        while self._outgoing and (not frames or size < _BYTES_A_WRITE):
            message = self._outgoing.popleft()
            if not isinstance(message, bytes):
                message = self._codec.encode(message)
            frames.append(message)
            size += len(message)
        return frames

    def _put(self, socket: ClientConnection, frames: list[bytes]) -> None:
        """Write frames to an open socket, all in one."""
        protocol = socket.protocol
        send = protocol.send_binary if self._codec.binary else protocol.send_text
        for frame in frames:
            send(frame)
        socket.transport.write(b"".join(protocol.data_to_send()))
