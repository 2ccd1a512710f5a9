"""The whole path with real processes: gateways, engine, subscribers, restarts."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_server import client_of, free_port, server_on, wait_until

from ncs_client import ClusterView, StreamSession
from ncs_protocol.messages import ClusterUpdateEvent, Position, Subscribed

pytestmark = pytest.mark.integration

TENANTS = ("acme", "umbrella")
STREAMS = ("north", "south")
BATCHES = 40
BATCH = 25
ENCODINGS = ("json", "lists", "packed")


def points_of(tenant: str, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Points that tell their tenant: all coordinates positive, or all negative."""
    side = 1.0 if tenant == "acme" else -1.0
    centres = 20.0 + 20.0 * rng.integers(0, 3, size=(BATCH, 1))
    return side * (centres + rng.normal(size=(BATCH, 3)))


async def push(session: StreamSession, tenant: str, encoding: str, seed: int) -> int:
    """Push all batches of one producer; return how many points were acknowledged."""
    rng = np.random.default_rng(seed)
    stream = STREAMS[seed % 2]
    futures = []
    for _ in range(BATCHES):
        points: Any = points_of(tenant, rng)
        points = points.astype(np.float32) if encoding == "packed" else points.tolist()
        futures.append(
            await session.submit(points, stream=stream, metadata={"tenant": tenant})
        )
    acks = await asyncio.gather(*futures)
    return BATCH * len(acks)


async def follow(
    session: StreamSession, tenant: str, stream: str, seen: list[Any]
) -> None:
    async for message in await session.subscribe(stream):
        seen.append((tenant, stream, message))


def assert_no_event_crossed(seen: list[Any]) -> None:
    for tenant, stream, message in seen:
        assert message.stream == stream
        cause = getattr(message, "caused_by", None)
        if cause is not None and cause.metadata is not None:
            assert {"tenant": tenant} == cause.metadata
        if isinstance(message, ClusterUpdateEvent) and message.data.centroid:
            assert (message.data.centroid[0] > 0) == (tenant == "acme")
        if isinstance(message, Subscribed) and message.snapshot is not None:
            for cluster in message.snapshot.clusters:
                assert (cluster.centroid[0] > 0) == (tenant == "acme")


async def test_every_acked_point_counts_once_over_a_restart_and_tenants_stay_apart(
    tmp_path: Path,
) -> None:
    port = free_port()
    server = server_on(tmp_path, port=port)
    await server.start()
    seen: list[Any] = []
    sessions: list[StreamSession] = []
    clients = {tenant: client_of(server, tenant) for tenant in TENANTS}
    readers, producers = [], []
    for number in range(10):
        tenant = TENANTS[number % 2]
        session = clients[tenant].stream(codec=("json", "msgpack")[number // 2 % 2])
        await session.open()
        sessions.append(session)
        stream = STREAMS[number // 2 % 2]
        readers.append(asyncio.create_task(follow(session, tenant, stream, seen)))
    for number in range(20):
        tenant, encoding = TENANTS[number % 2], ENCODINGS[number % 3]
        codec = "json" if encoding == "json" else "msgpack"
        session = clients[tenant].stream(
            codec=codec,
            producer=f"gw-{number}",
            streams=STREAMS,
            max_unacknowledged=3,
        )
        await session.open()
        sessions.append(session)
        producers.append(
            asyncio.create_task(push(session, tenant, encoding, number // 2))
        )

    await wait_until(lambda: len(seen) > 50)
    assert 0 == await server.stop(), "SIGTERM in the middle of the load"
    assert not all(task.done() for task in producers), "it was not the middle"
    server = server_on(tmp_path, port=port)
    await server.start()
    try:
        acked = Counter[tuple[str, str]]()
        for number, task in enumerate(producers):
            key = (TENANTS[number % 2], STREAMS[number // 2 % 2])
            acked[key] += await asyncio.wait_for(task, 60)
        assert 20 * BATCHES * BATCH == acked.total()
        for (tenant, stream), points in acked.items():
            status = await clients[tenant].get_algorithm_status(stream)
            assert points == status.total_points_processed
        assert_no_event_crossed(seen)
        assert {type(message) for *_, message in seen} > {
            Subscribed,
            ClusterUpdateEvent,
        }
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await asyncio.gather(*(session.abort() for session in sessions))
        await asyncio.gather(*(client.close() for client in clients.values()))
        assert 0 == await server.stop()


async def test_a_restart_continues_with_the_same_clusters_and_ids(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(3)
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with client.stream(streams=["north"]) as session:
            for _ in range(BATCHES):
                await session.send(points_of("acme", rng), stream="north")
        before = await client.get_clusters("north")
    async with server_on(tmp_path) as server, client_of(server) as client:
        assert before == await client.get_clusters("north")
        async with client.stream(streams=["north"]) as session:
            ack = await session.send(
                points_of("acme", rng), stream="north", results="full"
            )
    assert ack.results is not None
    assert set(ack.results.clusters) <= {cluster.cluster_id for cluster in before}


async def test_a_killed_server_has_every_acked_point_and_the_same_clusters(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(4)
    acked = 0
    async with server_on(tmp_path, "--snapshot-points", "300") as server:
        async with client_of(server) as client:
            session = client.stream(streams=["north"])
            await session.open()
            for _ in range(BATCHES):
                ack = await session.send(points_of("acme", rng), stream="north")
                acked += ack.accepted
            before = await client.get_clusters("north")
            await server.kill()
            await session.abort()
    async with server_on(tmp_path) as server, client_of(server) as client:
        status = await client.get_algorithm_status("north")
        assert acked == status.total_points_processed == BATCHES * BATCH
        assert before == await client.get_clusters("north")


async def test_a_reader_that_was_away_gets_every_lossless_event_exactly_once(
    tmp_path: Path,
) -> None:
    port = free_port()
    rng = np.random.default_rng(5)
    offsets: list[int] = []
    server = server_on(tmp_path, port=port)
    await server.start()
    async with client_of(server) as client:
        reader = client.stream()
        writer = client.stream(streams=["north"])
        await reader.open()
        await writer.open()
        subscription = await reader.subscribe("north")

        async def collect() -> None:
            async for message in subscription:
                if getattr(message, "delivery", "") == "lossless":
                    offsets.append(message.offset)  # type: ignore[union-attr,arg-type]

        task = asyncio.create_task(collect())
        for number in range(30):
            if number == 10:
                await server.kill()
                server = server_on(tmp_path, port=port)
                await server.start()
            spread = rng.normal(scale=30.0, size=(BATCH, 3))
            await writer.send(spread + 100.0 * number, stream="north")
        last = subscription.reader.told
        await wait_until(lambda: offsets and offsets[-1] == last["lossless"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(reader.abort(), writer.abort())
    await server.stop()
    assert list(range(1, len(offsets) + 1)) == offsets
    assert 0 == subscription.gaps


async def test_a_reader_goes_on_in_another_session_where_it_had_stopped(
    tmp_path: Path,
) -> None:
    view = ClusterView()
    async with server_on(tmp_path) as server, client_of(server) as client:
        await client.process_points([[1.0, 2.0], [30.0, 40.0]])
        async with client.stream() as session:
            events = await session.subscribe()
            assert events.position is None
            view.apply(await anext(events))
            assert view.position == events.position
        await client.process_points([[1.0, 2.0], [900.0, 900.0]])
        async with client.stream() as session:
            events = await session.subscribe(since=view.position)
            assert view.position == events.position
            begin = await anext(events)
            assert isinstance(begin, Subscribed) and begin.recovered
            view.apply(begin)
            while 2 not in view.clusters or view.clusters[0].size != 2:
                view.apply(await anext(events))
                assert view.position == events.position
        lost = Position(epoch="long ago", offsets={"lossless": 1})
        async with client.stream() as session:
            begin = await anext(await session.subscribe(since=lost))
    assert isinstance(begin, Subscribed) and not begin.recovered
    assert begin.snapshot is not None and 3 == len(begin.snapshot.clusters)
