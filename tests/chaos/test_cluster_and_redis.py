"""Several nodes whose Redis is killed, or fails over; CHAOS_ROUNDS=20 is longer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from node_processes import (
    LEASE_S,
    ROUNDS,
    STREAMS,
    load,
    reading,
    running,
)
from real_server import wait_until
from redis_servers import RedisServer, redis_with_sentinels, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(60 + 60 * ROUNDS)]


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
