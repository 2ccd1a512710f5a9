"""A live session that calls back: the documented face of streaming.

Everything is told one after the other, in order, and an asynchronous callback is waited
for. While it works, events wait; the server sends no more than `event_credit` bytes
ahead, and then fewer updates, so a slow callback costs no memory and loses nothing that
is lossless.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import msgspec

from ncs_protocol.messages import (
    Ack,
    CaughtUp,
    Epsilon,
    EventFilter,
    EventType,
    Lagging,
    ResultDetail,
    Sample,
    Subscribed,
)

from .core import Incoming
from .errors import ConnectionEndedError, NcsClientError
from .points import Rows, as_point, as_points
from .stream import StreamSession
from .subscription import Subscription

__all__ = ["CallbackStream", "StreamingOptions"]

_STOP_S = 30.0

log = logging.getLogger("ncs_client")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StreamingOptions:
    """What `start_streaming` takes.

    Attributes:
        on_message: called with each event as a dict ``{"type": ..., "data": ...}``.
        on_error: called with an exception that nobody else waits for: what a callback
            raised, why events end, why the session ended.
        on_reconnect: called with the number of the attempt.
        on_close: called without arguments, last.
        connection_id: a label for the server's logs and `presence`.
        reconnect_attempts: how often in a row to try again; None for ever.
        stream: the stream that is meant.
        codec: `msgpack` or `json`.
        producer: name of this sender; see `StreamSession`.
        max_unacknowledged: batches that may wait for their acks.
        event_credit: bytes of events that may be on their way or wait.
        events: types of events; None for all but samples of points and `presence`.
        max_hz: how often a second updates come at most.
        epsilon: how much a cluster has to change for an update.
        filter: which clusters, and how severe a drift.
        centroids: whether clusters come with theirs.
        sample: asks for samples of the points too.
    """

    on_message: Callable[[dict[str, Any]], object] | None = None
    on_error: Callable[[Exception], object] | None = None
    on_reconnect: Callable[[int], object] | None = None
    on_close: Callable[[], object] | None = None
    connection_id: str | None = None
    reconnect_attempts: int | None = None
    stream: str = "default"
    codec: str = "msgpack"
    producer: str | None = None
    max_unacknowledged: int = 1024
    event_credit: int = 1024 * 1024
    events: Sequence[EventType] | None = None
    max_hz: float | None = None
    epsilon: Epsilon | None = None
    filter: EventFilter | None = None
    centroids: bool = True
    sample: Sample | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> StreamingOptions:
        """Return options from what a user gave, in snake_case or camelCase.

        Raises:
            TypeError: for a name that is no option.
        """
        names = {re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", n): n for n in given}
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := names.keys() - known:
            raise TypeError(f"start_streaming has no option {names[min(unknown)]!r}")
        return cls(**{name: given[spelt] for name, spelt in names.items()})


class CallbackStream:
    """A live session that calls back, opened by `start_streaming`.

    Args:
        session_of: makes the session.
        options: see `StreamingOptions`.

    Attributes:
        session: the session beneath, for what is not here.
    """

    def __init__(
        self, session_of: Callable[..., StreamSession], options: StreamingOptions
    ) -> None:
        self._over: asyncio.Future[Exception | None]
        self._over = asyncio.get_running_loop().create_future()
        self.session = session_of(
            codec=options.codec,
            producer=options.producer,
            streams=[options.stream],
            connection_id=options.connection_id,
            reconnect_attempts=options.reconnect_attempts,
            on_reconnect=self._reconnecting,
            on_close=self._over.set_result,
            max_unacknowledged=options.max_unacknowledged,
            event_credit=options.event_credit,
        )
        self._options = options
        self._telling: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and begin to call back.

        Raises:
            ConnectionEndedError: if the server cannot be reached or refuses.
        """
        options = self._options
        await self.session.open()
        subscription = None
        if options.on_message is not None:
            subscription = await self.session.subscribe(
                options.stream,
                options.events,
                max_hz=options.max_hz,
                epsilon=options.epsilon,
                filter=options.filter,
                centroids=options.centroids,
                sample=options.sample,
            )
        self._task = asyncio.create_task(self._run(subscription))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # Points

    async def send_point(
        self,
        point: Any,
        metadata: Mapping[str, Any] | None = None,
        *,
        timestamp: float | None = None,
        results: ResultDetail = "none",
    ) -> Ack:
        """Send one point and wait until it is durable and in the model.

        Args:
            point: d numbers, or a row of a table.
            metadata: echoed in the events that it causes.
            timestamp: its event time: epoch seconds, or integer nanoseconds.
            results: how much the ack tells of it.

        Raises:
            RefusedError: if the point is bad; the session goes on.
            ConnectionEndedError: if the session is over.
        """
        timestamps = None if timestamp is None else [timestamp]
        return await self._send(as_point(point), results, timestamps, metadata)

    async def send_batch(
        self,
        points: Any,
        metadata: Mapping[str, Any] | None = None,
        *,
        timestamps: Sequence[float] | None = None,
        columns: Sequence[str] | None = None,
        results: ResultDetail = "none",
    ) -> Ack:
        """Send points and wait until they are durable and in the model.

        See `StreamSession.send`. Several may be on their way at the same time.
        """
        rows = as_points(points, columns)
        return await self._send(rows, results, timestamps, metadata)

    async def _send(
        self,
        points: Rows,
        results: ResultDetail,
        timestamps: Sequence[float] | None,
        metadata: Mapping[str, Any] | None,
    ) -> Ack:
        return await self.session.send(
            points,
            stream=self._options.stream,
            results=results,
            timestamps=timestamps,
            metadata=metadata,
        )

    # The end

    async def stop(self, timeout: float = _STOP_S) -> None:  # noqa: ASYNC109
        """Wait until everything sent is acknowledged, then end the session.

        After `timeout` seconds it ends all the same, and who still waits for an ack
        gets a `ConnectionEndedError`. `on_close` has been called when this returns,
        unless it is a callback that calls it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.session.drain()
        await self.session.abort()
        task = self._task
        if task is not None and asyncio.current_task() not in (task, *self._telling):
            await task

    # Calling back

    async def _run(self, subscription: Subscription | None) -> None:
        if subscription is not None:
            await self._pass(subscription)
        error = await self._over
        if error is not None:
            await self._report(error)
        await self._call(self._options.on_close)

    async def _pass(self, subscription: Subscription) -> None:
        try:
            async for message in subscription:
                await self._call(self._options.on_message, _as_dict(message))
        except ConnectionEndedError:
            pass  # told as the end of the session
        except NcsClientError as error:
            await self._report(error)

    def _reconnecting(self, attempt: int) -> None:
        task = asyncio.create_task(self._call(self._options.on_reconnect, attempt))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _call(self, callback: Callable[..., object] | None, *told: Any) -> None:
        """Call a user's callback; what it raises is told, and disturbs nothing here."""
        try:
            outcome = None if callback is None else callback(*told)
            if inspect.isawaitable(outcome):
                await outcome
        except Exception as error:
            if callback is self._options.on_error:
                log.exception("on_error failed")
            else:
                await self._report(error)

    async def _report(self, error: Exception) -> None:
        """Tell of an error that nobody else waits for."""
        if self._options.on_error is None:
            log.error("stream: %s", error, exc_info=error)
        else:
            await self._call(self._options.on_error, error)


def _as_dict(message: Incoming) -> dict[str, Any]:
    """Return what a callback gets: always ``{"type": ..., "data": ...}``."""
    fields: dict[str, Any] = msgspec.to_builtins(
        message, enc_hook=lambda packed: packed.tolist()
    )
    match message:
        case Subscribed(snapshot=snapshot):
            kind = "resumed" if snapshot is None else "snapshot"
            rest = {name: fields[name] for name in ("stream", "epoch", "offsets")}
            return {"type": kind, "data": fields.get("snapshot", {}), **rest}
        case Lagging() | CaughtUp():
            return {"type": fields.pop("type"), "data": fields}
    return fields
