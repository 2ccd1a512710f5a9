"""Three nodes and a Redis, real processes all, under load; and the ledger at the end.

The ledger is the journal itself, and the model: every batch that was acknowledged is in
them, once, and in the order of its producer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence

import aiohttp
import numpy as np
from real_server import SECRET, free_port, token, wait_until

from ncs_client import AsyncNCSClient, StreamSession
from ncs_client.view import ClusterView
from ncs_protocol.messages import Subscribed
from ncs_streamer.entry import decode_entry
from ncs_streamer.processes import ServerProcess
from ncs_streamer.settings import Settings
from ncs_streamer.store import Owner, Store, StreamKey
from ncs_streamer.stores import make_store, opening

__all__ = [
    "LEASE_S",
    "ROUNDS",
    "STREAMS",
    "Cluster",
    "Gateway",
    "assert_counts_through",
    "load",
    "reading",
    "running",
]

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
"""How often a scenario does what it does."""

LEASE_S = 2.0
BATCH = 20
CREDENTIAL = token(lifetime_s=30 * 86400.0)  # also where clocks jump
STREAMS = ("s0", "s1", "s2", "s3")


class Cluster:
    """Node processes on one Redis."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.nodes: dict[str, ServerProcess] = {}
        self._ports = {name: free_port() for name in "abce"}  # kept over a restart

    async def start(
        self,
        name: str,
        *flags: str,
        store: str | None = None,
        program: Sequence[str] | None = None,
    ) -> ServerProcess:
        node = self.nodes[name] = ServerProcess(
            *("--store", store or self.url, "--node-name", name),
            *("--lease-s", str(LEASE_S), "--metrics-port", "0"),
            *("--drain-timeout-s", "5", "--port", str(self._ports[name])),
            *flags,
            env={"SECRET_KEY": SECRET},
            program=program,
        )
        await node.start()
        return node

    async def owners(self) -> dict[str, Owner]:
        """Return who owns which stream, as Redis has it."""
        async with self._store() as store:
            owners = await store.ownership.owners()
        return {key.stream: owner for key, owner in owners.items()}

    def _store(self) -> contextlib.AbstractAsyncContextManager[Store]:
        return opening(make_store(Settings(store=self.url, secret_key=SECRET)))

    async def batches(self, stream: str) -> list[tuple[str, int]]:
        """Return (producer, seq) of the journal, in its order."""
        async with self._store() as store:
            found = await store.journal.read(StreamKey("acme", stream), 0, 1_000_000)
        entries = [decode_entry(payload) for _, payload in found]
        return [
            (entry.producer or "", seq)
            for entry in entries
            if entry.kind == "points"
            for seq in range(entry.from_seq, entry.seq + 1)
        ]

    async def metric(self, name: str, metric: str) -> float:
        url = f"http://127.0.0.1:{self.nodes[name].metrics_port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            text = await response.text()
        found = re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))


@contextlib.asynccontextmanager
async def running(url: str, names: str = "abc") -> AsyncIterator[Cluster]:
    """Run nodes on a store; they end with the context, however they are."""
    self = Cluster(url)
    try:
        for name in names:
            await self.start(name)
        yield self
    finally:
        for node in self.nodes.values():
            if node.process.returncode is None:
                node.process.send_signal(signal.SIGCONT)
            await node.kill()


class Gateway:
    """Pushes to one stream until it is told to stop; it finds any node that answers."""

    def __init__(self, cluster: Cluster, name: str, stream: str, via: str) -> None:
        self.name, self.stream, self.via, self.acked = name, stream, via, 0
        self._cluster = cluster
        self._stop = asyncio.Event()
        self.longest_s = 0.0

    async def run(self) -> None:
        rng, sent = np.random.default_rng(len(self.name)), 0
        while not self._stop.is_set():
            node = self._cluster.nodes[self.via]
            async with AsyncNCSClient(node.url, CREDENTIAL) as client:
                session = client.stream(producer=self.name, streams=[self.stream])
                async with session:
                    while not self._stop.is_set():
                        began = time.monotonic()
                        points = rng.normal(size=(BATCH, 3)).astype("f4")
                        await session.send(points, stream=self.stream)
                        sent += 1
                        self.acked = sent
                        took = time.monotonic() - began
                        self.longest_s = max(self.longest_s, took)
                        await asyncio.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()


@contextlib.asynccontextmanager
async def load(cluster: Cluster, *via: str) -> AsyncIterator[list[Gateway]]:
    """Push to every stream through the nodes, and check the ledger at the end."""
    gateways = [
        Gateway(cluster, f"g-{stream}-{node}", stream, node)
        for stream in STREAMS
        for node in via
    ]
    tasks = [asyncio.create_task(gateway.run()) for gateway in gateways]
    await wait_until(lambda: all(g.acked > 3 for g in gateways), within_s=60)
    try:
        yield gateways
        before = {g.name: g.acked for g in gateways}
        await wait_until(
            lambda: all(g.acked > before[g.name] + 3 for g in gateways), within_s=60
        )
    finally:
        for gateway in gateways:
            gateway.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
    for stream in STREAMS:
        found = await cluster.batches(stream)
        for gateway in gateways:
            if gateway.stream == stream:
                seqs = [seq for name, seq in found if name == gateway.name]
                assert_counts_through(seqs, gateway.acked)
    node = cluster.nodes[via[0]]
    async with AsyncNCSClient(node.url, CREDENTIAL) as client:
        for stream in STREAMS:
            status = await client.get_algorithm_status(stream)
            acked = sum(g.acked for g in gateways if g.stream == stream)
            assert status.total_points_processed == BATCH * acked


def assert_counts_through(seqs: list[int], last: int) -> None:
    """Fail unless these are all, in order; the first may be in a snapshot alone."""
    assert seqs == list(range(last - len(seqs) + 1, last + 1))


@contextlib.asynccontextmanager
async def reading(cluster: Cluster, via: str, stream: str) -> AsyncIterator[list[int]]:
    """Read lossless events; in the end each came once, and they add up to the model."""
    seen: list[int] = []
    begun: list[bool] = []
    view = ClusterView()

    async def read(session: StreamSession) -> None:
        async for message in await session.subscribe(stream):
            view.apply(message)
            if isinstance(message, Subscribed):
                begun.append(message.recovered)
            elif message.delivery == "lossless":
                seen.append(message.last)

    async with (
        AsyncNCSClient(cluster.nodes[via].url, CREDENTIAL) as client,
        client.stream() as session,
    ):
        task = asyncio.create_task(read(session))
        await wait_until(lambda: begun)
        yield seen
        model = {c.cluster_id: c.size for c in await client.get_clusters(stream)}
        await wait_until(
            lambda: {i: c.size for i, c in view.clusters.items()} == model, within_s=30
        )
        task.cancel()
    assert begun == [False]
    assert seen == list(range(1, len(seen) + 1))
