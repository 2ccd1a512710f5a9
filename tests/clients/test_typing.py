"""What a type checker says of programs: of good ones nothing, of a mistake its line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PATHS = ":".join(str(ROOT / part) for part in ("protocol", "clients/python"))

GOOD = """
import asyncio
from typing import Any, assert_type

import numpy as np

from ncs_client import (
    AlgorithmStatus,
    AlgorithmTuner,
    AsyncNCSClient,
    BatchProcessor,
    CallbackStream,
    CircuitBreaker,
    Cluster,
    ClusteringService,
    GatewayClient,
    Health,
    NCSClient,
    PointOutcome,
    PoolOptions,
    ProcessOptions,
    ProcessResult,
    StreamSession,
)
from ncs_protocol.messages import Ack

options: ProcessOptions = {"batch_mode": True, "timeout": 30_000}


def blocking() -> None:
    with NCSClient(base_url="http://host", api_key="key") as client:
        assert_type(client, NCSClient)
        result = client.process_points([[1.0, 2.0]], options=options)
        assert_type(result, ProcessResult)
        assert_type(result.clusters, list[Cluster])
        assert_type(result.clusters[0].quality, float)
        assert_type(result.outliers, list[PointOutcome])
        assert_type(client.get_algorithm_status(), AlgorithmStatus)
        assert_type(client.get_algorithm_status().current_dynamic_threshold, float)
        assert_type(client.health_check(), Health)
        assert_type(client.get_clusters("s"), list[Cluster])
        assert_type(client.list_streams(), list[str])
        for item in client.process_points(np.zeros((2, 2)), stream="s"):
            assert_type(item, dict[str, Any])
        tuner = AlgorithmTuner(client)
        tuning = tuner.adaptive_tuning([[1.0]], {"min_quality": 0.5})
        assert_type(tuning["score"], float)


async def asynchronous() -> None:
    pool = PoolOptions(max_connections=5)
    async with AsyncNCSClient("http://host", "key", pool, timeout=30) as client:
        assert_type(client, AsyncNCSClient)
        assert_type(await client.process_points([[1.0]], options), ProcessResult)
        assert_type(await client.health_check(), Health)
        measured = await client.benchmark_throughput([[1.0]], duration_seconds=1)
        assert_type(measured["points_per_second"], float)
        processor = BatchProcessor(client, config={"batch_size": 2000})
        combined = await processor.process_large_dataset([[1.0]])
        assert_type(combined["clusters"], list[Cluster])
        async with client.stream(producer="p") as session:
            assert_type(session, StreamSession)
            assert_type(await session.send([[1.0]]), Ack)
        stream = await client.start_streaming({"onMessage": print})
        assert_type(stream, CallbackStream)
        assert_type(await stream.send_point([1.0], metadata={"a": 1}), Ack)
    async with ClusteringService({"api_url": "http://host"}) as service:
        reply = await service.process_data([[1.0]])
        assert_type(reply["success"], bool)
        assert_type(reply["request_id"], str | None)


@CircuitBreaker(failure_threshold=5, recovery_timeout=30)
async def guarded(a: int) -> str:
    return str(a)


async def decorated() -> None:
    assert_type(await guarded(1), str)


def gateway() -> GatewayClient:
    return GatewayClient("http://host", api_key="k", producer="p", spool_dir="d")
"""

BAD = """
from ncs_client import AsyncNCSClient, BatchProcessor, CircuitBreaker, NCSClient

client = NCSClient("http://host", timeout="30")  # E: arg-type
client.process_points()  # E: call-arg
client.process_points([[1.0]], stream=5)  # E: arg-type
client.process_points([[1.0]], stremm="s")  # E: call-arg
client.process_points([[1.0]]).cluster  # E: attr-defined
client.get_algorithm_status().threshold  # E: attr-defined
client.shadow("s", start="new")  # E: arg-type


async def wrong() -> None:
    other = AsyncNCSClient("http://host")
    (await other.process_points([[1.0]])).qualty  # E: attr-defined
    other.health_check().status  # E: attr-defined
    await client.health_check()  # E: misc
    BatchProcessor(client)  # E: arg-type
    stream = await other.start_streaming()
    await stream.send_batch([[1.0]], results="all")  # E: arg-type


@CircuitBreaker(expected_exception="all")  # E: arg-type
def guarded() -> int:
    return 1


guarded(1)  # E: call-arg
"""


def check(program: str, folder: Path) -> list[tuple[int, str]]:
    """Return (line, code) of what mypy finds."""
    (folder / "program.py").write_text(program)
    told = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
            "--config-file=", "--cache-dir", str(folder / "cache"),
            "--follow-imports=silent", "program.py",
        ],
        cwd=folder,
        env={"MYPYPATH": PATHS, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )  # fmt: skip
    assert not told.stderr, told.stderr
    found = re.findall(r"^program\.py:(\d+): error: .*\[([\w-]+)\]$", told.stdout, re.M)
    assert len(found) == told.stdout.count(": error:"), told.stdout
    return [(int(line), code) for line, code in found]


def test_of_good_programs_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert [] == check(GOOD, tmp_path)


def test_every_mistake_is_found_where_it_is(tmp_path: Path) -> None:
    expected = [
        (number, line.partition("# E: ")[2])
        for number, line in enumerate(BAD.splitlines(), 1)
        if "# E: " in line
    ]
    assert 14 == len(expected)
    assert expected == check(BAD, tmp_path)


def test_the_package_says_that_it_is_typed() -> None:
    for part in ("protocol/ncs_protocol", "clients/python/ncs_client"):
        assert (ROOT / part / "py.typed").exists()
