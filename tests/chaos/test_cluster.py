"""Three nodes and a Redis, real processes all: killed, stopped, replaced under load."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from node_processes import (
    LEASE_S,
    Cluster,
    assert_counts_through,
    load,
    reading,
    running,
)
from real_server import token, wait_until
from redis_servers import RedisServer

from ncs_client import AsyncNCSClient

pytestmark = pytest.mark.chaos


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    with RedisServer(tmp_path / "redis") as redis:
        async with running(redis.url) as cluster:
            yield cluster


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
    async with reading(cluster, "a", "s0"), load(cluster, "a"):
        owner = (await cluster.owners())["s0"].node
        if owner != "a":
            await cluster.nodes[owner].kill()
        await asyncio.sleep(2 * LEASE_S)
