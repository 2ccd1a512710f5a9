"""Several nodes in one process: one store in memory, real sockets between them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

from real_server import SECRET, token

from ncs_client import AsyncNCSClient
from ncs_streamer.app import running
from ncs_streamer.server import Server
from ncs_streamer.settings import Settings
from ncs_streamer.store import MemoryStore, StreamKey

__all__ = ["LEASE_S", "Node", "Nodes", "nodes"]

LEASE_S = 1.0
_QUICK = {"cluster_port": 0, "status_interval_s": 0.1, "drain_timeout_s": 5.0}


@dataclasses.dataclass
class Node:
    """One of them."""

    name: str
    server: Server
    url: str
    stack: contextlib.AsyncExitStack

    def client(self, tenant: str = "acme") -> AsyncNCSClient:
        """Return a client of this node."""
        return AsyncNCSClient(self.url, token(tenant))

    def owns(self, stream: str, tenant: str = "acme") -> bool:
        """Return whether it serves the stream."""
        assert self.server.cluster is not None
        return self.server.cluster.route(StreamKey(tenant, stream)).local is not None


class Nodes:
    """All of them."""

    def __init__(self) -> None:
        self.store = MemoryStore(lease_s=LEASE_S)
        self.all: dict[str, Node] = {}

    async def start(self, name: str, **more: object) -> Node:
        """Start a node."""
        settings = Settings(
            store="memory",
            port=0,
            metrics_port=None,
            node_name=name,
            secret_key=SECRET,
            cluster_secret=SECRET,
            **{**_QUICK, **more},  # type: ignore[arg-type]
        )
        stack = contextlib.AsyncExitStack()
        server, port = await stack.enter_async_context(
            running(settings, self.store.beside())
        )
        url = f"http://127.0.0.1:{port}"
        node = self.all[name] = Node(name, server, url, stack)
        return node

    async def stop(self, name: str) -> None:
        """Stop a node politely."""
        await self.all.pop(name).stack.aclose()

    def owner(self, stream: str, tenant: str = "acme") -> Node | None:
        """Return who serves the stream just now."""
        serving = [node for node in self.all.values() if node.owns(stream, tenant)]
        assert len(serving) <= 1, f"two owners: {[node.name for node in serving]}"
        return serving[0] if serving else None

    def other(self, stream: str) -> Node:
        """Return a node that does not serve the stream."""
        return next(node for node in self.all.values() if not node.owns(stream))

    async def all_know_each_other(self) -> None:
        """Wait until every node sees every other one."""
        async with asyncio.timeout(20):
            while any(
                len(node.server.cluster.membership.nodes) != len(self.all)
                for node in self.all.values()
                if node.server.cluster is not None
            ):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def nodes(*names: str) -> AsyncIterator[Nodes]:
    """Run nodes with these names."""
    self = Nodes()
    try:
        for name in names:
            await self.start(name)
        await self.all_know_each_other()
        yield self
    finally:
        for name in list(self.all):
            await self.stop(name)
