"""Nodes whose Redis is killed, fails over, or is cut off from one; see CHAOS_ROUNDS."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from commands import ncs
from node_processes import (
    LEASE_S,
    ROUNDS,
    STREAMS,
    assert_counts_through,
    load,
    reading,
    running,
)
from real_server import token, wait_until
from redis_servers import RedisServer, redis_with_sentinels, until

from ncs_client import AsyncNCSClient
from ncs_protocol.messages import Ack
from ncs_streamer.verify.proxy import Proxy

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240 + 60 * ROUNDS)]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as redis:
        yield redis


async def test_redis_is_killed_and_every_node_goes_on(redis: RedisServer) -> None:
    async with (
        running(redis.url) as cluster,
        reading(cluster, "b", "s0"),
        load(cluster, "a", "b", "c") as gateways,
    ):
        for down_s in (0.0, random.random(), 1.5 * LEASE_S) * ROUNDS:
            before = {g.name: g.acked for g in gateways}
            redis.kill()
            await asyncio.sleep(down_s)
            await asyncio.to_thread(redis.start)
            await wait_until(
                lambda b=before: all(g.acked > b[g.name] + 3 for g in gateways),
                within_s=60,
            )
        for name in "abc":
            assert await cluster.metric(name, "ncs_acked_loss_total") == 0


async def test_a_node_is_cut_off_from_redis_and_what_it_had_acknowledged_stays(
    redis: RedisServer,
) -> None:
    async with (
        Proxy(lambda: redis.url, random.Random()) as line,
        running(redis.url, "bc") as cluster,
    ):
        store = line.url.replace("http", "redis", 1)
        node = await cluster.start("a", store=store)
        acks: list[int] = []

        def note(done: asyncio.Future[Ack]) -> None:
            if not done.cancelled() and done.exception() is None:
                acks.append(done.result().seq)

        async def flood() -> None:
            """Have something on its way into the journal at any time."""
            async with (
                AsyncNCSClient(node.url, token()) as client,
                client.stream(producer="flood", streams=["cut"]) as session,
            ):
                while True:
                    point = np.zeros((1, 3), "f4")
                    ack = await session.submit(point, stream="cut")
                    ack.add_done_callback(note)
                    await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        await wait_until(lambda: len(acks) > 100)
        async with reading(cluster, "b", "s0"), load(cluster, "b", "c"):
            for _ in range(ROUNDS):
                order = ("streams", "move", "cut", "a", "--tenant", "acme")
                assert 0 == (await ncs(*order, "--store", redis.url))[0]
                acked = len(acks)
                await wait_until(lambda n=acked: len(acks) > n + 100)
                line.swallow()
                async with AsyncNCSClient(cluster.nodes["b"].url, token()) as client:
                    await client.process_points([[0.0, 0.0, 0.0]], stream="cut")
                assert (await cluster.owners())["cut"].node != "a"
                line.heal()
                acked = len(acks)
                await wait_until(lambda n=acked: len(acks) > n + 100, within_s=60)
            assert await cluster.metric("a", "ncs_leases_lost_total") >= ROUNDS
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        found = [seq for name, seq in await cluster.batches("cut") if name == "flood"]
        assert_counts_through(found, found[-1])
        assert found[-1] >= max(acks)


async def test_sentinels_let_the_replica_take_over_under_several_nodes(
    tmp_path: Path,
) -> None:
    with redis_with_sentinels(tmp_path) as watched:
        async with (
            running(watched.url) as cluster,
            reading(cluster, "b", "s0"),
            load(cluster, "a", "b", "c") as gateways,
        ):
            owners = await cluster.owners()
            watched.primary.kill()
            await asyncio.to_thread(
                until, lambda: watched.replica.info("replication", "role") == "master"
            )
            before = {g.name: g.acked for g in gateways}
            await wait_until(
                lambda: all(g.acked > before[g.name] + 3 for g in gateways),
                within_s=60,
            )
            after = await cluster.owners()
            for stream in STREAMS:
                assert after[stream].epoch >= owners[stream].epoch
            for name in "abc":
                assert await cluster.metric(name, "ncs_acked_loss_total") == 0
