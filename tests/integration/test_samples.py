"""Samples of the points of a real server, for a scatter plot."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson
import pytest
from commands import ncs, start
from numpy.typing import NDArray
from real_server import Socket, client_of, server_on, token

from ncs_protocol import MSGPACK
from ncs_protocol.messages import (
    Error,
    PointsSampleEvent,
    Sample,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from ncs_streamer.processes import ServerProcess

pytestmark = pytest.mark.integration

FAST = {"max_hz": 20.0}


def reader(server: ServerProcess) -> Any:
    return Socket.to(server, codec=MSGPACK, credential=token())


async def follow(socket: Socket, **options: Any) -> None:
    await socket.send(
        Subscribe(id="s", events=["points_sample"], sample=Sample(**options))
    )
    assert isinstance(await socket.receive(), Subscribed)


async def sample(socket: Socket) -> PointsSampleEvent:
    message = await socket.receive()
    assert isinstance(message, PointsSampleEvent), message
    return message


def cloud(count: int, dimension: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, dimension))


async def test_every_point_is_counted_by_exactly_one_sample(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, reader(server) as socket:
        await follow(socket, max_points=30, **FAST)
        async with client_of(server) as client, client.stream() as session:
            for seed in range(20):
                await session.send(cloud(37, 5, seed))
        learned, offset = 0, 0
        while learned < 20 * 37:
            event = await sample(socket)
            assert offset + 1 == event.first
            learned, offset = learned + event.data.learned, event.last
            shown = len(event.data.points)
            assert min(30, event.data.learned) == shown
            assert shown / event.data.learned == event.data.ratio
        assert 20 * 37 == learned


async def test_what_is_shown_are_points_as_they_were_judged(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, reader(server) as socket:
        await follow(socket, max_points=5000, dimensions=(0, 1), **FAST)
        points = np.vstack([cloud(400, 2, 0), cloud(400, 2, 1) + 40])
        np.random.default_rng(2).shuffle(points)
        points[500] = [900.0, -900.0]
        async with client_of(server) as client, client.stream() as session:
            ack = await session.send(points, results="full")
        assert ack.results is not None
        expected = sorted(
            zip(
                points.astype(np.float32).tolist(),
                ack.results.cluster_ids or [],
                ack.results.is_outlier or [],
                strict=True,
            )
        )
        data = (await sample(socket)).data
        found = zip(
            data.points.tolist(),
            data.cluster_ids.tolist(),
            map(bool, data.is_outlier),
            strict=True,
        )
        assert expected == sorted(found)
        assert any(data.is_outlier)


@pytest.mark.parametrize("dimensions", [2, 3, (0, 4)], ids=str)
async def test_a_reset_to_other_dimensions_begins_new_axes(
    tmp_path: Path, dimensions: Any
) -> None:
    async with server_on(tmp_path) as server, reader(server) as socket:
        await follow(socket, dimensions=dimensions, **FAST)
        async with client_of(server) as client, client.stream() as session:
            await session.send(cloud(100, 5, 0))
            before = await sample(socket)
            await client.reset_algorithm()
            for dimension in (1000, 1, 2):
                await session.send(cloud(100, dimension, 1))
                after = await sample(socket)
                axes = 3 if dimensions == 3 else 2
                assert after.data.projection is not None
                assert (axes, dimension) == after.data.projection.components.shape
                assert after.data.projection_version > before.data.projection_version
                assert np.isfinite(after.data.points).all()
                await client.reset_algorithm()
                before = after


async def test_a_stream_has_only_so_many_kinds_of_samples(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, contextlib.AsyncExitStack() as stack:
        for number in range(1, 9):
            async with reader(server) as gone:
                await follow(gone, max_points=100 + number)
        sockets = [await stack.enter_async_context(reader(server)) for _ in range(9)]
        for number, socket in enumerate(sockets[:8], 1):
            await follow(socket, max_points=number)
        late = sockets[8]
        await late.send(Subscribe(id="late", sample=Sample(max_points=9)))
        error = await late.receive()
        assert isinstance(error, Error)
        assert ("too_many_samples", "later", "late") == (
            error.code,
            error.retry,
            error.id,
        )
        await late.send(Subscribe(id="late", sample=Sample(max_points=8)))
        assert isinstance(await late.receive(), Subscribed)
        for socket, id in ((late, "late"), (sockets[0], "s")):
            await socket.send(Unsubscribe(id=id))
            await socket.receive()
        await follow(late, max_points=9)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_the_client_gives_arrays_and_what_places_centroids_among_them(
    tmp_path: Path, codec: str
) -> None:
    points = cloud(200, 6, 0)
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with client.stream(codec=codec) as session:
            events = await session.subscribe(sample=Sample(dimensions=3))
            await session.send(points)
            async for event in events:
                if isinstance(event, PointsSampleEvent):
                    break
    data = event.data
    assert (200, np.float32) == (data.learned, data.points.dtype)
    assert data.projection is not None
    placed = (points - data.projection.mean) @ data.projection.components.T
    assert np.abs(np.sort(placed, axis=0) - np.sort(data.points, axis=0)).max() < 1e-4


async def test_tail_prints_samples_with_their_points(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        words = ("tail", "--url", server.url, "--sample", "5", "--axes", "1,0")
        words += ("--events", "drift_detection")
        tails = [
            await start(*words, "--limit", "1", *more, NCS_API_KEY=token())
            for more in ((), ("--json",))
        ]
        for tail in tails:
            assert tail.stdout is not None
            await tail.stdout.readline()
        await client.process_points([[1.0, 2.0], [1.0, 2.0]])
        outputs = []
        async with asyncio.timeout(20):
            for tail in tails:
                outputs.append((await tail.communicate())[0].decode())
                assert 0 == tail.returncode
    assert "sample     2 of 2 points, 0 outliers, 1 clusters, axes 1" in outputs[0]
    assert [[2.0, 1.0], [2.0, 1.0]] == orjson.loads(outputs[1])["data"]["points"]


async def test_tail_refuses_axes_that_are_none(tmp_path: Path) -> None:
    code, _, said = await ncs("tail", "--key", "x", "--sample", "5", "--axes", "1,b")
    assert 2 == code
    assert "'1,b' are no axes" in said


async def test_how_long_events_take_is_measured_by_class(tmp_path: Path) -> None:
    count = re.compile(
        r'^ncs_ingest_to_event_seconds_count{class="(\w+)"} (\S+)$', re.M
    )

    async def counts() -> dict[str, float]:
        url = f"http://127.0.0.1:{server.metrics_port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            found = count.findall(await response.text())
        return {name: float(value) for name, value in found}

    async with (
        server_on(tmp_path, "--metrics-port", "0") as server,
        client_of(server) as client,
    ):
        assert await counts() == {"lossless": 0, "keyed": 0, "sampled": 0}
        async with client.stream() as session:
            events = await session.subscribe(sample=Sample(max_points=5, **FAST))
            await session.send(cloud(37, 5, 1))
            seen = set[str]()
            async for event in events:  # of each class one, and its time with it
                seen.add(getattr(event, "delivery", ""))
                if seen >= {"lossless", "keyed", "sampled"}:
                    break
                await session.send(cloud(1, 5, len(seen)))
            assert all((await counts()).values())
