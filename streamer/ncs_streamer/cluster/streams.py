"""All streams of a cluster, as one of its nodes serves them.

It stands where `Streams` does on a server that is alone: whoever serves a client finds
and opens streams here, wherever they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from ncs_protocol import Code, NcsError, check_name

from ..elsewhere import ElsewhereError
from ..logs import get_log
from ..recovery import Progress
from ..replay import Divergence
from ..served import ServedStream
from ..services import Services
from ..store.contracts import DamageError, Node, StoreError, StreamKey
from ..stream import Stream
from ..streams import Streams
from .hearing import understood
from .line import Identity
from .link import Link
from .membership import Membership
from .orders import CONTROL, Order, say
from .peers import Peers
from .questions import answer
from .routed import RoutedStream
from .sweep import Sweep
from .wire import VERSION, decode_as

__all__ = ["ClusterConfig", "ClusterStreams"]


log = get_log()


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What a node is told of itself.

    Attributes:
        node: its name.
        secret: that all nodes share.
        hand_over_s: longest time that a stream may take to be handed over.
    """

    node: str
    secret: bytes
    hand_over_s: float = 10.0


class ClusterStreams:
    """See the module. Belongs to the event loop's thread.

    Args:
        local: the streams that are on this node.
        config: of this node.
        max_streams: most streams of one tenant.

    Attributes:
        secret: that nodes share.
        membership: this node among the others.
        peers: the ways to the others.
        on_order: called with what is said to all nodes, but for moves.
    """

    def __init__(self, local: Streams, config: ClusterConfig, max_streams: int) -> None:
        self.local = local
        self.services: Services = local.services
        self.ownership = self.services.store.ownership
        self.channel = self.services.store.channel
        self.me = config.node
        self.secret = config.secret
        self.hand_over_s = config.hand_over_s
        self.identity = Identity(config.node, time.time_ns() // 1_000_000)
        self.on_order: Callable[[Order], None] = _ignore
        self._max_streams = max_streams
        self._routes: dict[StreamKey, RoutedStream] = {}
        self._known: frozenset[StreamKey] = frozenset()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweep = Sweep(self)
        self.membership = Membership(
            Node(config.node, "", VERSION),
            self.ownership,
            self.services.clock,
            self.services.metrics,
            self._lost,
            self._sweep.soon,
        )
        self.peers = Peers(
            self.membership,
            config.secret,
            self.services.metrics,
            self._moved,
            self._link_down,
        )

    def __len__(self) -> int:
        return len(self.local)

    # What `Streams` has too

    @property
    def progress(self) -> Progress:
        """See `Streams.progress`."""
        return self.local.progress

    @property
    def divergences(self) -> dict[StreamKey, Divergence]:
        """See `Streams.divergences`."""
        return self.local.divergences

    @property
    def damaged(self) -> dict[StreamKey, DamageError]:
        """See `Streams.damaged`."""
        return self.local.damaged

    def listens_at(self, address: str) -> None:
        """Take note of the host and port where other nodes reach this one."""
        self.membership.me = Node(self.me, address, VERSION)

    async def recover(self) -> None:
        """Join the cluster; streams are brought back as they are taken over.

        Raises:
            StoreError: if the store fails.
        """
        self.peers.open()
        await self.channel.subscribe(
            CONTROL, understood(Order, self._hear), lambda _: None
        )
        await self.membership.join()
        await self._sweep.sweep()

    def route(self, key: StreamKey) -> RoutedStream:
        """Return a stream, wherever it is and whether or not there is one."""
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = RoutedStream(key, self)
        return route

    def find(self, tenant: str, name: str) -> RoutedStream | None:
        """See `Streams.find`; of other nodes, those are known that are a second old."""
        key = StreamKey(tenant, name)
        self.local.find(*key)
        known = key in self._known or key in self._routes
        return self.route(key) if known else None

    def open(self, tenant: str, name: str) -> RoutedStream:
        """See `Streams.open`."""
        key = StreamKey(tenant, check_name("stream", name))
        found = self.find(*key)
        if found is not None:
            return found
        self._check_room(tenant)
        return self.route(key)

    def _check_room(self, tenant: str) -> None:
        known = self._known | self._routes.keys()
        own = sum(other.tenant == tenant for other in known)
        if own >= self._max_streams:
            raise NcsError(
                Code.TOO_MANY_STREAMS,
                f"the tenant has {own} streams, the limit is {self._max_streams}",
            )

    async def check_room(self, key: StreamKey) -> None:
        """Refuse a new stream that its tenant may not have, over all nodes.

        Raises:
            NcsError: ``too_many_streams``.
            StoreError: if the store fails.
        """
        stored = await self.look_around()
        here = {stream.key for stream in self.local.all()}
        own = sum(other.tenant == key.tenant for other in here.union(stored) - {key})
        if own >= self._max_streams:
            raise NcsError(
                Code.TOO_MANY_STREAMS,
                f"the tenant has {own} streams, the limit is {self._max_streams}",
            )

    async def look_around(self) -> frozenset[StreamKey]:
        """Return the streams that are stored, and know them from now on.

        Raises:
            StoreError: if the store fails.
        """
        self._known = frozenset(await self.services.store.streams())
        return self._known

    def owned(self) -> list[tuple[StreamKey, RoutedStream]]:
        """Return the ways to all streams that this node serves as their owner."""
        return [(k, r) for k, r in self._routes.items() if r.local is not None]

    def forget_idle(self) -> None:
        """Forget the ways to streams that nobody here needs."""
        for key, route in list(self._routes.items()):
            if route.is_idle:
                del self._routes[key]

    async def here(self, key: StreamKey) -> Stream:
        """Return the stream if it is on this node; see `Streams.here`.

        Raises:
            ElsewhereError: it is on another one.
        """
        place = await self.open(*key).place()
        if isinstance(place, Link):
            raise ElsewhereError(place.node.name)
        return place

    async def look_up(self, key: StreamKey) -> Stream | None:
        """Return the stream if there is one and it is on this node.

        Raises:
            ElsewhereError: it is on another one.
        """
        if not await self._exists(key):
            return None
        return await self.here(key)

    async def _exists(self, key: StreamKey) -> bool:
        if self.find(*key) is None:
            await self.look_around()
        return self.find(*key) is not None

    async def last_seq(self, key: StreamKey, producer: str) -> tuple[int, int]:
        """See `Streams.last_seq`."""
        try:
            if not await self._exists(key):
                return (0, 0)
        except StoreError:
            raise NcsError(Code.STORE_UNAVAILABLE, retry_after_s=1.0) from None
        return await self.route(key).last_seq(producer)

    async def epoch(self, key: StreamKey) -> str:
        """See `Streams.epoch`."""
        answer = await self.open(*key).ask("epoch", None)
        return str(decode_as(answer, str))

    async def names(self, tenant: str) -> list[str]:
        """See `Streams.names`; of all nodes."""
        stored = await self.services.store.streams()
        return sorted(key.stream for key in stored if key.tenant == tenant)

    def all(self) -> list[Stream]:
        """Return every stream that is here."""
        return self.local.all()

    def discard_unused(self, stream: ServedStream) -> None:
        """Take note that somebody needs a stream no more."""
        route = self._routes.get(stream.key)
        if route is not None and route is stream:
            route.note_readers()

    async def run(self, interval_s: float) -> None:
        """Do what is due until cancelled; see `Streams.run`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.local.run(interval_s))
            group.create_task(self.membership.run())
            group.create_task(self._sweep.run())

    async def close(self) -> None:
        """Give every stream to another node, and leave."""
        await self._drain()
        await self._sweep.give_away()
        await self.local.close()  # what nobody could be given
        await self.membership.leave()
        for route in self._routes.values():
            await route.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.peers.close()

    # Nodes

    @property
    def trouble(self) -> str:
        """Why no clients may be sent here; empty if they may."""
        if self.is_draining:
            return "draining"
        if not self.holds_lease:
            return "no_lease"
        hears = self.channel.heard_ago_s <= self.ownership.lease_s
        return "" if hears else "channel_silent"

    @property
    def holds_lease(self) -> bool:
        """Whether this node may act as an owner."""
        return self.membership.holds

    @property
    def may_own(self) -> bool:
        """Whether it may take streams over."""
        return self.holds_lease and not self.is_draining

    @property
    def candidates(self) -> list[str]:
        """Who may be given a stream."""
        nodes = self.membership.nodes | {self.me: self.membership.me}
        return sorted(name for name, node in nodes.items() if not node.is_draining)

    @property
    def is_draining(self) -> bool:
        """Whether this node gives away what it has."""
        return self.membership.me.is_draining

    async def _drain(self) -> None:
        try:
            await self.membership.drain()
        except StoreError as error:
            log.warning("drain_not_told", error=str(error))
        await self.order(Order("look"))
        self._sweep.soon()

    async def _look_around(self) -> None:
        with contextlib.suppress(StoreError):  # it does so again in a moment
            await self.membership.look_around()

    def _moved(self, key: StreamKey) -> None:
        if key in self._routes:
            self._routes[key].moved()

    def _link_down(self, link: Link) -> None:
        for route in list(self._routes.values()):
            route.moved(link)

    def _lost(self) -> None:
        for route in list(self._routes.values()):
            route.possession.lose()

    async def answer(
        self,
        route: RoutedStream,
        stream: Stream,
        what: str,
        body: bytes,
        who: Hashable = None,
        on_moved: Callable[[], None] | None = None,
    ) -> bytes:
        """Return the answer to a question about a stream that is here."""
        relay = route.possession.relay
        if relay is None or (who is None and what == "look"):
            raise ElsewhereError
        if what == "own" and body:
            route.possession.is_pinned = bool(decode_as(body, bool))
        return await answer(stream, relay, what, body, who, on_moved or _nothing)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside everything else."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note_ownership(self, change: str) -> None:
        """Count a change of owner."""
        metrics = self.services.metrics
        metrics.count("ncs_ownership_changes_total", change)
        held = sum(not r.possession.is_absent for r in self._routes.values())
        metrics.set("ncs_streams_owned", held)

    # Orders

    async def order(self, order: Order) -> None:
        """Say something to all nodes."""
        try:
            await say(self.channel, order)
        except StoreError as error:
            log.warning("order_not_sent", what=order.what, error=str(error))

    def _hear(self, order: Order) -> None:
        if order.what == "drain":
            if order.node == self.me:
                self.start(self._drain())
        elif order.what == "look":
            self.start(self._look_around())
        elif order.what == "move":
            route = self._routes.get(StreamKey(order.tenant, order.name))
            if route is not None and order.node in self.candidates:
                self.start(self.move(route, order.node, pin=True))
        else:
            self.on_order(order)

    async def move(self, route: RoutedStream, node: str, *, pin: bool) -> None:
        """Hand a stream over; the other node is asked to take it, which is not awaited.

        Args:
            route: to the stream; nothing happens if it is not here.
            node: whom to.
            pin: whether it shall stay there, wherever else it belongs.
        """
        if node != self.me and await route.possession.hand_over(node):
            self.start(self._have_taken(route, pin))

    async def _have_taken(self, route: RoutedStream, pin: bool) -> None:
        try:
            await route.ask("own", pin)
        except NcsError as error:  # its sweep takes it
            log.warning("not_taken", **route.key._asdict(), error=str(error))


def _ignore(order: Order) -> None:
    """Do nothing."""


def _nothing() -> None:
    """Do nothing."""
