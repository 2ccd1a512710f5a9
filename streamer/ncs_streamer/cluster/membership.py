"""This node among the others: its lease, and who else lives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from ..clock import Clock
from ..logs import get_log
from ..metrics import Metrics
from ..store.contracts import LostError, Node, Ownership, StoreError
from .lease import Lease

__all__ = ["Membership"]

log = get_log()


class Membership:
    """See the module. Belongs to the event loop's thread.

    Args:
        me: this node.
        ownership: of the store.
        clock: for the lease.
        metrics: where to count.
        on_lost: called when this node may not act as an owner any more.
        on_change: called when nodes have come or gone.

    Attributes:
        nodes: that live, by name, as far as this node knows.
        changed_at: when they last changed, monotonic.
    """

    def __init__(
        self,
        me: Node,
        ownership: Ownership,
        clock: Clock,
        metrics: Metrics,
        on_lost: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self.me = me
        self.nodes: dict[str, Node] = {}
        self.changed_at = clock.monotonic()
        self._ownership = ownership
        self._clock = clock
        self._metrics = metrics
        self._on_lost = on_lost
        self._on_change = on_change
        self._lease = Lease(ownership.lease_s)
        self._held = False

    @property
    def holds(self) -> bool:
        """Whether this node may act as an owner."""
        return self._lease.holds(self._clock.monotonic())

    async def join(self) -> None:
        """Begin to live.

        Raises:
            StoreError: if the store fails.
        """
        asked_at = self._clock.monotonic()
        await self._ownership.join(self.me)
        self._lease.renewed(asked_at)
        self._held = True
        await self.look_around()

    async def run(self) -> None:
        """Live until cancelled."""
        interval = self._lease.interval_s
        while True:
            await asyncio.sleep(interval)
            try:
                async with asyncio.timeout(self._lease.seconds):
                    await self._renew()
                    await self.look_around()
            except (StoreError, TimeoutError) as error:
                log.warning("lease_not_renewed", error=repr(error))
            except Exception:  # the next one may do
                log.exception("lease_not_renewed")
            self.check()

    async def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        try:
            if self._held:
                await self._ownership.renew(self.me)
            else:
                await self._ownership.join(self.me)
                log.info("joined_again", node=self.me.name)
        except LostError:
            self._lease.ended()
            self.check()
            return
        self._lease.renewed(asked_at)
        self._held = True

    def check(self) -> None:
        """Stop acting as an owner if the lease may have ended by now."""
        if self._held and not self.holds:
            log.error("lease_lost", node=self.me.name)
            self._metrics.count("ncs_leases_lost_total")
            self._held = False
            self._on_lost()

    async def drain(self) -> None:
        """Let the others know that this node takes nothing any more.

        Raises:
            StoreError: if the store fails; they get to know with the next renewal.
        """
        self.me = self.me._replace(is_draining=True)
        await self._renew()
        await self.look_around()

    async def look_around(self) -> None:
        """See who lives, and who of them drains.

        Raises:
            StoreError: if the store fails.
        """
        nodes = {node.name: node for node in await self._ownership.nodes()}
        self._metrics.set("ncs_nodes", len(nodes))
        if nodes != self.nodes:
            came, gone = nodes.keys() - self.nodes, self.nodes.keys() - nodes
            draining = [name for name, node in nodes.items() if node.is_draining]
            log.info(
                "nodes_changed",
                came=sorted(came),
                gone=sorted(gone),
                draining=sorted(draining),
            )
            self.nodes, self.changed_at = nodes, self._clock.monotonic()
            self._on_change()

    async def leave(self) -> None:
        """Live no more."""
        with contextlib.suppress(StoreError):
            await self._ownership.leave()
        self._held = False
        self._lease.ended()
