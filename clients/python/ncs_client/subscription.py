"""A subscription as its user sees it: an async iterator with a bounded queue.

When the queue is full the subscription rests on the server too, and goes on after the
last event in the queue once half of it has been read. What is read slowly is thinned
out by the server, and nothing is lost here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from ncs_protocol.messages import Event, Position, Subscribed

from .readers import Incoming, Reader, Wanted

__all__ = ["Subscription"]


class Subscription:
    """Events of one stream, as an async iterator.

    Iterating gives first a `Subscribed` with a snapshot of the model, then events;
    after a reconnect a `Subscribed` that is `recovered` and what was missed, or where
    that could not be had, and for a reader that was too far behind, one with a fresh
    snapshot. What is given has no gaps: what was left out is covered by the `from_` of
    the next event of its class. `Lagging` and `CaughtUp` tell that the
    server has to leave updates out because they are not read fast enough.

    Attributes:
        stream: name of the stream.
        reader: what the core knows of it.
        end: unsubscribes; set by the session.
        claim: returns the bytes of the frame that is being delivered, once; set by it.
        on_read: called with bytes that were read; set by it.
        pause: lets it rest on the server; set by it.
        go_on: ends that; set by it.
    """

    def __init__(
        self, stream: str, wanted: Wanted, max_queue: int, since: Position | None = None
    ) -> None:
        self.stream = stream
        self._epoch = None if since is None else since.epoch
        self._told = {} if since is None else dict(since.offsets)
        self.reader = Reader("", stream, wanted, self._deliver, self.fail)
        if since is not None:
            self.reader.epoch, self.reader.told = since.epoch, dict(since.offsets)
        self.end: Callable[[], None] = _not_begun
        self.claim: Callable[[], int] = lambda: 0
        self.on_read: Callable[[int], None] = lambda size: None
        self.pause: Callable[[], None] = _not_begun
        self.go_on: Callable[[], None] = _not_begun
        self._max_queue = max_queue
        self._queue: deque[tuple[Incoming, int]] = deque()
        self._arrived = asyncio.Event()
        self._error: Exception | None = None
        self._finished = False
        self._is_full = False

    @property
    def position(self) -> Position | None:
        """Of what was read last, for the `since` of another subscription; what was
        given to begin from before that."""
        if self._epoch is None:
            return None
        return Position(epoch=self._epoch, offsets=dict(self._told))

    @property
    def gaps(self) -> int:
        """Times that an event was not the next one, and a snapshot was asked for."""
        return self.reader.gaps

    def _deliver(self, message: Incoming) -> None:
        if self._error is not None or self._finished:
            return
        self._queue.append((message, self.claim()))
        self._arrived.set()
        if len(self._queue) >= self._max_queue and not self._is_full:
            self._is_full = True
            self.pause()

    def fail(self, error: Exception) -> None:
        """Raise `error` to who iterates, once the queue is empty."""
        self._error = self._error or error
        self._arrived.set()

    def finish(self) -> None:
        """End the iteration, once the queue is empty."""
        self._finished = True
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Incoming]:
        return self

    async def __anext__(self) -> Incoming:
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self._finished:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        message, size = self._queue.popleft()
        if self._is_full and 2 * len(self._queue) <= self._max_queue:
            self._is_full = False
            self.go_on()
        self.on_read(size)
        if isinstance(message, Subscribed):
            self._epoch, self._told = message.epoch, dict(message.offsets)
        elif isinstance(message, Event):
            self._told[message.delivery] = message.last
        return message

    async def close(self) -> None:
        """End the subscription."""
        self.end()
        self.on_read(sum(size for _, size in self._queue))
        self._queue.clear()
        self.finish()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _not_begun() -> None:
    """Stand in for `end` until the session sets it."""
