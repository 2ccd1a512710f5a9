"""What a node sees to once a second: that every stream has an owner, in its place.

Streams whose owner is gone are taken over by the node that they belong to, also where
no client asks for them. A few at a time, streams move to where they belong when nodes
have come or gone; all of them leave a node that is drained.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ncs_protocol import NcsError

from ..logs import get_log
from ..store.contracts import StoreError, StreamKey
from .placement import preferred

if TYPE_CHECKING:
    from .routed import RoutedStream
    from .streams import ClusterStreams

__all__ = ["Sweep"]

_SWEEP_S = 1.0
_SETTLE_LEASES = 1.0  # that the nodes have to stay the same before streams are moved
_MOVES_A_SWEEP = 2
_AT_ONCE = 8  # streams, handed over

log = get_log()


class Sweep:
    """See the module. Belongs to the event loop's thread.

    Args:
        cluster: whose streams these are.
    """

    def __init__(self, cluster: ClusterStreams) -> None:
        self._cluster = cluster
        self._is_due = asyncio.Event()

    def soon(self) -> None:
        """Do not wait for the second to be over."""
        self._is_due.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_SWEEP_S):
                    await self._is_due.wait()
            except TimeoutError:
                pass
            self._is_due.clear()
            try:
                await self.sweep()
            except (StoreError, NcsError) as error:
                log.warning("sweep_failed", error=str(error))
            except Exception:  # the lease is renewed beside it, and has to be
                log.exception("sweep_failed")

    async def sweep(self) -> None:
        """Look at all streams once.

        Raises:
            StoreError: they cannot be seen.
        """
        cluster = self._cluster
        await self._adopt()
        cluster.forget_idle()
        cluster.peers.look()
        if cluster.is_draining:
            if cluster.candidates:  # else what is here is served until the end
                await self.give_away()
        elif self._is_settled():
            await self._rebalance()

    async def _adopt(self) -> None:
        """Take over what has no owner and belongs here."""
        cluster, nodes = self._cluster, self._cluster.membership.nodes
        known = await cluster.look_around()
        owners = await cluster.ownership.owners()
        unowned = 0
        for key in known:
            owner = owners.get(key)
            lives = owner is not None and owner.node in nodes
            if lives or key in cluster.damaged:
                continue
            unowned += 1
            is_mine = self._is_mine(key, owner.successor if owner else "")
            if cluster.may_own and is_mine:
                cluster.route(key).find_soon()
        cluster.services.metrics.set("ncs_streams_unowned", unowned)

    def _is_mine(self, key: StreamKey, successor: str) -> bool:
        cluster = self._cluster
        if successor in cluster.candidates:
            return successor == cluster.me
        return preferred(key, cluster.candidates) == cluster.me

    def _is_settled(self) -> bool:
        cluster = self._cluster
        quiet_s = _SETTLE_LEASES * cluster.ownership.lease_s
        now = cluster.services.clock.monotonic()
        return now >= cluster.membership.changed_at + quiet_s

    async def _rebalance(self) -> None:
        """Hand over a few of the streams that belong to other nodes."""
        cluster, moves = self._cluster, 0
        for key, route in cluster.owned():
            node = preferred(key, cluster.candidates)
            if node in (None, cluster.me) or route.possession.is_pinned:
                continue
            await cluster.move(route, node, pin=False)
            moves += 1
            if moves >= _MOVES_A_SWEEP:
                return

    async def give_away(self) -> None:
        """Hand over everything, if there is anybody."""
        cluster, at_once = self._cluster, asyncio.Semaphore(_AT_ONCE)

        async def give(key: StreamKey, route: RoutedStream) -> None:
            async with at_once:
                successor = preferred(key, cluster.candidates)
                if await route.possession.hand_over(successor or "") and successor:
                    link = cluster.peers.link(successor)
                    if link is not None:
                        await link.ask(key, "own", b"")

        work = [give(*one) for one in cluster.owned()]
        await asyncio.gather(*work, return_exceptions=True)
