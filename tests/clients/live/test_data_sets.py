"""Data sets in batches, from one process and from several, on real servers."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from real_server import (
    UNLIMITED,
    client_of,
    free_port,
    points_in,
    server_on,
)

from ncs_client import (
    AsyncNCSClient,
    BatchProcessor,
    ParallelBatchProcessor,
    RateLimitError,
    ValidationError,
)
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


async def test_a_large_data_set_with_the_documented_shapes(
    server: ServerProcess, key: str
) -> None:
    dataset = np.random.default_rng(3).random((50_000, 5)).tolist()
    shares: list[float] = []
    async with AsyncNCSClient(base_url=server.url, api_key=key) as client:
        config = {"batch_size": 2000, "max_concurrent": 3, "memory_limit_mb": 256}
        processor = BatchProcessor(client, config={**config, "stream": "large"})
        assert 3 == processor.config["retry_attempts"]
        result = await processor.process_large_dataset(
            dataset, progress_callback=lambda share, batch: shares.append(share)
        )
    assert {
        "clusters", "outliers", "total_processing_time", "total_points",
        "average_quality", "batch_count",
    } <= result.keys()  # fmt: skip
    assert (50_000, 25, []) == (
        result["total_points"],
        result["batch_count"],
        result["failed"],
    )
    assert sorted(shares) == shares
    assert 25 == len(shares)
    assert 1.0 == shares[-1]
    assert {
        "batches_processed": 25,
        "total_points": 50_000,
        "total_time": processor.stats["total_time"],
        "failed_batches": 0,
    } == processor.stats
    assert 50_000 == await points_in(server, "large")


async def test_a_batch_that_fails_does_not_stop_the_others(
    server: ServerProcess, key: str
) -> None:
    data = np.ones((500, 2))
    data[250, 1] = np.nan
    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"batch_size": 100, "stream": "partly"})
        result = await processor.process_large_dataset(data)
    (failed,) = result["failed"]
    assert (200, 100) == (failed["start"], failed["point_count"])
    assert isinstance(failed["error"], ValidationError)
    assert 50 == failed["error"].index
    assert 1 == processor.stats["failed_batches"]
    assert 400 == result["total_points"] == await points_in(server, "partly")


async def test_the_size_of_batches_is_found_by_measuring(
    server: ServerProcess, key: str
) -> None:
    sizes: set[int] = set()
    async with AsyncNCSClient(server.url, key) as client:
        config = {"batch_size": "auto", "max_concurrent": 1, "stream": "auto"}
        await BatchProcessor(client, config).process_large_dataset(
            np.random.default_rng(4).random((20_000, 3)),
            lambda share, batch: sizes.add(batch["point_count"]),
        )
    assert {100, 200} <= sizes
    assert 20_000 == await points_in(server, "auto")


async def test_being_told_to_slow_down_is_no_failure(tmp_path: Path) -> None:
    async with server_on(tmp_path, "--rate-limit-per-minute", "240") as server:
        async with client_of(server) as client:
            with pytest.raises(RateLimitError) as refused:
                for _ in range(300):
                    await client.process_points([[1.0]], {"max_retries": 0}, stream="x")
            assert refused.value.retry_after_s is not None
            processor = BatchProcessor(client, {"batch_size": 100, "retry_attempts": 1})
            result = await processor.process_large_dataset(np.ones((300, 1)))
        assert [] == result["failed"]
        assert 300 == result["total_points"]


async def test_a_bar_shows_the_progress(
    server: ServerProcess, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"stream": "bar"})
        await processor.process_large_dataset(np.ones((300, 1)), show_progress=True)
    assert "100%" in capfd.readouterr().err


async def test_an_error_of_the_callback_ends_the_run(
    server: ServerProcess, key: str
) -> None:
    def broken(share: float, batch: object) -> None:
        raise LookupError("of mine")

    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"batch_size": 100, "stream": "callback"})
        with pytest.raises(LookupError, match="of mine"):
            await processor.process_large_dataset(np.ones((3000, 1)), broken)


async def test_a_named_run_that_is_begun_anew_counts_only_what_was_missing(
    server: ServerProcess, key: str
) -> None:
    data = np.random.default_rng(5).random((3000, 2))
    config = {"batch_size": 100, "run_id": "night-7", "stream": "resumed"}

    async with AsyncNCSClient(server.url, key) as client:
        first = BatchProcessor(client, config)
        some = asyncio.Event()
        job = asyncio.create_task(
            first.process_large_dataset(data, lambda share, batch: some.set())
        )
        await some.wait()
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        result = await BatchProcessor(client, config).process_large_dataset(data)
    assert 3000 == result["total_points"] == await points_in(server, "resumed")


async def test_batches_count_once_over_kill_9_of_the_server(tmp_path: Path) -> None:
    data = np.random.default_rng(6).random((30_000, 3))
    server = server_on(tmp_path, *UNLIMITED, port=free_port())
    await server.start()
    async with client_of(server) as admin:
        key = (await admin.create_key("k", ["read", "write"])).api_key
    kills = 0

    async def kill_now_and_then(share: float, batch: object) -> None:
        nonlocal kills
        if share > 0.25 * (kills + 1) and kills < 3:
            kills += 1
            await server.kill()
            await server.start()

    async with AsyncNCSClient(server.url, key) as client:
        processor = BatchProcessor(client, {"batch_size": 250, "retry_attempts": 6})
        result = await processor.process_large_dataset(data, kill_now_and_then)
    assert 3 == kills
    assert [] == result["failed"]
    assert 30_000 == result["total_points"] == await points_in(server)
    await server.stop()


# Worker processes


async def test_worker_processes_push_at_the_same_time_and_counts_are_exact(
    server: ServerProcess, key: str
) -> None:
    data = np.random.default_rng(7).random((6000, 4)).tolist()
    shares: list[float] = []
    processor = ParallelBatchProcessor(
        api_url=server.url,
        api_key=key,
        num_workers=2,
        config={"batch_size": 500, "stream": "workers"},
    )
    result = await processor.process_with_workers(
        data, lambda share, batch: shares.append(share)
    )
    assert (6000, 12, []) == (
        result["total_points"],
        result["batch_count"],
        result["failed"],
    )
    assert 1.0 == shares[-1]
    assert 6000 == await points_in(server, "workers")


async def test_a_worker_that_is_killed_costs_nothing(
    server: ServerProcess, key: str
) -> None:
    data = np.random.default_rng(8).random((20_000, 3))
    killed: list[int] = []

    def kill_one(share: float, batch: object) -> None:
        if not killed:
            workers = [
                child
                for child in psutil.Process().children()
                if "spawn_main" in " ".join(child.cmdline())
            ]
            killed.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)

    processor = ParallelBatchProcessor(
        server.url, key, 2, {"batch_size": 200, "stream": "killed-worker"}
    )
    result = await processor.process_with_workers(data, kill_one)
    assert killed
    assert [] == result["failed"]
    assert 20_000 == result["total_points"]
    assert 20_000 == await points_in(server, "killed-worker")
