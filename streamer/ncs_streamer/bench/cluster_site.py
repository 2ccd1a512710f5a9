"""A cluster of the benchmark's own, with what all its measurements need."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from ncs_client import AsyncNCSClient

from ..auth import TokenIssuer
from ..cluster.placement import preferred
from ..processes import LocalCluster
from ..settings import Settings
from ..store import Store, StreamKey
from ..stores import make_store, opening
from .figures import cpu_clock

__all__ = ["TENANT", "Site", "patient", "site"]

TENANT = "bench"
_PAUSE_S = 0.02
_PATIENCE_S = 60.0


class Site:
    """Nodes and a Redis that run, and a client of each node; see `site`.

    Attributes:
        cluster: its processes.
        clients: by name of the node.
        store: what the nodes share.
    """

    def __init__(self, cluster: LocalCluster, store: Store) -> None:
        self.cluster = cluster
        self.clients: dict[str, AsyncNCSClient] = {}
        self.store = store
        self._redis = Redis.from_url(cluster.redis.url)

    @property
    def names(self) -> list[str]:
        """The names of its nodes."""
        return list(self.cluster.nodes)

    def connect(self, node: str) -> None:
        """Make a client of a node, which may have another port than before."""
        now = time.time()
        token = TokenIssuer(self.cluster.secret, 7 * 86400.0).issue(
            subject=TENANT, tenant=TENANT, scopes=("read", "write"), now=now
        )
        url = self.cluster.nodes[node].url
        self.clients[node] = AsyncNCSClient(url, api_key=token)

    async def owners(self, streams: list[str]) -> dict[str, str]:
        """Return which node owns each of the streams that somebody owns."""
        owners = await self.store.ownership.owners()
        found = {s: owners.get(StreamKey(TENANT, s)) for s in streams}
        return {stream: owner.node for stream, owner in found.items() if owner}

    async def joined(self) -> None:
        """Wait until all nodes have a lease."""

        async def have_joined() -> bool:
            return {n.name for n in await self.store.ownership.nodes()} == {*self.names}

        await _until(have_joined)

    async def settled(self, streams: list[str]) -> dict[str, str]:
        """Wait until all nodes own what belongs to them; return the owners."""
        await self.joined()
        belong = {s: preferred(StreamKey(TENANT, s), self.names) for s in streams}

        async def are_there() -> bool:
            return await self.owners(streams) == belong

        await _until(are_there)
        return await self.owners(streams)

    async def applied(self, streams: list[str]) -> int:
        """Return how many points the models of the streams have learned."""
        client = next(iter(self.clients.values()))
        statuses = [await client.get_algorithm_status(stream) for stream in streams]
        return sum(status.total_points_processed for status in statuses)

    async def commands(self) -> Counter[str]:
        """Return how often Redis has executed what; those of scripts count too."""
        stats: Any = await self._redis.info("commandstats")
        calls = {name: row["calls"] for name, row in stats.items()}
        return Counter({n.removeprefix("cmdstat_"): c for n, c in calls.items()})

    def cpu_seconds(self) -> tuple[float, float, float]:
        """Return the processor seconds so far of nodes, clients and Redis."""
        redis = self.cluster.redis.process
        assert redis is not None
        pids = [node.process.pid for node in self.cluster.nodes.values()]
        nodes = sum(cpu_clock(pid)() for pid in pids)
        return nodes, time.process_time(), cpu_clock(redis.pid)()

    async def close(self) -> None:
        """Close the clients."""
        for client in self.clients.values():
            await client.close()
        await self._redis.aclose()


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with patient("the nodes did not come together"):
        while not await holds():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(_PAUSE_S)


@contextlib.asynccontextmanager
async def patient(what: str) -> AsyncIterator[None]:
    """Wait for something, but not for ever.

    Raises:
        TimeoutError: it took too long; says what.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            yield
    except TimeoutError:
        raise TimeoutError(f"{what} within {_PATIENCE_S:.0f} s") from None


@contextlib.asynccontextmanager
async def site(nodes: int, lease_s: float) -> AsyncIterator[Site]:
    """Run that many nodes on a Redis of their own, which syncs every write.

    Raises:
        StartError: if a part is not installed, or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="ncs-bench-") as folder:
        async with LocalCluster(nodes, None, Path(folder), lease_s) as cluster:
            settings = Settings(store=cluster.redis.url, secret_key=cluster.secret)
            async with opening(make_store(settings)) as store:
                self = Site(cluster, store)
                try:
                    for name in self.names:
                        self.connect(name)
                    yield self
                finally:
                    await self.close()
