"""All streams of a cluster, as one of its nodes serves them.

It stands where `Streams` does on a server that is alone: whoever serves a client finds
and opens streams here, wherever they are. Beside that it sees that every stream has an
owner that lives, and that they lie where they belong.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

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
from .line import Identity
from .link import Link
from .membership import Membership
from .orders import CONTROL, Order, say
from .placement import preferred
from .questions import answer
from .routed import RoutedStream
from .wire import VERSION, decode_as

__all__ = ["ClusterConfig", "ClusterStreams"]

_SWEEP_S = 1.0
_SETTLE_LEASES = 1.0  # that the nodes have to stay the same before streams are moved
_MOVES_A_SWEEP = 2
_AT_ONCE = 8  # streams, taken over or handed over
_HEARTBEAT_S = 2.0

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
        peers: ways on which other nodes have dialled.
        on_order: called with what is said to all nodes, but for moves.
        is_draining: whether this node gives away what it has.
    """

    def __init__(self, local: Streams, config: ClusterConfig, max_streams: int) -> None:
        self.local = local
        self.services: Services = local.services
        self.ownership = self.services.store.ownership
        self.channel = self.services.store.channel
        self.me = config.node
        self.secret = config.secret
        self.hand_over_s = config.hand_over_s
        self.heartbeat_s = _HEARTBEAT_S
        self.identity = Identity(config.node, time.time_ns() // 1_000_000)
        self.peers: set[web.WebSocketResponse] = set()
        self.on_order: Callable[[Order], None] = _ignore
        self.is_draining = False
        self._max_streams = max_streams
        self._routes: dict[StreamKey, RoutedStream] = {}
        self._known: frozenset[StreamKey] = frozenset()
        self._links: dict[str, Link] = {}
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._swept = asyncio.Event()
        self.membership = Membership(
            Node(config.node, "", VERSION),
            self.ownership,
            self.services.clock,
            self.services.metrics,
            self._lost,
            self._nodes_changed,
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
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        await self.channel.subscribe(CONTROL, self._hear, lambda _: None)
        await self.membership.join()
        await self._sweep()

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
        stored = await self.services.store.streams()
        self._known = frozenset(stored)
        here = {stream.key for stream in self.local.all()}
        own = sum(other.tenant == key.tenant for other in here.union(stored) - {key})
        if own >= self._max_streams:
            raise NcsError(
                Code.TOO_MANY_STREAMS,
                f"the tenant has {own} streams, the limit is {self._max_streams}",
            )

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
            self._known = frozenset(await self.services.store.streams())
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
            group.create_task(self._keep_sweeping())

    async def close(self) -> None:
        """Give every stream to another node, and leave."""
        self.is_draining = True
        await self._give_away()
        await self.local.close()  # what nobody could be given
        await self.membership.leave()
        for route in self._routes.values():
            await route.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links.values():
            await link.close()
        for ws in list(self.peers):
            await ws.close()
        if self._session is not None:
            await self._session.close()

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
        nodes = set(self.membership.nodes) | {self.me}
        if self.is_draining:
            nodes.discard(self.me)
        return sorted(nodes)

    def link(self, name: str) -> Link | None:
        """Return the way to a node; None if it is not known."""
        node = self.membership.nodes.get(name)
        if node is None or name == self.me:
            return None
        link = self._links.get(name)
        if link is None or link.node != node:
            assert self._session is not None
            link = self._links[name] = Link(
                self.me,
                node,
                self.secret,
                self._session,
                self.services.metrics,
                _HEARTBEAT_S,
                self._moved,
                self._link_down,
            )
        return link

    def address_of(self, name: str) -> str | None:
        """Return where a node answers other nodes; None if it is not known."""
        node = self.membership.nodes.get(name)
        return None if node is None or name == self.me else node.address

    @property
    def http(self) -> aiohttp.ClientSession:
        """What dials other nodes."""
        assert self._session is not None
        return self._session

    def moved(self, name: str) -> None:
        """Take note that a node does not have what it was thought to have."""
        link = self._links.get(name)
        if link is not None:
            self._link_down(link)

    def _moved(self, key: StreamKey) -> None:
        if key in self._routes:
            self._routes[key].moved()

    def _link_down(self, link: Link) -> None:
        for route in list(self._routes.values()):
            route.moved(link)

    def _lost(self) -> None:
        for route in list(self._routes.values()):
            route.possession.lose()

    def _nodes_changed(self) -> None:
        self._swept.set()

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

    def _hear(self, _: StreamKey, payload: bytes) -> None:
        try:
            order = msgspec.msgpack.decode(payload, type=Order)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            log.warning("order_not_understood", error=str(error))
            return
        if order.what == "drain":
            if order.node == self.me:
                self.is_draining = True
                self._swept.set()
        elif order.what == "move":
            route = self._routes.get(StreamKey(order.tenant, order.name))
            if route is not None and order.node in self.membership.nodes:
                self.start(self.move(route, order.node, pin=True))
        else:
            self.on_order(order)

    async def move(self, route: RoutedStream, node: str, *, pin: bool) -> None:
        """Hand a stream over and see that it is taken.

        Args:
            route: to the stream; nothing happens if it is not here.
            node: whom to.
            pin: whether it shall stay there, wherever else it belongs.
        """
        if node != self.me and await route.possession.hand_over(node):
            await route.ask("own", pin)

    # That every stream has an owner, and lies where it belongs

    async def _keep_sweeping(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_SWEEP_S):
                    await self._swept.wait()
            except TimeoutError:
                pass
            self._swept.clear()
            try:
                await self._sweep()
            except (StoreError, NcsError) as error:
                log.warning("sweep_failed", error=str(error))
            except Exception:  # the lease is renewed beside it, and has to be
                log.exception("sweep_failed")

    async def _sweep(self) -> None:
        store, nodes = self.services.store, self.membership.nodes
        self._known = frozenset(await store.streams())
        owners = await self.ownership.owners()
        if self.may_own:
            for key in self._known:
                owner = owners.get(key)
                lives = owner is not None and owner.node in nodes
                if lives or key in self.damaged:
                    continue
                if self._is_mine(key, owner.successor if owner else ""):
                    self.route(key).find_soon()
        self._forget_idle()
        if self.is_draining:
            await self._give_away()
        elif self._is_settled():
            await self._rebalance()

    def _is_mine(self, key: StreamKey, successor: str) -> bool:
        if successor in self.membership.nodes:
            return successor == self.me
        return preferred(key, self.candidates) == self.me

    def _is_settled(self) -> bool:
        now = self.services.clock.monotonic()
        settled = self.membership.changed_at + _SETTLE_LEASES * self.ownership.lease_s
        return now >= settled

    async def _rebalance(self) -> None:
        """Hand over a few of the streams that belong to other nodes."""
        moves = 0
        for key, route in list(self._routes.items()):
            node = preferred(key, self.candidates)
            if route.local is None or route.possession.is_pinned or node == self.me:
                continue
            if node is not None:
                await self.move(route, node, pin=False)
                moves += 1
            if moves >= _MOVES_A_SWEEP:
                return

    def _forget_idle(self) -> None:
        for key, route in list(self._routes.items()):
            if route.is_idle:
                del self._routes[key]

    async def _give_away(self) -> None:
        """Hand over everything, if there is anybody."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def give(key: StreamKey, route: RoutedStream) -> None:
            async with at_once:
                successor = preferred(key, self.candidates)
                if await route.possession.hand_over(successor or "") and successor:
                    link = self.link(successor)
                    if link is not None:
                        await link.ask(key, "own", b"")

        owned = [(k, r) for k, r in self._routes.items() if r.local is not None]
        await asyncio.gather(*(give(*one) for one in owned), return_exceptions=True)


def _ignore(order: Order) -> None:
    """Do nothing."""


def _nothing() -> None:
    """Do nothing."""
