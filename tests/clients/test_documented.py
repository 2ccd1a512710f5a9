"""Programs with exactly the calls, names, options and shapes that the guides show."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from real_server import server_on, token, wait_until

from ncs_client import AsyncNCSClient, NCSClient
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("data")
    async with server_on(folder, "--rate-limit-per-minute", "1000000") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(server: ServerProcess) -> str:
    """An API key of a tenant of its own: the guides name no stream."""
    async with AsyncNCSClient(server.url, token("guides")) as client:
        made = await client.create_key("guides", ["read", "write", "admin"])
    return made.api_key


class Follower:
    """The streaming program of the guides."""

    def __init__(self, api_url: str, api_key: str) -> None:
        self.client = NCSClient(base_url=api_url, api_key=api_key)
        self.stream: Any = None
        self.cluster_cache: dict[int, dict[str, Any]] = {}
        self.told: list[str] = []

    async def start_streaming(self) -> None:
        def on_update(data: dict[str, Any]) -> None:
            self.told.append(data["type"])
            if data["type"] == "cluster_update":
                cluster = data["data"]
                line = f"{cluster['size']} {cluster['quality']:.3f}"
                line += f" {cluster.get('drift_coefficient', 0):.3f}"
                self.cluster_cache[cluster["cluster_id"]] = cluster
            elif data["type"] == "algorithm_status":
                assert 0 <= data["data"]["clustering_quality"] <= 1

        self.stream = await self.client.start_streaming(
            {
                "onMessage": on_update,
                "onError": lambda error: self.told.append(f"error: {error}"),
                "onClose": lambda: self.told.append("closed"),
                "reconnectAttempts": 5,
            }
        )


async def test_the_streaming_program(server: ServerProcess, key: str) -> None:
    program = Follower(api_url=server.url, api_key=key)
    program.client.reset_algorithm()
    await program.start_streaming()

    async def sensor() -> AsyncIterator[list[float]]:
        for i in range(5):
            yield [i + random.random(), i * 2 + random.random(), i / 2]

    async for point in sensor():
        await program.stream.send_point(point)
        about = {"timestamp": time.time(), "source": "sensor_001", "quality": "high"}
        await program.stream.send_point(point, metadata=about)
    await program.stream.send_batch([[100.0 + i, 200.0, 50.0] for i in range(50)])
    status = program.client.get_algorithm_status()
    assert 60 == status.total_points_processed
    await wait_until(
        lambda: any(c["size"] >= 10 for c in program.cluster_cache.values())
    )
    assert 0.3 <= status.current_dynamic_threshold <= 0.95
    await program.stream.stop()
    assert {"snapshot", "cluster_update", "closed"} <= set(program.told)
    assert "closed" == program.told[-1]
    assert not [line for line in program.told if line.startswith("error")]


async def test_the_batch_program(server: ServerProcess, key: str) -> None:
    client = AsyncNCSClient(base_url=server.url, api_key=key)
    await client.reset_algorithm()
    seen = []
    for attempt in range(3):
        try:
            result = await client.process_points(
                np.random.default_rng(1).random((200, 5)).tolist(),
                options={"batch_mode": True, "timeout": 30 * 1000},
            )
            seen.append((len(result.clusters), len(result.outliers)))
            assert all(0 <= cluster.quality <= 1 for cluster in result.clusters)
            assert result.processing_time_ms > 0
            break
        except asyncio.TimeoutError:  # noqa: UP041 - as the guide has it
            await asyncio.sleep(2**attempt)
    assert 200 == sum(c.size for c in await client.get_clusters()) + seen[0][1]
    await client.close()


async def test_an_answer_that_is_late_is_the_documented_error(
    server: ServerProcess, key: str
) -> None:
    async with AsyncNCSClient(server.url, api_key=key, max_retries=0) as client:
        with pytest.raises(asyncio.TimeoutError):
            await client.process_points(
                np.ones((9000, 10)), options={"timeout": 1}, stream="late"
            )


async def test_the_loop_over_points_of_the_readme(
    server: ServerProcess, key: str
) -> None:
    with NCSClient(server.url, key) as client:
        points = [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [10.0, 20.0, 30.0]]
        told = client.process_points(points, stream="readme")
        lines = [(result["input_point"], result["cluster_id"]) for result in told]
        assert points == [point for point, _ in lines]
        assert lines[0][1] == lines[1][1] != lines[2][1]
        assert 2 == len(told.clusters)


async def test_the_service_program(server: ServerProcess, key: str) -> None:
    config = {"api_url": server.url, "api_key": key}
    client = AsyncNCSClient(
        base_url=config["api_url"],
        api_key=config["api_key"],
        timeout=config.get("timeout", 30),  # type: ignore[arg-type]
        max_retries=config.get("max_retries", 3),  # type: ignore[arg-type]
    )
    health = await client.health_check()
    assert ("healthy", True) == (health.status, health.algorithm_ready)
    assert health.uptime_seconds > 0
    await client.close()


async def test_the_program_that_measures(server: ServerProcess, key: str) -> None:
    points = [[random.random() for _ in range(5)] for _ in range(100)]
    config = {"max_connections": 50, "max_connections_per_host": 10}
    async with AsyncNCSClient(server.url, key, config) as client:
        results = await client.benchmark_throughput(
            test_points=points,
            duration_seconds=1,
            concurrent_requests=config["max_connections_per_host"],
        )
        status = await client.get_algorithm_status("benchmark")
    assert {
        "duration_seconds", "requests_per_second", "points_per_second",
        "total_requests", "total_points", "error_rate", "average_latency_ms",
        "p95_latency_ms",
    } == results.keys()  # fmt: skip
    assert 0 == results["error_rate"]
    assert results["total_points"] == 100 * results["total_requests"] > 0
    assert status.total_points_processed == results["total_points"]
    assert 0 < results["average_latency_ms"]
    assert 0 < results["p95_latency_ms"]


async def test_the_documented_options_of_the_pool_are_taken() -> None:
    config = {
        "max_connections": 100,
        "max_connections_per_host": 30,
        "connection_timeout": 30,
        "read_timeout": 60,
        "keepalive_timeout": 30,
        "enable_tcp_nodelay": True,
    }
    for kind in (NCSClient, AsyncNCSClient):
        kind("http://host", "key", config)
        with pytest.raises(TypeError, match="max_conections"):
            kind("http://host", "key", {"max_conections": 5})
        with pytest.raises(ValueError, match="read_timeout must be above 0"):
            kind("http://host", "key", {"read_timeout": 0})
