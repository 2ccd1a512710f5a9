"""One stream as this node sees it: its own, another node's, or on the way between.

Whoever serves a client has this in hand and need not know which. Batches wait in a line
while the owner is being found or has changed; questions are asked again; readers keep
their hub, which is fed by the model where the stream is here and from the channel where
it is not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ncs_engine import LearnResult
from ncs_protocol import Code, NcsError
from ncs_protocol.messages import AlgorithmStatus, Position, ResultDetail, Sample

from ..elsewhere import ElsewhereError
from ..entry import Entry, encode_entry
from ..hub import Hub, Sight
from ..logs import get_log
from ..store.contracts import StoreError, StreamKey
from ..stream import Done, Stream
from ..stream_model import Applied as AppliedHere
from ..telling import make_hub
from .line import Batch, Line
from .link import Link, Reply
from .look import Look, Seen
from .mirror import Mirror
from .possession import Possession
from .wire import Applied, LinkError, Listen, Refused, Submit, decode_as, encode

if TYPE_CHECKING:
    from .streams import ClusterStreams

__all__ = ["RoutedStream"]

_PATIENCE_S = 45.0  # for an owner; several leases
_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_MAX_SAMPLES = 8

log = get_log()


class RoutedStream:
    """See the module. Implements `ServedStream`; belongs to the event loop's thread.

    Args:
        key: of the stream.
        cluster: what the streams of a node share.

    Attributes:
        possession: of the stream, where it is or may become this node's.
    """

    def __init__(self, key: StreamKey, cluster: ClusterStreams) -> None:
        self.key = key
        self.possession = Possession(key, cluster, self._on_possession)
        self._cluster = cluster
        self._services = cluster.services
        self._hub = make_hub(key, "", cluster.services)
        self._samples: Counter[Sample] = Counter()
        self._mirror = Mirror(
            self._hub,
            self._samples,
            self._look,
            self.note_readers,
            cluster.services.clock,
            cluster.services.metrics,
        )
        self._is_subscribed = False
        self._line = Line()
        self._link: Link | None = None
        self._finding: asyncio.Task[Stream | Link] | None = None
        self._is_asked = False  # by another node, which takes us for the owner
        self._asking = 0  # questions and looks that wait for their answer

    # Where it is

    @property
    def hub(self) -> Hub:
        """See `ServedStream.hub`."""
        return self._hub

    @property
    def local(self) -> Stream | None:
        """The stream, if this node may serve it just now."""
        return self.possession.serving

    @property
    def is_idle(self) -> bool:
        """Whether nobody here needs it, and it is not here."""
        return (
            not self._line
            and not self._asking
            and not self._mirror.is_wanted
            and self._finding is None
            and self.possession.is_absent
        )

    def find_soon(self) -> None:
        """Find out where it is, or take it over; then send what waits."""
        self._find()

    def _find(self) -> asyncio.Task[Stream | Link]:
        if self._finding is None:
            self._finding = asyncio.create_task(self._find_place())
            self._finding.add_done_callback(self._found)
        return self._finding

    async def _find_place(self) -> Stream | Link:
        """Return where the stream is.

        Raises:
            NcsError: it is damaged, may not be made, or nobody has it after all.
        """
        pause, clock = _PAUSE_S, self._services.clock
        until = clock.monotonic() + _PATIENCE_S
        while True:
            try:
                place = await self.possession.find(self._hub, take=self._is_asked)
            except (StoreError, LinkError) as error:
                place = None
                log.warning("owner_unknown", **self.key._asdict(), error=str(error))
            if place is not None:
                return place
            if clock.monotonic() > until:
                raise NcsError(Code.OWNER_UNAVAILABLE, retry_after_s=1.0)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _found(self, finding: asyncio.Task[Stream | Link]) -> None:
        self._finding, self._is_asked = None, False
        if finding.cancelled():
            return
        error = finding.exception()
        if error is None:
            place = finding.result()
            self._goes_by(place if isinstance(place, Link) else None)
            if isinstance(place, Link):
                for batch in self._line.refuse_relayed():
                    self._settle(batch, ElsewhereError(place.node.name))
            self._send_waiting()
            return
        if not isinstance(error, NcsError):
            log.error("owner_not_found", **self.key._asdict(), error=repr(error))
            error = NcsError(Code.INTERNAL_ERROR, "the stream's owner was not found")
        for batch in self._line.take_all():
            self._settle(batch, error)

    def moved(self, link: Link | None = None) -> None:
        """Take note that the stream is not any more where it was.

        Args:
            link: where it was thought to be; nothing happens if that has changed.
        """
        if self.local is not None or (link is not None and link is not self._link):
            return
        self._goes_by(None)
        self._mirror.missed()
        if self._line:
            self._find()

    def _goes_by(self, link: Link | None) -> None:
        """Take another way, or none; what the old one has not answered begins anew."""
        if link is not self._link:
            self._link = link
            self._line.begin_anew()

    def _on_possession(self, stream: Stream | None) -> None:
        """Take note that the stream has come to this node, or is gone from it."""
        if stream is None:
            self.moved()
            return
        self._goes_by(None)
        for options in self._samples:
            stream.sample(options)
        for since, deliver in self._mirror.hand_over():
            stream.look(since, deliver)
        self._send_waiting()
        self._cluster.start(self._unsubscribe())

    async def place(self, *, asked: bool = False) -> Stream | Link:
        """Return the stream if it is here, else the way to where it is.

        Args:
            asked: another node takes this one for its owner.

        Raises:
            NcsError: there is no telling, or the stream is damaged.
        """
        if self.local is not None:
            return self.local
        if self._link is not None and not asked:
            return self._link
        self._is_asked = self._is_asked or asked
        return await asyncio.shield(self._find())

    # Batches

    def submit(
        self, entry: Entry, size: int, done: Done, detail: ResultDetail = "full"
    ) -> None:
        """See `Stream.submit`."""
        self._take(Batch(entry, size, done, detail))

    def submit_relayed(
        self, entry: Entry, size: int, done: Done, detail: ResultDetail
    ) -> None:
        """Take a batch that another node sent; it goes no further than this one."""
        self._take(Batch(entry, size, done, detail, is_relayed=True))

    def _take(self, batch: Batch) -> None:
        stream = self.local
        if stream is not None and not self._line:
            self._submit_here(stream, batch)
            return
        self._queue(batch)
        if batch.is_relayed:
            self._is_asked = True
            self._find()
        else:
            self._send_waiting()

    def _queue(self, batch: Batch) -> None:
        quota = self._services.backlog.of(self.key.tenant)
        size = batch.size
        if batch.entry.points is not None:
            size += batch.entry.block.nbytes
        if not quota.room or size > self._services.backlog.room:
            wait = quota.retry_after_ms / 1000
            raise NcsError(Code.OVERLOADED, retry_after_s=wait)
        batch.held = quota.take(size, batch.entry.count)
        self._line.add(batch)

    def _submit_here(self, stream: Stream, batch: Batch) -> None:
        def done(outcome: AppliedHere | NcsError) -> None:
            if isinstance(outcome, ElsewhereError) and not batch.is_relayed:
                self._take_again(batch, outcome)
            else:
                batch.done(outcome)

        try:
            stream.submit(batch.entry, batch.size, done, batch.detail)
        except ElsewhereError as error:
            if batch.is_relayed:
                raise
            self._take_again(batch, error)

    def _take_again(self, batch: Batch, error: NcsError) -> None:
        """Queue a batch that the stream refused because it goes to another node."""
        try:
            self._queue(batch)
        except NcsError:
            batch.done(error)
            return
        if self.local is None:
            self._find()

    def _send_waiting(self) -> None:
        if (stream := self.local) is not None:
            for batch in self._line.take_all():
                self._give_back(batch)
                try:
                    self._submit_here(stream, batch)
                except NcsError as error:
                    batch.done(error)
        elif self._finding is not None:
            return
        elif self._link is not None:
            for batch in self._line.take():
                self._send(self._link, batch)
        elif self._line:
            self._find()

    def _send(self, link: Link, batch: Batch) -> None:
        entry = batch.entry
        self._cluster.identity.give(entry)
        line, payload = self._line.number, encode_entry(entry)
        message = Submit(0, *self.key, line, batch.size, batch.detail, payload)
        id = 0

        def deliver(reply: Reply) -> None:
            self._answered(link, id, reply)

        id = link.submit(message, deliver)
        self._line.sent(id, batch)

    def _answered(self, link: Link, id: int, reply: Reply) -> None:
        if link is not self._link:  # what it did not answer in time went another way
            return
        if isinstance(reply, LinkError) or (
            isinstance(reply, Refused) and reply.owner is not None
        ):
            self.moved(link)
            return
        batch = self._line.answered(id)
        if batch is None:
            return
        metrics = self._services.metrics
        if isinstance(reply, Refused):
            metrics.count("ncs_forwarded_batches_total", "refused")
            self._settle(batch, reply.error())
        elif isinstance(reply, Applied):
            metrics.count("ncs_forwarded_batches_total", "applied")
            self._settle(batch, _applied(reply))
            self._note_producer(batch.entry, reply.accepted)
        self._send_waiting()

    def _note_producer(self, entry: Entry, points: int) -> None:
        services, now = self._services, self._services.clock.now()
        if entry.producer is not None and not entry.is_relayed:
            services.roll.applied(
                self.key,
                entry.producer,
                entry.producer_epoch,
                entry.seq,
                points,
                now - entry.ingest_ns / 1e9,
                now,
            )

    def _give_back(self, batch: Batch) -> None:
        services = self._services
        quota, now = services.backlog.of(self.key.tenant), services.clock.monotonic()
        quota.give_back(batch.held, batch.entry.count, now)

    def _settle(self, batch: Batch, outcome: AppliedHere | NcsError) -> None:
        self._give_back(batch)
        batch.done(outcome)

    # Questions

    async def ask(self, what: str, body: object) -> bytes:
        """Return the owner's answer to a question; see `questions`.

        Raises:
            NcsError: it refuses, or there is none.
        """
        self._asking += 1
        try:
            return await self._ask(what, body)
        finally:
            self._asking -= 1

    async def _ask(self, what: str, body: object) -> bytes:
        until = self._services.clock.monotonic() + _PATIENCE_S
        pause = _PAUSE_S
        while True:
            place = await self.place()
            try:
                if isinstance(place, Stream):
                    return await self._cluster.answer(self, place, what, encode(body))
                return await place.ask(self.key, what, encode(body))
            except (ElsewhereError, LinkError):
                if isinstance(place, Link):
                    self.moved(place)
                if self._services.clock.monotonic() > until:
                    raise NcsError(Code.OWNER_UNAVAILABLE, retry_after_s=1.0) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def last_seq(self, producer: str) -> tuple[int, int]:
        """See `Stream.last_seq`."""
        answer = await self.ask("last_seq", producer)
        epoch, seq = decode_as(answer, tuple[int, int])
        return epoch, seq

    def status(self, deliver: Callable[[AlgorithmStatus | Exception], None]) -> None:
        """See `Stream.status`."""
        if self.local is not None:
            self.local.status(deliver)
            return

        async def ask() -> None:
            try:
                answer = await self.ask("status", None)
                deliver(decode_as(answer, AlgorithmStatus))
            except (NcsError, LinkError) as error:
                deliver(error)

        self._cluster.start(ask())

    # Readers

    def look(
        self, since: Position | None, deliver: Callable[[Sight | Exception], None]
    ) -> None:
        """See `Stream.look`."""
        stream = self.local
        if stream is None:
            self._mirror.look(since, deliver)
            return
        self._asking += 1

        def take(sight: Sight | Exception) -> None:
            self._asking -= 1
            if self.local is stream:
                deliver(sight)
            else:  # the hub may have gone on elsewhere
                self.look(since, deliver)

        stream.look(since, take)

    async def _look(self, look: Look) -> Seen:
        """Look at the model where it is, having begun to listen before."""
        await self._subscribe()
        seen: Seen = decode_as(await self.ask("look", look), Seen)
        return seen

    async def _subscribe(self) -> None:
        if self._is_subscribed:
            return
        self._is_subscribed = True
        try:
            await self._cluster.channel.subscribe(
                self.key,
                lambda _, payload: self._mirror.receive(payload),
                lambda _: self._mirror.missed(),
            )
        except StoreError as error:
            self._is_subscribed = False
            raise LinkError(str(error)) from error

    async def _unsubscribe(self) -> None:
        if self._is_subscribed:
            self._is_subscribed = False
            try:
                await self._cluster.channel.unsubscribe(self.key)
            except StoreError as error:
                log.warning("unsubscribe_failed", error=str(error))

    def sample(self, options: Sample) -> None:
        """See `Stream.sample`."""
        if options not in self._samples:
            if len(self._samples) >= _MAX_SAMPLES:
                raise NcsError(Code.TOO_MANY_SAMPLES)
            if self.local is not None:
                self.local.sample(options)
        self._samples[options] += 1
        self.note_readers()

    def unsample(self, options: Sample) -> None:
        """See `Stream.unsample`."""
        self._samples[options] -= 1
        if not self._samples[options]:
            del self._samples[options]
            if self.local is not None:
                self.local.unsample(options)
        self.note_readers()

    def note_readers(self) -> None:
        """Tell the owner how many readers there are here."""
        if self.local is not None or not self._is_subscribed:
            return
        if self._link is not None:
            readers, samples = self._mirror.readers, list(self._samples)
            self._link.listen(Listen(*self.key, readers, samples))
        if not self._mirror.is_wanted:
            self._mirror.is_current = False
            self._cluster.start(self._unsubscribe())

    async def close(self) -> None:
        """End what goes on."""
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.gather(self._finding, return_exceptions=True)
        await self._mirror.close()


def _applied(reply: Applied) -> AppliedHere:
    result = None
    if reply.results is not None:
        ids, outliers, scores = reply.results
        result = LearnResult(
            np.frombuffer(ids, np.int64),
            np.frombuffer(outliers, np.bool_),
            np.frombuffer(scores, np.float32),
        )
    return AppliedHere(reply.offset, reply.accepted, reply.duplicate, result)
