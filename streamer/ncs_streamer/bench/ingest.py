"""How many points a second are acknowledged, by encoding and points per frame.

One client, one connection, frames pipelined; every ack means durable at the server's
level and in the model. Server and client share the machine, so compare the rows of one
run with each other and not with another machine.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np

from ncs_client import AsyncNCSClient, StreamSession
from ncs_protocol.messages import Ack

from ..processes import ServerProcess
from .figures import admin_client, percentile_ms

__all__ = ["ENCODINGS", "bench_ingest", "blobs", "measure"]

ENCODINGS = ("json", "msgpack", "packed")
_POOL_POINTS = 500_000  # those that come again soon are no stream
_LISTED_POINTS = 100_000  # of them: lists take fifty times the memory


async def bench_ingest(
    server: ServerProcess, *, seconds: float, dimension: int, frames: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Measure every encoding with every number of points per frame.

    Args:
        server: running.
        seconds: to push for, per row.
        dimension: coordinates of a point.
        frames: points per frame.

    Returns:
        One row per combination: the combination and what `measure` gives.
    """
    pool = blobs(dimension)
    rows = []
    async with admin_client(server) as client:
        for encoding in ENCODINGS:
            for points in frames:
                stream = f"{encoding}-{points}"
                measured = await measure(
                    client, stream, encoding, points, pool, seconds
                )
                rows.append(
                    {"encoding": encoding, "points_per_frame": points, **measured}
                )
    return rows


async def measure(
    client: AsyncNCSClient,
    stream: str,
    encoding: str,
    points: int,
    pool: np.ndarray[Any, np.dtype[np.float32]],
    seconds: float,
) -> dict[str, Any]:
    """Push to a stream for some seconds; return what came of it.

    Args:
        client: may write.
        stream: its name.
        encoding: one of `ENCODINGS`.
        points: of a frame.
        pool: float32 (n, d), pushed over and over.
        seconds: to push for.
    """
    codec = "json" if encoding == "json" else "msgpack"
    window = max(8, min(512, 20_000 // points))
    session = client.stream(codec=codec, streams=[stream], max_unacknowledged=window)
    latencies: list[float] = []
    if encoding != "packed" or points < _LISTED_POINTS // 1000:
        pool = pool[:_LISTED_POINTS]
    frames = [pool[i : i + points] for i in range(0, len(pool) - points + 1, points)]
    payloads = frames if encoding == "packed" else [frame.tolist() for frame in frames]
    async with session:
        began = time.perf_counter()
        sent = 0
        while time.perf_counter() - began < seconds:
            await _submit(session, payloads[sent % len(payloads)], stream, latencies)
            sent += 1
        await session.drain()
        duration = time.perf_counter() - began
    return {
        "duration_seconds": round(duration, 3),
        "total_requests": sent,
        "total_points": sent * points,
        "requests_per_second": round(sent / duration, 1),
        "points_per_second": round(sent * points / duration, 1),
        "error_rate": 1.0 - len(latencies) / sent,
        "average_latency_ms": round(1000 * sum(latencies) / len(latencies), 3),
        "p95_latency_ms": percentile_ms(latencies, 95),
        "p99_latency_ms": percentile_ms(latencies, 99),
    }


async def _submit(
    session: StreamSession, payload: Any, stream: str, latencies: list[float]
) -> None:
    began = time.perf_counter()

    def answered(future: asyncio.Future[Ack]) -> None:
        if future.exception() is None:
            latencies.append(time.perf_counter() - began)

    future = await session.submit(payload, stream=stream)
    future.add_done_callback(answered)


def blobs(dimension: int, clusters: int = 10) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return points to push: float32 (500,000, dimension), around so many centres."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(-10, 10, (clusters, dimension))
    chosen = centres[rng.integers(clusters, size=_POOL_POINTS)]
    return (chosen + rng.normal(size=chosen.shape)).astype(np.float32)
