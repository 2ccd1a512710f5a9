"""The owner's side of events for other nodes: what its hub tells goes on the channel.

Only while somebody listens elsewhere. Everything is numbered, under a name that is made
anew with every owner; so whoever listens sees at once whether something was missed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Hashable

import msgspec

from ncs_protocol import MSGPACK, NcsError
from ncs_protocol.messages import EVENT_TYPES, Sample

from ..encoded import Encoded
from ..logs import get_log
from ..metrics import Metrics
from ..store.contracts import Channel, StoreError
from ..stream import Stream
from ..variant import Variant

__all__ = ["Published", "Relay"]

_WHOLE = Variant(frozenset(EVENT_TYPES))
_PAYLOAD_BYTES = 512 * 1024
_MOST_BYTES = 16 * 1024 * 1024  # that wait to be published; beyond it they are missed

log = get_log()


class Told(msgspec.Struct, array_like=True):
    """One event."""

    event: bytes
    sample: Sample | None = None


class Published(msgspec.Struct, array_like=True):
    """What goes on the channel."""

    source: str
    first: int
    """Number of the first event."""
    events: list[Told]


class Relay:
    """See the module. Belongs to the event loop's thread.

    Args:
        stream: on this node.
        channel: where to publish.
        metrics: where to count.

    Attributes:
        source: names this owner of the stream.
        count: events numbered so far.
    """

    def __init__(self, stream: Stream, channel: Channel, metrics: Metrics) -> None:
        self.source = secrets.token_hex(6)
        self.count = 0
        self._stream = stream
        self._channel = channel
        self._metrics = metrics
        self._listeners: dict[Hashable, _Listener] = {}
        self._told: list[Told] = []
        self._bytes = 0
        self._publishing: asyncio.Task[None] | None = None

    def listen(
        self,
        who: Hashable,
        subscribers: int,
        samples: list[Sample],
        on_moved: Callable[[], None],
    ) -> None:
        """Take note of who reads on another node; of nobody if there are none.

        Args:
            who: the way to that node.
            subscribers: how many there are.
            samples: the kinds of samples that they want.
            on_moved: called when the stream is not here any more.
        """
        before = self._listeners.pop(who, None)
        for options in before.samples if before else ():
            if options not in samples:
                self._stream.unsample(options)
        kept = list[Sample]()
        for options in samples:
            if before is None or options not in before.samples:
                try:
                    self._stream.sample(options)
                except NcsError as error:  # there may be room when it is said again
                    log.warning("sample_refused", error=str(error))
                    continue
            kept.append(options)
        if subscribers or samples:
            self._listeners[who] = _Listener(subscribers, kept, on_moved)
        self._note()

    def forget(self, who: Hashable) -> None:
        """Take note that the way to a node is lost."""
        if who in self._listeners:
            self.listen(who, 0, [], _nothing)

    def _note(self) -> None:
        hub, listeners = self._stream.hub, self._listeners.values()
        hub.subscribers_elsewhere = sum(one.subscribers for one in listeners)
        hub.tap = self._offer if listeners else None

    async def flushed(self) -> None:
        """Wait until everything is published."""
        if self._publishing is not None:
            await asyncio.wait([self._publishing])

    def close(self) -> None:
        """Tell everyone that the stream is not here any more."""
        listeners, self._listeners = self._listeners, {}
        self._note()
        for listener in listeners.values():
            for options in listener.samples:
                self._stream.unsample(options)
            listener.on_moved()

    def _offer(self, encoded: Encoded, sample: Sample | None) -> None:
        self.count += 1
        payload = encoded.payload(MSGPACK, _WHOLE, encoded.event.first)
        if self._bytes + len(payload) > _MOST_BYTES:
            self._told, self._bytes = [], 0  # whoever listens sees that, and asks
        self._bytes += len(payload)
        self._told.append(Told(payload, sample))
        if self._publishing is None:
            self._publishing = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        try:
            while self._told:
                await self._channel.publish(self._stream.key, self._take())
        except StoreError as error:  # whoever listens sees that something is missing
            log.warning("events_not_published", error=str(error))
        finally:
            self._publishing = None

    def _take(self) -> list[bytes]:
        told, self._told, self._bytes = self._told, [], 0
        first = self.count - len(told) + 1
        self._metrics.count("ncs_events_relayed_total", by=len(told))
        payloads, begin, size = list[bytes](), 0, 0
        for end, one in enumerate(told, 1):
            size += len(one.event)
            if size >= _PAYLOAD_BYTES or end == len(told):
                part = Published(self.source, first + begin, told[begin:end])
                payloads.append(msgspec.msgpack.encode(part))
                begin, size = end, 0
        return payloads


class _Listener(msgspec.Struct):
    subscribers: int
    samples: list[Sample]
    on_moved: Callable[[], None]


def _nothing() -> None:
    """Do nothing."""
