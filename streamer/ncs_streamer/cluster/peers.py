"""The other nodes: the ways to them, and who of them has dialled this one."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
from aiohttp import web

from ..metrics import Metrics
from ..store.contracts import StreamKey
from .link import Link
from .membership import Membership

__all__ = ["Peers"]


class Peers:
    """See the module. Belongs to the event loop's thread.

    Args:
        membership: knows who lives.
        secret: of the cluster.
        metrics: where to count.
        on_moved: called with a stream that we listen to and that has moved.
        on_down: called with a way that is lost.

    Attributes:
        dialled: ways on which other nodes have dialled.
    """

    def __init__(
        self,
        membership: Membership,
        secret: bytes,
        metrics: Metrics,
        on_moved: Callable[[StreamKey], None],
        on_down: Callable[[Link], None],
    ) -> None:
        self.dialled: set[web.WebSocketResponse] = set()
        self._membership = membership
        self._secret = secret
        self._metrics = metrics
        self._on_moved = on_moved
        self._on_down = on_down
        self._links: dict[str, Link] = {}
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Be able to dial."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))

    @property
    def http(self) -> aiohttp.ClientSession:
        """What dials."""
        assert self._session is not None
        return self._session

    def address_of(self, name: str) -> str | None:
        """Return where a node answers other nodes; None if it is not known."""
        node = self._membership.nodes.get(name)
        return (
            None if node is None or name == self._membership.me.name else node.address
        )

    def link(self, name: str) -> Link | None:
        """Return the way to a node; None if it is not known."""
        node, me = self._membership.nodes.get(name), self._membership.me.name
        if node is None or name == me:
            return None
        link = self._links.get(name)
        if link is None or link.node.address != node.address:
            link = self._links[name] = Link(
                me,
                node,
                self._secret,
                self.http,
                self._metrics,
                self._on_moved,
                self._on_down,
            )
        return link

    def moved(self, name: str) -> None:
        """Take note that a node does not have what it was thought to have."""
        link = self._links.get(name)
        if link is not None:
            self._on_down(link)

    def look(self) -> None:
        """Forget nodes that are gone, and tell how many cannot be reached."""
        for name, link in list(self._links.items()):
            if name not in self._membership.nodes and not link.is_used:
                del self._links[name]
        failed = sum(link.failed for link in self._links.values())
        self._metrics.set("ncs_peers_unreachable", failed)

    async def close(self) -> None:
        """Hang up on all of them."""
        for link in list(self._links.values()):
            await link.close()
        for ws in list(self.dialled):
            await ws.close()
        if self._session is not None:
            await self._session.close()
