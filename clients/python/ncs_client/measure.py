"""How much a server takes: one batch, sent over and over by several at a time."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from .errors import NcsClientError, RefusedError
from .points import as_points, count_of

if TYPE_CHECKING:
    from .client import AsyncNCSClient

__all__ = ["Throughput", "measure_throughput"]

_AFTER_AN_ERROR_S = 0.1


class Throughput(TypedDict):
    """What was measured; of the answers that came."""

    duration_seconds: float
    requests_per_second: float
    points_per_second: float
    total_requests: int
    total_points: int
    error_rate: float
    """Share of the requests, [0, 1], that were refused or got no answer."""
    average_latency_ms: float
    p95_latency_ms: float


async def measure_throughput(
    client: AsyncNCSClient,
    test_points: Any,
    duration_seconds: float = 60,
    concurrent_requests: int = 10,
    *,
    stream: str = "benchmark",
) -> Throughput:
    """Send a batch over and over and measure.

    Every request is a batch of its own and counts once. One without an answer is sent
    again under its key, so `total_points` is what the stream got, less at most
    `concurrent_requests` batches whose answers were still missing at the end.

    Args:
        client: whose pool should have as many connections.
        test_points: see `process_points`.
        duration_seconds: new requests are begun for so long.
        concurrent_requests: at a time.
        stream: learns the points; do not name one that anybody needs.
    """
    points = as_points(test_points)
    began = time.perf_counter()
    end = began + duration_seconds
    latencies: list[float] = []
    errors = 0

    async def work() -> None:
        nonlocal errors
        key = uuid.uuid4().hex
        while (sent := time.perf_counter()) < end:
            try:
                await client.process_points(
                    points, {"max_retries": 0}, stream=stream, idempotency_key=key
                )
            except NcsClientError as error:
                errors += 1
                told = error.retry_after_s if isinstance(error, RefusedError) else None
                wait_s = _AFTER_AN_ERROR_S if told is None else told
                await asyncio.sleep(max(0.0, min(wait_s, end - time.perf_counter())))
            else:
                latencies.append(1000 * (time.perf_counter() - sent))
                key = uuid.uuid4().hex

    async with asyncio.TaskGroup() as workers:
        for _ in range(concurrent_requests):
            workers.create_task(work())
    seconds = time.perf_counter() - began
    done, total = len(latencies), len(latencies) * count_of(points)
    return Throughput(
        duration_seconds=seconds,
        requests_per_second=done / seconds,
        points_per_second=total / seconds,
        total_requests=done,
        total_points=total,
        error_rate=errors / max(1, done + errors),
        average_latency_ms=float(np.mean(latencies)) if done else 0.0,
        p95_latency_ms=float(np.percentile(latencies, 95)) if done else 0.0,
    )
