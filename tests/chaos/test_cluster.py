"""Three nodes and a Redis, real processes all: killed, stopped, replaced under load.

Each time the ledger is the journal itself, read at the end, and the model: every batch
that was acknowledged is in them, once, and in the order of its producer.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from real_server import SECRET, free_port, token, wait_until
from redis_servers import RedisServer

from ncs_client import AsyncNCSClient, StreamSession
from ncs_client.view import ClusterView
from ncs_protocol.messages import Subscribed
from ncs_streamer.cli.child import ServerProcess
from ncs_streamer.entry import decode_entry
from ncs_streamer.settings import Settings
from ncs_streamer.store import Owner, StreamKey
from ncs_streamer.stores import make_store

pytestmark = pytest.mark.chaos

LEASE_S = 2.0
BATCH = 20
STREAMS = ("s0", "s1", "s2", "s3")


class Cluster:
    """Node processes on one Redis."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self.nodes: dict[str, ServerProcess] = {}
        self._ports = {name: free_port() for name in "abc"}  # kept over a restart

    async def start(self, name: str) -> ServerProcess:
        node = self.nodes[name] = ServerProcess(
            *("--store", self.redis.url, "--node-name", name),
            *("--lease-s", str(LEASE_S), "--metrics-port", "0"),
            *("--drain-timeout-s", "5", "--port", str(self._ports[name])),
            env={"SECRET_KEY": SECRET},
        )
        await node.start()
        return node

    async def owners(self) -> dict[str, Owner]:
        """Return who owns which stream, as Redis has it."""
        async with self._store() as store:
            owners = await store.ownership.owners()
        return {key.stream: owner for key, owner in owners.items()}

    @contextlib.asynccontextmanager
    async def _store(self) -> AsyncIterator[object]:
        store = make_store(Settings(store=self.redis.url, secret_key=SECRET))
        await store.open()
        try:
            yield store
        finally:
            await store.close()

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


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    with RedisServer(tmp_path / "redis") as redis:
        self = Cluster(redis)
        try:
            for name in "abc":
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
        self.name, self.stream, self.acked = name, stream, 0
        self._cluster, self._via = cluster, via
        self._stop = asyncio.Event()
        self.longest_s = 0.0

    async def run(self) -> None:
        rng, sent = np.random.default_rng(len(self.name)), 0
        while not self._stop.is_set():
            node = self._cluster.nodes[self._via]
            async with AsyncNCSClient(node.url, token()) as client:
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
    async with AsyncNCSClient(node.url, token()) as client:
        for stream in STREAMS:
            status = await client.get_algorithm_status(stream)
            acked = sum(g.acked for g in gateways if g.stream == stream)
            assert status.total_points_processed == BATCH * acked


def assert_counts_through(seqs: list[int], last: int) -> None:
    """Fail unless these are all, in order; the first may be in a snapshot alone."""
    assert seqs == list(range(last - len(seqs) + 1, last + 1))


async def a_node_that_owns(cluster: Cluster) -> tuple[str, list[str]]:
    """Have a stream begun; return its owner, and the other nodes."""
    async with AsyncNCSClient(cluster.nodes["a"].url, token()) as client:
        await client.process_points([[0.0, 0.0, 0.0]], stream="begun")
    owner = (await cluster.owners())["begun"].node
    return owner, [name for name in cluster.nodes if name != owner]


async def test_an_owner_is_killed_and_the_others_take_over(cluster: Cluster) -> None:
    owner, others = await a_node_that_owns(cluster)
    async with load(cluster, *others) as gateways:
        before = await cluster.owners()
        await cluster.nodes[owner].kill()
        killed_at = time.monotonic()
        acked = {g.name: g.acked for g in gateways}
        async with AsyncNCSClient(cluster.nodes[others[0]].url, token()) as client:
            await client.process_points([[0.0, 0.0, 0.0]], stream="begun")
        print(f"served again {time.monotonic() - killed_at:.2f} s after kill -9")
        await wait_until(
            lambda: all(g.acked > acked[g.name] + 2 for g in gateways), within_s=60
        )
        after = await cluster.owners()
        lost = [stream for stream, was in before.items() if was.node == owner]
        assert "begun" in lost
        for stream in lost:
            assert after[stream].node in others
            assert after[stream].epoch > before[stream].epoch


async def test_an_owner_that_slept_past_its_lease_is_fenced(cluster: Cluster) -> None:
    owner, others = await a_node_that_owns(cluster)
    acks: list[int] = []

    async def flood() -> None:
        """Have something on its way into the journal at any time."""
        async with (
            AsyncNCSClient(cluster.nodes[owner].url, token()) as client,
            client.stream(producer="flood", streams=["begun"]) as session,
        ):
            while True:
                point = np.zeros((1, 3), "f4")
                ack = await session.submit(point, stream="begun")
                ack.add_done_callback(lambda done: acks.append(done.result().seq))
                await asyncio.sleep(0)

    async def owns() -> bool:
        return owner in {known.node for known in (await cluster.owners()).values()}

    flooding = asyncio.create_task(flood())
    async with load(cluster, *others):
        await wait_until(lambda: len(acks) > 1000)
        cluster.nodes[owner].process.send_signal(signal.SIGSTOP)
        while await owns():
            await asyncio.sleep(0.1)
        cluster.nodes[owner].process.send_signal(signal.SIGCONT)
        acked = len(acks)
        await wait_until(lambda: len(acks) > acked + 1000)
        assert await cluster.metric(owner, "ncs_fenced_appends_total") >= 1
        assert await cluster.metric(owner, "ncs_leases_lost_total") >= 1
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    found = [seq for name, seq in await cluster.batches("begun") if name == "flood"]
    assert_counts_through(found, found[-1])
    assert found[-1] >= max(acks)


async def test_all_nodes_are_replaced_one_by_one_under_load(cluster: Cluster) -> None:
    async with load(cluster, "a", "b", "c"):
        for name in "abc":
            assert await cluster.nodes[name].stop() == 0
            await cluster.start(name)


async def test_a_reader_sees_every_lossless_event_once_while_owners_are_killed(
    cluster: Cluster,
) -> None:
    seen: list[int] = []
    begun: list[bool] = []
    view = ClusterView()

    async def read(session: StreamSession) -> None:
        async for message in await session.subscribe("s0"):
            view.apply(message)
            if isinstance(message, Subscribed):
                begun.append(message.recovered)
            elif message.delivery == "lossless":
                seen.append(message.last)

    async with (
        AsyncNCSClient(cluster.nodes["a"].url, token()) as client,
        client.stream() as session,
    ):
        task = asyncio.create_task(read(session))
        await wait_until(lambda: begun)
        async with load(cluster, "a"):
            owner = (await cluster.owners())["s0"].node
            if owner != "a":
                await cluster.nodes[owner].kill()
            await asyncio.sleep(2 * LEASE_S)
        async with AsyncNCSClient(cluster.nodes["a"].url, token()) as other:
            model = {c.cluster_id: c.size for c in await other.get_clusters("s0")}
        await wait_until(
            lambda: {i: c.size for i, c in view.clusters.items()} == model, within_s=30
        )
        task.cancel()
    assert begun == [False]
    assert seen == list(range(1, len(seen) + 1))
