"""Three nodes and a Redis, real processes all: killed, stopped, replaced under load.

CHAOS_ROUNDS=20 repeats what can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jumping_clock
import numpy as np
import pytest
from node_processes import (
    LEASE_S,
    ROUNDS,
    STREAMS,
    Cluster,
    Gateway,
    assert_counts_through,
    load,
    reading,
    running,
)
from ownership_history import accepted_appends, check_history, monitored
from real_server import free_port, token, wait_until
from redis_servers import RedisServer

from ncs_client import AsyncNCSClient
from ncs_streamer.cluster.placement import preferred
from ncs_streamer.store import StreamKey
from ncs_streamer.verify.proxy import Proxy

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240 + 60 * ROUNDS)]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three nodes; in the end every journal is one line, of one owner after another."""
    told = tmp_path / "monitor"
    with RedisServer(tmp_path / "redis") as redis:
        with monitored(redis.port, told):
            async with running(redis.url) as cluster:
                yield cluster
            redis.run("ECHO", "the end")
            await wait_until(lambda: told.read_bytes().endswith(b'"the end"\n'))
        tails = {
            head.decode().removesuffix("head"): int(redis.run("HGET", head, "tail"))
            for head in redis.run("KEYS", "*:head")
        }
    for journal, accepted in accepted_appends(told).items():
        check_history(accepted, tails.pop(journal.removesuffix("journal")))
    assert not tails, "journals that nobody has been seen to write"


async def a_node_that_owns(cluster: Cluster) -> tuple[str, list[str]]:
    """Have a stream begun; return its owner, and the other nodes."""
    async with AsyncNCSClient(cluster.nodes["a"].url, token()) as client:
        await client.process_points([[0.0, 0.0, 0.0]], stream="begun")
    owner = (await cluster.owners())["begun"].node
    return owner, [name for name in cluster.nodes if name != owner]


async def test_an_owner_is_killed_and_the_others_take_over(cluster: Cluster) -> None:
    owner, others = await a_node_that_owns(cluster)
    async with load(cluster, *others) as gateways:
        await an_owner_is_killed(cluster, owner, others, gateways)
        for _ in range(ROUNDS - 1):
            await cluster.start(owner)
            while (await cluster.owners())["begun"].node != owner:
                await asyncio.sleep(0.1)
            await asyncio.sleep(random.random())
            await an_owner_is_killed(cluster, owner, others, gateways)


async def an_owner_is_killed(
    cluster: Cluster, owner: str, others: list[str], gateways: list[Gateway]
) -> None:
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

    async def sleep_past_the_lease() -> None:
        while (await cluster.owners())["begun"].node != owner:
            await asyncio.sleep(0.1)
        acked = len(acks)
        await wait_until(lambda: len(acks) > acked + 1000, within_s=60)
        cluster.nodes[owner].process.send_signal(signal.SIGSTOP)
        while await owns():
            await asyncio.sleep(0.1)
        cluster.nodes[owner].process.send_signal(signal.SIGCONT)
        acked = len(acks)
        await wait_until(lambda: len(acks) > acked + 1000, within_s=60)

    flooding = asyncio.create_task(flood())
    async with load(cluster, *others):
        for _ in range(ROUNDS):
            await sleep_past_the_lease()
        assert await cluster.metric(owner, "ncs_leases_lost_total") >= ROUNDS
        # It may have been stopped in the one moment in which nothing was on its way.
        while not await cluster.metric(owner, "ncs_fenced_appends_total"):
            await sleep_past_the_lease()
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    found = [seq for name, seq in await cluster.batches("begun") if name == "flood"]
    assert_counts_through(found, found[-1])
    assert found[-1] >= max(acks)


async def test_all_nodes_are_replaced_one_by_one_under_load(cluster: Cluster) -> None:
    async with load(cluster, "a", "b", "c"):
        for name in "abc" * ROUNDS:
            assert await cluster.nodes[name].stop() == 0
            await cluster.start(name)


async def test_a_node_that_joins_under_load_gets_the_streams_that_belong_to_it(
    cluster: Cluster,
) -> None:
    belong = {s for s in STREAMS if preferred(StreamKey("acme", s), "abce") == "e"}
    assert "s0" in belong

    async def owned() -> set[str]:
        return {s for s, owner in (await cluster.owners()).items() if owner.node == "e"}

    async with reading(cluster, "a", "s0"), load(cluster, "a", "b", "c") as gateways:
        await cluster.start("e")
        async with asyncio.timeout(60):
            while await owned() != belong:
                await asyncio.sleep(0.1)
        acked = {g.name: g.acked for g in gateways}
        await wait_until(
            lambda: all(g.acked > acked[g.name] + 3 for g in gateways), within_s=60
        )


async def test_nodes_that_cannot_reach_each_other_wait_and_lose_nothing(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        async with contextlib.AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(running(redis.url, ""))
            lines = []
            for name in "abc":
                port = str(free_port())
                line = Proxy(lambda p=port: f"http://127.0.0.1:{p}", random.Random())
                lines.append(await stack.enter_async_context(line))
                way = line.url.removeprefix("http://")
                await cluster.start(
                    name, "--cluster-port", port, "--cluster-address", way
                )
            await stack.enter_async_context(reading(cluster, "b", "s0"))
            gateways = await stack.enter_async_context(load(cluster, "a", "b", "c"))
            while any(
                own.node != preferred(StreamKey("acme", stream), "abc")
                for stream, own in (await cluster.owners()).items()
            ):
                await asyncio.sleep(0.1)
            owners = await cluster.owners()
            here = [g for g in gateways if owners[g.stream].node == g.via]
            there = [g for g in gateways if g not in here]
            for line in lines:
                line.swallow()
            acked = {g.name: g.acked for g in gateways}
            for name in "abc":
                while await cluster.metric(name, "ncs_peer_links"):
                    await asyncio.sleep(0.1)
            node = there[0].via  # goes on trying
            while not await cluster.metric(node, "ncs_peers_unreachable"):
                await asyncio.sleep(0.1)
            await wait_until(lambda: all(g.acked > acked[g.name] + 3 for g in here))
            # One batch of each may have been on its way.
            assert all(g.acked <= acked[g.name] + 1 for g in there)
            for line in lines:
                line.heal()
            await wait_until(
                lambda: all(g.acked > acked[g.name] + 3 for g in gateways), within_s=60
            )


async def test_a_node_whose_clock_jumps_stays_an_owner_and_counts_right(
    cluster: Cluster,
) -> None:
    assert await cluster.nodes["c"].stop() == 0
    # A lease that no stall of this machine outlasts, and every jump would.
    jumping = (sys.executable, jumping_clock.__file__)
    await cluster.start("c", "--lease-s", "60", program=jumping)
    async with reading(cluster, "b", "s0"), load(cluster, "a", "b", "c") as gateways:
        async with asyncio.timeout(60):
            while "c" not in {own.node for own in (await cluster.owners()).values()}:
                await asyncio.sleep(0.1)
        acked = {g.name: g.acked for g in gateways}
        await wait_until(
            lambda: all(g.acked > acked[g.name] + 20 for g in gateways), within_s=60
        )
        assert await cluster.metric("c", "ncs_leases_lost_total") == 0
        # What asks for the model in the end goes from node to node, by the clock.
        assert await cluster.nodes["c"].stop() == 0
        await cluster.start("c")


async def test_a_reader_sees_every_lossless_event_once_while_owners_are_killed(
    cluster: Cluster,
) -> None:
    async with reading(cluster, "a", "s0"), load(cluster, "a"):
        for _ in range(ROUNDS):
            owner = (await cluster.owners())["s0"].node
            if owner != "a":
                await cluster.nodes[owner].kill()
            await asyncio.sleep(2 * LEASE_S)
            if owner != "a":
                await cluster.start(owner)
