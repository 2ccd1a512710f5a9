"""A live session with a server: push points, follow events, survive reconnects."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, cast

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from ncs_protocol import CODECS, Code, Codec, NcsError, Retry, ScaledArray
from ncs_protocol.messages import (
    Ack,
    Auth,
    ClientMessage,
    Draining,
    Error,
    EventType,
    Points,
    ResultDetail,
    TokenExpiring,
    Welcome,
)

from .backoff import Backoff
from .core import Batch, ClientCore
from .errors import ConnectionEndedError, RefusedError, close_is_final
from .subscription import Subscription

__all__ = ["StreamSession"]

_SUBPROTOCOLS = {name.rpartition("+")[2]: name for name in CODECS}
_CLOSING_S = 5.0
_STEADY_S = 5.0  # a connection that held this long was a success


class StreamSession:
    """One WebSocket session, kept up over reconnects; see `AsyncNCSClient.stream`.

    Args:
        url: `ws://` or `wss://` address of the server's `/ws`.
        token: API key or access token, or a function that returns a fresh one for every
            connection.
        codec: `msgpack` or `json`.
        producer: name of this sender. Its batches count exactly once under this name,
            whatever happens to the connection. Without one, a random name is used.
        streams: streams that will be pushed to; others may be too.
        reconnect_attempts: how often in a row to try again; None for ever.
        on_reconnect: called with the number of the attempt.
        max_unacknowledged: batches that may wait for their acks before `submit` blocks.
        max_queue: events that may wait in a subscription before it fails.
        backoff: waits between attempts to connect.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        codec: str = "msgpack",
        producer: str | None = None,
        streams: Sequence[str] = ("default",),
        reconnect_attempts: int | None = None,
        on_reconnect: Callable[[int], None] | None = None,
        max_unacknowledged: int = 1024,
        max_queue: int = 10_000,
        backoff: Backoff | None = None,
    ) -> None:
        self.max_queue = max_queue
        self._aborted = False
        self._url = url
        self._token: Callable[[], str]
        self._token = (lambda: token) if isinstance(token, str) else token
        self._codec: Codec = CODECS[_SUBPROTOCOLS[codec]]
        self._attempts = reconnect_attempts
        self._on_reconnect = on_reconnect
        self._max_unacknowledged = max_unacknowledged
        self._backoff = backoff or Backoff()
        # A new life of the producer starts to count from 1 again: what an earlier one
        # had not sent is not here any more, and a higher epoch says so.
        self.core = ClientCore(
            "", producer or f"py-{uuid.uuid4().hex}", time.time_ns(), streams
        )
        self._socket: ClientConnection | None = None
        self._subscriptions: set[Subscription] = set()
        self._outgoing: deque[ClientMessage] = deque()
        self._to_send = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._welcomed: asyncio.Future[Welcome] | None = None
        self._futures: set[asyncio.Future[Ack]] = set()
        self._ended: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self._reconnect_after_s: float | None = None

    # Life

    async def open(self) -> Welcome:
        """Connect and return the server's `welcome`.

        Raises:
            ConnectionEndedError: if the server cannot be reached at all, or refuses.
        """
        self._welcomed = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())
        try:
            return await self._welcomed
        except asyncio.CancelledError:
            await self.abort()
            raise

    async def close(self) -> None:
        """Wait until everything submitted is acknowledged, then end the session."""
        await self.drain()
        await self.abort()

    async def drain(self) -> None:
        """Wait until everything submitted is acknowledged or refused."""
        while self._futures and self._ended is None:
            await asyncio.wait(tuple(self._futures))

    async def abort(self) -> None:
        """End the session at once; what is not acknowledged may be lost."""
        self._aborted = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end(ConnectionEndedError(1000, "closed"))

    async def __aenter__(self) -> StreamSession:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await (self.close() if kind is None else self.abort())

    @property
    def welcome(self) -> Welcome | None:
        """The server's `welcome` of the present connection."""
        return self.core.welcome

    # Points

    async def send(
        self,
        points: Any,
        *,
        stream: str = "default",
        results: ResultDetail = "none",
        timestamps: Sequence[float] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Ack:
        """Send a batch and wait until it is durable and in the model.

        Args:
            points: n lists of d numbers, or an array of shape (n, d) (sent packed, as
                float32 unless it is float64 or a `ScaledArray`).
            stream: name of the stream.
            results: how much the ack tells of each point.
            timestamps: event time per point, epoch seconds or integer nanoseconds.
            metadata: echoed in the events that this batch causes.

        Raises:
            RefusedError: if the batch is bad; nothing of it was applied.
            ConnectionEndedError: if the session is over.
            TypeError: if something in `metadata` or `timestamps` cannot be encoded.
        """
        future = await self.submit(
            points,
            stream=stream,
            results=results,
            timestamps=timestamps,
            metadata=metadata,
        )
        return await future

    async def submit(
        self,
        points: Any,
        *,
        stream: str = "default",
        results: ResultDetail = "none",
        timestamps: Sequence[float] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> asyncio.Future[Ack]:
        """Send a batch and return a future of its ack; see `send`.

        Blocks while `max_unacknowledged` batches wait, also while there is no
        connection.
        """
        message = _points_message(points)
        message.stream, message.results = stream, results
        message.metadata = metadata
        if timestamps is not None:
            message.timestamps = np.asarray(timestamps).tolist()
        if metadata or timestamps is not None or isinstance(points, ScaledArray):
            self._codec.encode(message)  # what cannot be encoded fails here, for itself
        while self.core.unacknowledged >= self._max_unacknowledged:
            self._has_room.clear()
            self._raise_if_ended()
            await self._has_room.wait()
        self._raise_if_ended()
        future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._futures.add(future)

        def settle(outcome: Ack | RefusedError) -> None:
            self._futures.discard(future)
            self._has_room.set()
            if future.done():
                return
            if isinstance(outcome, Ack):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        self.send_now(self.core.add(Batch(message, settle)))
        return future

    # Events

    async def subscribe(
        self, stream: str = "default", events: Sequence[EventType] | None = None
    ) -> Subscription:
        """Follow a stream.

        Args:
            stream: its name; it need not have points yet.
            events: the types wanted; None for all.

        Raises:
            ConnectionEndedError: if the session is over.
        """
        self._raise_if_ended()
        subscription = Subscription(stream, events, self.max_queue)

        def end() -> None:
            self._subscriptions.discard(subscription)
            self.send_now(self.core.unsubscribe(subscription.reader))

        subscription.end = end
        self._subscriptions.add(subscription)
        self.send_now(self.core.subscribe(subscription.reader))
        return subscription

    # The connection

    def send_now(self, messages: Sequence[ClientMessage]) -> None:
        """Queue messages for the present connection."""
        if messages and self._socket is not None:
            self._outgoing.extend(messages)
            self._to_send.set()

    async def _run(self) -> None:
        """Keep a connection up until the session ends."""
        try:
            await self._reconnect_until_ended()
        except Exception as unexpected:
            self._end(unexpected)

    async def _reconnect_until_ended(self) -> None:
        while self._ended is None:
            began = time.monotonic()
            error = await self._connection()
            if time.monotonic() - began > _STEADY_S:
                self._backoff.reset()
            if error is not None:
                self._end(error)
                return
            if self._attempts is not None and self._backoff.attempt >= self._attempts:
                self._end(ConnectionEndedError(None, self._last_failure))
                return
            wait = self._backoff.next_s()
            if self._reconnect_after_s is not None:
                wait, self._reconnect_after_s = self._reconnect_after_s, None
            await asyncio.sleep(wait)
            if self._on_reconnect is not None:
                self._on_reconnect(self._backoff.attempt)

    _last_failure = "the connection was lost"

    async def _connection(self) -> ConnectionEndedError | None:
        """Run one connection to its end; return an error if it is the end of all."""
        self.core.token = self._token()
        try:
            async with connect(
                self._url,
                subprotocols=[Subprotocol(self._codec.subprotocol)],
                compression=None,
                max_size=None,
            ) as socket:
                self._socket = socket
                self._outgoing.clear()
                self.send_now(self.core.connected())
                writer = asyncio.create_task(self._write(socket))
                try:
                    await self._read(socket)
                finally:
                    self._socket = None
                    self.core.welcome = None
                    writer.cancel()
                    await asyncio.gather(writer, return_exceptions=True)
                return self._closed(socket.close_code, socket.close_reason)
        except InvalidStatus as error:
            body = (error.response.body or b"")[:300].decode(errors="replace")
            status = error.response.status_code
            self._last_failure = f"HTTP {status}: {body}"
            if status < 500 and status not in (408, 429):
                return ConnectionEndedError(None, self._last_failure)
            return self._unreachable()
        except (OSError, TimeoutError, EOFError, InvalidHandshake) as error:
            self._last_failure = f"cannot connect to {self._url}: {error}"
            return self._unreachable()

    def _unreachable(self) -> ConnectionEndedError | None:
        """The first connection has to succeed; later ones are tried again."""
        if self._welcomed is not None and not self._welcomed.done():
            return ConnectionEndedError(None, self._last_failure)
        return None

    def _closed(
        self, code: int | None, reason: str | None
    ) -> ConnectionEndedError | None:
        self._last_failure = f"connection closed: {code} {reason or ''}".strip()
        if close_is_final(code):
            return ConnectionEndedError(code, reason or "")
        if code == Code.TOKEN_EXPIRED.close_code and self._token() == self.core.token:
            return ConnectionEndedError(code, f"{reason}; log in again")
        return self._unreachable()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                try:
                    message = self._codec.decode_server(frame)
                except NcsError as error:
                    if error.code is Code.UNKNOWN_TYPE:
                        continue  # of a newer server; what it adds may be ignored
                    raise
                if isinstance(message, TokenExpiring):
                    self._renew_token()
                if isinstance(message, Draining):
                    self._reconnect_after_s = message.reconnect_after_ms / 1000
                if isinstance(message, Error):
                    self._wait_as_told(message, socket)
                self.send_now(self.core.receive(message))
                if isinstance(message, Welcome) and self._welcomed is not None:
                    if not self._welcomed.done():
                        self._welcomed.set_result(message)
        except ConnectionClosed:
            pass
        except NcsError as error:
            self._end(ConnectionEndedError(None, f"not understood: {error}"))

    def _renew_token(self) -> None:
        """Give the server the token that replaces the present one, if there is one."""
        token = self._token()
        if token != self.core.token:
            self.core.token = token
            self.send_now([Auth(id="renewed", token=token)])

    def _wait_as_told(self, error: Error, socket: ClientConnection) -> None:
        loop, stream = asyncio.get_running_loop(), error.stream
        if error.retry == Retry.LATER and stream is not None:
            loop.call_later(
                error.retry_after or 1.0,
                lambda: self.send_now(self.core.resume(stream)),
            )
        elif error.retry == Retry.RECONNECT:
            # The server closes such a connection, as a rule, once it has answered what
            # is in flight.
            loop.call_later(_CLOSING_S, socket.transport.abort)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                while self._outgoing:
                    frame = self._codec.encode(self._outgoing.popleft())
                    await socket.send(frame, text=not self._codec.binary)
                self._to_send.clear()
                await self._to_send.wait()
        except ConnectionClosed:
            pass
        except Exception as error:
            self._end(error)
            await socket.close()

    def _end(self, error: Exception) -> None:
        """End the session for everyone who waits on it."""
        if self._ended is not None:
            return
        self._ended = error
        if self._welcomed is not None and not self._welcomed.done():
            self._welcomed.set_exception(error)
        for future in tuple(self._futures):
            if not future.done():
                future.set_exception(error)
                future.exception()  # who awaits it is told; who does not need not be
        self._futures.clear()
        for subscription in tuple(self._subscriptions):
            if self._aborted:
                subscription.finish()
            else:
                subscription.fail(error)
        self._has_room.set()

    def _raise_if_ended(self) -> None:
        if self._ended is not None:
            raise self._ended


def _points_message(points: Any) -> Points:
    """Return the message for lists or arrays; its seq is given later."""
    if isinstance(points, ScaledArray):
        return Points(seq=1, array=cast(Any, points))
    if isinstance(points, np.ndarray):
        packable = points.dtype in (np.float64, np.float32, np.float16)
        return Points(seq=1, array=points if packable else points.astype(np.float64))
    return Points(seq=1, points=[list(map(float, point)) for point in points])
