"""The reader's side of events from another node: a hub that is fed from the channel.

Whenever something may have been missed (at the beginning, when a number is left out,
when the owner has changed) the owner is asked for what came after the hub's own
position, and the hub goes on from there: with the events, or with a fresh snapshot for
everyone where they are gone. Readers that begin are answered by such a look as well.
There is one at a time; what is published meanwhile waits for its answer, which says
where it belongs.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Position, Sample

from ..clock import Clock
from ..hub import Hub, Sight
from ..logs import get_log
from ..metrics import Metrics
from .look import Look, Seen, event_of, sight_of
from .relay import Published
from .wire import LinkError

__all__ = ["Joining", "Mirror"]

_MOST_BYTES = 16 * 1024 * 1024  # published while an answer is waited for
_HEAR_S = 0.5
_RETRY_S = 0.5
_MAX_SINCE = 64  # positions in one look

log = get_log()


class Joining(NamedTuple):
    """A look that waits."""

    since: Position | None
    deliver: Callable[[Sight | Exception], None]


class Mirror:
    """See the module. Belongs to the event loop's thread.

    Args:
        hub: with the readers of this node.
        samples: that they want, and how many want each.
        ask: asks the owner, whoever that is.
        settled: called when all looks are answered; readers that left meanwhile are
            not in what the owner was told.
        clock: for what is told and for what is written.
        metrics: where to count.

    Attributes:
        is_current: whether nothing is known to be missing.
    """

    def __init__(
        self,
        hub: Hub,
        samples: Counter[Sample],
        ask: Callable[[Look], Awaitable[Seen]],
        settled: Callable[[], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.is_current = False
        self._hub = hub
        self._samples = samples
        self._ask = ask
        self._settled = settled
        self._clock = clock
        self._metrics = metrics
        self._source = ""
        self._count = math.inf  # of the last event that the hub has
        self._buffer: deque[Published] = deque()
        self._buffered = 0
        self._joining: deque[Joining] = deque()
        self._asked: list[Joining] = []  # of them, those that the owner is asked for
        self._looking: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()

    @property
    def readers(self) -> int:
        """How many read, or are about to."""
        return self._hub.subscribers + len(self._joining) + len(self._asked)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody reads, or is about to."""
        return self.readers > 0

    # What comes

    def receive(self, payload: bytes) -> None:
        """Take what was published."""
        published = msgspec.msgpack.decode(payload, type=Published)
        if self._looking is None and self.is_current:
            self._apply(published)
            return
        self._buffer.append(published)
        self._buffered += len(payload)
        if self._buffered > _MOST_BYTES:
            self._forget()
            self._source = ""
        self._heard.set()

    def missed(self) -> None:
        """Take note that something may have been missed, or that the owner changed."""
        if self.is_current:
            self.is_current = False
            self._metrics.count("ncs_event_gaps_total")
        self._look_soon()

    def _apply(self, published: Published, last: float = math.inf) -> None:
        """Hand out what was published, up to the event with the number `last`."""
        if published.source != self._source or published.first > self._count + 1:
            self._buffer.append(published)
            self.missed()
            return
        now = self._clock.now()
        for number, told in enumerate(published.events, published.first):
            if self._count < number <= last:
                self._hub.pass_on(event_of(told.event), told.sample, now)
                self._count = number

    def _forget(self) -> None:
        self._buffer.clear()
        self._buffered = 0

    # Looks

    def look(
        self, since: Position | None, deliver: Callable[[Sight | Exception], None]
    ) -> None:
        """See `Stream.look`."""
        self._joining.append(Joining(since, deliver))
        self._look_soon()

    def hand_over(self) -> list[Joining]:
        """Stop, and return the looks that wait: the stream is on this node now."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        joining = [*self._asked, *self._joining]
        self._asked, self._joining = [], deque()
        self._forget()
        self.is_current = False
        return joining

    def _look_soon(self) -> None:
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_all())

    async def _look_all(self) -> None:
        try:
            while self._joining or (not self.is_current and self.is_wanted):
                await self._look()
        finally:
            if self._looking is asyncio.current_task():
                self._looking = None
        self._catch_up()
        self._settled()

    async def _look(self) -> None:
        count = min(len(self._joining), _MAX_SINCE)
        joining = self._asked = [self._joining.popleft() for _ in range(count)]
        hub = self._hub
        mine = hub.position() if hub.subscribers else None
        since = [mine, *(one.since for one in joining)]
        look = Look(since, self.readers, list(self._samples))
        try:
            seen = await self._ask(look)
        except (NcsError, LinkError) as error:
            self._asked = []
            for one in joining:
                one.deliver(_unavailable(error))
            await asyncio.sleep(_RETRY_S)
            return
        if self.is_current and seen.source == self._source:
            await self._hear(seen.count)
        self._take(seen)
        self._asked = []
        for one, missed in zip(joining, seen.missed[1:], strict=True):
            one.deliver(sight_of(seen, missed))

    async def _hear(self, count: int) -> None:
        """Wait until what was published before an answer is here too; not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEAR_S):
                while self._count < count and not any(
                    one.first + len(one.events) > count for one in self._buffer
                ):
                    self._heard.clear()
                    await self._heard.wait()

    def _take(self, seen: Seen) -> None:
        """Bring the hub to where the answer was given."""
        hub, clock = self._hub, self._clock
        if self.is_current and seen.source == self._source:
            for published in list(self._buffer):
                if published.first <= seen.count:
                    self._apply(published, seen.count)
            if self._count >= seen.count:
                return
        missed = None
        if seen.missed[0] is not None and seen.epoch == hub.epoch:
            sight = sight_of(seen, seen.missed[0])
            missed = [e.event for e in sight.lossless or ()] + list(sight.missed)
        hub.go_on(seen.epoch, seen.view, missed, clock.now(), clock.monotonic())
        self._source, self._count, self.is_current = (
            seen.source,
            seen.count,
            self.is_wanted,
        )

    def _catch_up(self) -> None:
        """Take what was published while the answer was waited for."""
        buffer = list(self._buffer)
        self._forget()
        for published in buffer:
            if published.source == self._source and self.is_current:
                self._apply(published)

    async def close(self) -> None:
        """Listen no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)


def _unavailable(error: Exception) -> NcsError:
    if isinstance(error, NcsError):
        return error
    return NcsError(Code.OWNER_UNAVAILABLE, str(error), retry_after_s=1.0)
