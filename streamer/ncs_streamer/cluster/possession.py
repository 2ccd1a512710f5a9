"""Taking a stream over, serving it, handing it over, losing it.

A take-over is: the store says that it is ours, in an epoch after all others; the model
is restored from its last snapshot and the journal after it; then it is served. A polite
hand-over leaves a snapshot behind that nothing has to be replayed after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Event

from ..hub import Hub
from ..logs import get_log
from ..recovery import Recovered
from ..store.contracts import DamageError, Owner, StoreError, StreamKey
from ..stream import Stream
from ..stream_model import StreamModel, StreamView
from .link import Link
from .placement import preferred
from .relay import Relay
from .tenure import Step, Tenure, TenureState

if TYPE_CHECKING:
    from .streams import ClusterStreams

__all__ = ["Possession"]

log = get_log()


class Possession:
    """See the module. Belongs to the event loop's thread.

    Args:
        key: of the stream.
        cluster: what the streams of a node share.
        on_change: called with the stream once it is served here, and with None once it
            is not any more.

    Attributes:
        tenure: what this node is to the stream.
        relay: of its events to other nodes.
        is_pinned: whether an operator has put it here, wherever else it belongs.
    """

    def __init__(
        self,
        key: StreamKey,
        cluster: ClusterStreams,
        on_change: Callable[[Stream | None], None],
    ) -> None:
        self.tenure = Tenure()
        self.relay: Relay | None = None
        self.is_pinned = False
        self._key = key
        self._cluster = cluster
        self._on_change = on_change
        self._stream: Stream | None = None
        self._former: Stream | None = None  # with appends that may be on their way

    @property
    def serving(self) -> Stream | None:
        """The stream, as long as this node may act as its owner."""
        may = self.tenure.serves and self._cluster.holds_lease
        return self._stream if may else None

    @property
    def is_absent(self) -> bool:
        """Whether the stream is not here, nor about to be."""
        return self.tenure.state is TenureState.ABSENT

    async def find(self, hub: Hub, *, take: bool) -> Stream | Link | None:
        """Return where the stream is, taking it over if that is for this node to do.

        Args:
            hub: with its readers on this node.
            take: whether this node shall have it if nobody has.

        Returns:
            None if there is no telling just now.

        Raises:
            NcsError: it is damaged, or may not be made.
            StoreError: the store cannot tell.
        """
        if self._former is not None:  # what becomes of its batches is settled first
            await self._former.committed_all()
            self._former = None
        if self.serving is not None or not self.is_absent:
            return self.serving
        cluster = self._cluster
        known = await cluster.ownership.owner(self._key)
        owner, lives = known or (None, False)
        if owner is not None and lives and owner.node not in ("", cluster.me):
            return cluster.peers.link(owner.node)
        if owner is not None and owner.node in cluster.membership.nodes and not lives:
            await cluster.membership.look_around()  # else it is given back to the dead
        wanted = self._wanted(owner)
        # Whoever asks has not heard yet of whom it was left to.
        is_left = owner is not None and owner.successor == wanted
        if wanted is not None and wanted != cluster.me and (is_left or not take):
            link = cluster.peers.link(wanted)
            if link is not None and not link.failed:
                return link
        if not cluster.may_own:
            return None
        return await self._take_over(owner, hub)

    def _wanted(self, owner: Owner | None) -> str | None:
        nodes = self._cluster.candidates
        if owner is not None and owner.successor in nodes:
            return owner.successor
        return preferred(self._key, nodes)

    async def _take_over(self, seen: Owner | None, hub: Hub) -> Stream | None:
        cluster, tenure = self._cluster, self.tenure
        began = cluster.services.clock.monotonic()
        tenure.advance(Step.WANTED)
        owner: Owner | None = None
        try:
            owner = await cluster.ownership.acquire(self._key, seen)
        finally:
            if owner is None and tenure.state is TenureState.ACQUIRING:
                tenure.advance(Step.REFUSED)
        if owner is None or tenure.state is not TenureState.ACQUIRING:
            return None
        tenure.advance(Step.ACQUIRED, owner)
        try:
            stream = await self._restore(owner, hub)
        except BaseException as error:
            await self._give_back(owner)
            if isinstance(error, DamageError):
                cluster.local.refuse(self._key, error)
                raise NcsError(Code.STREAM_DAMAGED) from None
            raise
        if stream is None:
            return None
        seconds = cluster.services.clock.monotonic() - began
        stream.on_fenced = self.lose
        self._stream = stream
        self.relay = Relay(stream, cluster.channel, cluster.services.metrics)
        tenure.advance(Step.RESTORED)
        cluster.note_ownership("acquired")
        cluster.services.metrics.observe("ncs_takeover_seconds", seconds)
        log.info(
            "stream_acquired",
            **self._key._asdict(),
            epoch=owner.epoch,
            former=seen.node if seen else "",
            seconds=round(seconds, 3),
        )
        self._on_change(stream)
        return stream

    async def _restore(self, owner: Owner, hub: Hub) -> Stream | None:
        """Return the stream as the store has it; None if it is lost meanwhile."""
        key, cluster = self._key, self._cluster
        store, local = cluster.services.store, cluster.local
        is_new = not await store.journal.tail(key)
        if is_new and not await store.snapshots.offsets(key):
            await cluster.check_room(key)
            if self.tenure.owner is not owner:
                return None
            model = local.new_model(key)
            self._go_on(hub, model.epoch, model.view(), None)
            return local.make(key, model, hub)
        recovered = await local.read(key)
        threads = cluster.services.threads.of(key.tenant)
        loop, keyed = asyncio.get_running_loop(), hub.at["keyed"]
        view, updates = await loop.run_in_executor(
            threads, _look_at, recovered.model, keyed
        )
        if self.tenure.owner is not owner:
            return None
        missed = _missed(hub, recovered, updates)
        self._go_on(hub, recovered.model.epoch, view, missed)
        return local.take_in(key, recovered, hub)

    async def _give_back(self, owner: Owner) -> None:
        if self.tenure.owner is owner:
            self.tenure.advance(Step.LEAVING)
            await self._release(owner, "")

    async def _release(self, owner: Owner, successor: str) -> None:
        try:
            await self._cluster.ownership.release(self._key, owner, successor)
        except StoreError as error:  # it stays ours until somebody finds us gone
            log.warning("not_released", **self._key._asdict(), error=str(error))
        if self.tenure.owner is owner:
            self.tenure.advance(Step.RELEASED)

    async def hand_over(self, successor: str) -> bool:
        """Let another node have the stream; return whether it was ours to give."""
        stream, owner, relay = self._stream, self.tenure.owner, self.relay
        if not self.tenure.serves or stream is None or owner is None or relay is None:
            return False
        self.tenure.advance(Step.LEAVING)
        stream.stop()
        try:
            async with asyncio.timeout(self._cluster.hand_over_s):
                await stream.close()
                await relay.flushed()
        except TimeoutError:  # then there is something to replay
            log.warning("hand_over_is_slow", **self._key._asdict())
        if self.tenure.owner is not owner:
            return False
        self._end(stream)
        await stream.committed_all()
        await self._release(owner, successor)
        self._cluster.note_ownership("handed_over")
        log.info("stream_handed_over", **self._key._asdict(), to=successor)
        self._on_change(None)
        return True

    def lose(self) -> None:
        """Take note that the stream is another's, or may be: act on it no more."""
        if self.is_absent:
            return
        self.tenure.advance(Step.LOST)
        self._cluster.note_ownership("lost")
        log.warning("stream_lost", **self._key._asdict())
        if self._stream is not None:
            self._end(self._stream)
        self._on_change(None)

    def _end(self, stream: Stream) -> None:
        if self.relay is not None:
            self.relay.close()
        self._stream, self.relay, self._former = None, None, stream
        self.is_pinned = False
        self._cluster.local.let_go(self._key)
        stream.abandon()

    def _go_on(
        self, hub: Hub, epoch: str, view: StreamView, missed: list[Event] | None
    ) -> None:
        clock = self._cluster.services.clock
        hub.go_on(epoch, view, missed, clock.now(), clock.monotonic())
        hub.forget_history()  # the store has more of it


def _look_at(model: StreamModel, keyed: int) -> tuple[StreamView, list[Event]]:
    return model.view(), model.keyed_events_since(keyed)


def _missed(hub: Hub, recovered: Recovered, updates: list[Event]) -> list[Event] | None:
    """Return what the readers of a hub have missed; None if it is not all there."""
    model, last = recovered.model, hub.at["lossless"]
    lossless = [event for event in recovered.events if event.last > last]
    is_whole = len(lossless) == model.lossless - last
    if not is_whole or hub.epoch != model.epoch or hub.at["keyed"] > model.keyed:
        return None
    return lossless + updates
