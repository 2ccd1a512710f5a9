"""A live session with a server: push points, follow events, survive reconnects."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from ssl import SSLContext
from typing import Any, cast

import numpy as np

from ncs_protocol import CODECS, ScaledArray
from ncs_protocol.messages import (
    Ack,
    Epsilon,
    Event,
    EventFilter,
    EventType,
    Points,
    Position,
    ResultDetail,
    Sample,
    ServerMessage,
    Skip,
    Subscribed,
    Welcome,
)

from .backoff import Backoff
from .connection import Connection
from .core import Batch, ClientCore, Wanted
from .credential import TokenSource
from .errors import ConnectionEndedError, RefusedError
from .points import Rows, as_points
from .subscription import Subscription

__all__ = ["StreamSession"]

_SUBPROTOCOLS = {name.rpartition("+")[2]: name for name in CODECS}


class StreamSession(Connection):
    """One WebSocket session, kept up over reconnects; see `AsyncNCSClient.stream`.

    Args:
        url: `ws://` or `wss://` address of the server's `/ws`.
        token: API key or access token, or a function, asynchronous or not, that returns
            a fresh one: for every connection, and when the present one expires.
        codec: `msgpack` or `json`.
        producer: name of this sender. Its batches count exactly once under this name,
            whatever happens to the connection. Without one, a random name is used.
        streams: streams that will be pushed to; others may be too.
        connection_id: a label for the server's logs and `presence`.
        reconnect_attempts: how often in a row to try again; None for ever.
        on_reconnect: called with the number of the attempt.
        on_close: called when the session is over: with the error, or with None after
            `close` and `abort`.
        max_unacknowledged: batches that may wait for their acks before `submit` blocks.
        max_queue: events that may wait in a subscription before it rests on the
            server, until half of them are read.
        event_credit: bytes of events that may be on their way or wait in subscriptions,
            all together. Beyond it the server leaves updates out, and says so. None for
            no bound.
        backoff: waits between attempts to connect.
        core: decides what is sent, instead of one made of `producer` and `streams`.
        ssl: for `wss://`: which servers are trusted; as the system does, if left out.
    """

    def __init__(
        self,
        url: str,
        token: str | TokenSource,
        *,
        codec: str = "msgpack",
        producer: str | None = None,
        streams: Sequence[str] = ("default",),
        connection_id: str | None = None,
        reconnect_attempts: int | None = None,
        on_reconnect: Callable[[int], None] | None = None,
        on_close: Callable[[Exception | None], None] | None = None,
        max_unacknowledged: int = 1024,
        max_queue: int = 10_000,
        event_credit: int | None = None,
        backoff: Backoff | None = None,
        core: ClientCore | None = None,
        ssl: SSLContext | None = None,
    ) -> None:
        # A new life of the producer starts to count from 1 again: what an earlier one
        # had not sent is not here any more, and a higher epoch says so.
        self.core = core or ClientCore(
            "",
            producer or f"py-{uuid.uuid4().hex}",
            time.time_ns(),
            streams,
            event_credit,
            connection_id,
        )
        self.core.codec = CODECS[_SUBPROTOCOLS[codec]]
        super().__init__(
            url,
            (lambda: token) if isinstance(token, str) else token,
            self.core.codec,
            self.core,
            reconnect_attempts=reconnect_attempts,
            on_reconnect=on_reconnect,
            backoff=backoff,
            ssl=ssl,
        )
        self.max_queue = max_queue
        self._on_close = on_close
        self._aborted = False
        self._max_unacknowledged = max_unacknowledged
        self._subscriptions: set[Subscription] = set()
        self._unread = 0  # bytes of the event that arrives, until somebody claims them
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._welcomed: asyncio.Future[Welcome] | None = None
        self._futures: set[asyncio.Future[Ack]] = set()

    # Life

    async def open(self) -> Welcome:
        """Connect and return the server's `welcome`.

        Raises:
            ConnectionEndedError: if the server cannot be reached at all, or refuses.
        """
        self._welcomed = asyncio.get_running_loop().create_future()
        self._begin()
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
        await self._stop()
        self._end(ConnectionEndedError(1000, "closed"))

    async def __aenter__(self) -> StreamSession:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
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
        metadata: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Ack:
        """Send a batch and wait until it is durable and in the model.

        Args:
            points: n lists of d numbers, or an array of shape (n, d) or a table, which
                are sent packed: as float32 or float16 if they are that, else as
                float64; or a `ScaledArray`.
            stream: name of the stream.
            results: how much the ack tells of each point.
            timestamps: event time per point, epoch seconds or integer nanoseconds.
            metadata: echoed in the events that this batch causes.
            columns: the columns of a table that are the dimensions; all if left out.

        Raises:
            RefusedError: if the batch is bad; nothing of it was applied.
            ConnectionEndedError: if the session is over.
            TypeError: if something in it is no number, or cannot be encoded.
        """
        future = await self.submit(
            points,
            stream=stream,
            results=results,
            timestamps=timestamps,
            metadata=metadata,
            columns=columns,
        )
        return await future

    async def submit(
        self,
        points: Any,
        *,
        stream: str = "default",
        results: ResultDetail = "none",
        timestamps: Sequence[float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
    ) -> asyncio.Future[Ack]:
        """Send a batch and return a future of its ack; see `send`.

        Blocks while `max_unacknowledged` batches wait, also while there is no
        connection. What is submitted in one pass of the event loop goes out together,
        as far as the server gives credit; the rest follows as it acknowledges.
        """
        message = _points_message(as_points(points, columns))
        message.stream, message.results = stream, results
        message.metadata = None if metadata is None else dict(metadata)
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
        self,
        stream: str = "default",
        events: Sequence[EventType] | None = None,
        *,
        max_hz: float | None = None,
        epsilon: Epsilon | None = None,
        filter: EventFilter | None = None,
        centroids: bool = True,
        sample: Sample | None = None,
        since: Position | None = None,
    ) -> Subscription:
        """Follow a stream.

        Args:
            stream: its name; it need not have points yet.
            events: the types wanted; None for all but samples of points.
            max_hz: how often a second updates come at most.
            epsilon: how much a cluster has to change for an update.
            filter: which clusters, and how severe a drift.
            centroids: whether clusters come with theirs.
            sample: asks for samples of the points too, and how to show them; their
                arrays are NumPy's.
            since: the `position` of an earlier subscription or `ClusterView`, to go on
                from: what was missed comes first, or a snapshot if the server has no
                longer all of it.

        Raises:
            ConnectionEndedError: if the session is over.
        """
        self._raise_if_ended()
        wanted = Wanted(events, max_hz, epsilon, filter, centroids, sample)
        subscription = Subscription(stream, wanted, self.max_queue, since)

        def end() -> None:
            self._subscriptions.discard(subscription)
            self.send_now(self.core.unsubscribe(subscription.reader))

        reader = subscription.reader
        subscription.end = end
        subscription.pause = lambda: self.send_now(self.core.pause(reader))
        subscription.go_on = lambda: self.send_now(self.core.go_on(reader))
        subscription.claim = self._claim
        subscription.on_read = self._read_events
        self._subscriptions.add(subscription)
        self.send_now(self.core.subscribe(subscription.reader))
        return subscription

    def _claim(self) -> int:
        size, self._unread = self._unread, 0
        return size

    def _read_events(self, size: int) -> None:
        if size:
            self.send_now(self.core.read(size))

    # What the connection tells

    def _arriving(self, message: ServerMessage, size: int) -> None:
        if isinstance(message, Subscribed | Skip | Event):
            self._unread = size

    def _received(self, message: ServerMessage) -> None:
        self._read_events(self._claim())  # of what nobody keeps to read later
        readers = self.core.readers
        if readers.rest_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(readers.rest_s, self._ask_again)
            readers.rest_s = None
        if self.core.must_reconnect and self._socket is not None:
            self._reconnect_after_s = 0.0
            self._socket.transport.abort()
        elif isinstance(message, Welcome) and self._welcomed is not None:
            if not self._welcomed.done():
                self._welcomed.set_result(message)

    def _ask_again(self) -> None:
        self.core.readers.due()
        self.send_now(self.core.ask())

    def _unreachable(self) -> ConnectionEndedError | None:
        """The first connection has to succeed; later ones are tried again."""
        if self.core.must_reconnect:
            return None
        if self._welcomed is not None and not self._welcomed.done():
            return ConnectionEndedError(self._last_code, self._last_failure)
        return None

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
        if self._on_close is not None:
            self._on_close(None if self._aborted else error)

    def _raise_if_ended(self) -> None:
        if self._ended is not None:
            raise self._ended


def _points_message(points: Rows) -> Points:
    """Return the message for points; its seq is given later."""
    if isinstance(points, list):
        return Points(seq=1, points=points)
    return Points(seq=1, array=cast(Any, points))
