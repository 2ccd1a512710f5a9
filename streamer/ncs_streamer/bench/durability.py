"""What it costs to have every acknowledged point on disk, and how fast it comes back.

Two servers, one with its journal in memory and one with it on disk, are measured in
turns by the same client on the same machine: the ratio says what the disk costs, the
figures themselves what the machine can do.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from ncs_client import AsyncNCSClient

from ..processes import ServerProcess
from .figures import admin_client
from .ingest import blobs, measure

__all__ = ["FRAMES", "bench_durability", "fsyncs_a_second", "time_recovery"]

FRAMES = (1, 1000)
LEVELS = {"memory": "memory", "local": "sqlite"}
"""Level of durability -> store."""
_DIMENSION = 10
_FRAME = 1000
_WRITE_BYTES = 4096


async def bench_durability(*, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Measure points acknowledged at each level, in packed frames.

    Args:
        seconds: to push for, per level, size of frame and round.
        rounds: how often the levels take turns.

    Returns:
        A row per size of frame and level: points/s (the mean of the rounds), commits
        of the journal, each of which is one fsync at `local`, the ratio to `memory`,
        frames that share an entry of the journal, and the processor's time that a frame
        takes of server and client, which says more than points/s on a busy machine.
    """
    sums: dict[tuple[int, str], _Sums] = {}
    pool = blobs(_DIMENSION)
    async with contextlib.AsyncExitStack() as stack:
        clients = {
            level: await stack.enter_async_context(_served(store))
            for level, store in LEVELS.items()
        }
        for number in range(rounds):
            for frame in FRAMES:
                for level, (client, metrics_url) in clients.items():
                    before, own = await _counters(metrics_url), time.process_time()
                    row = await measure(
                        client, f"{frame}-{number}", "packed", frame, pool, seconds
                    )
                    own = time.process_time() - own
                    after = await _counters(metrics_url)
                    known = sums.get((frame, level), _Sums())
                    sums[frame, level] = _Sums(
                        known.seconds + row["duration_seconds"],
                        known.frames + row["total_requests"],
                        known.commits + after.commits - before.commits,
                        known.entries + after.entries - before.entries,
                        known.server_s + after.cpu_s - before.cpu_s,
                        known.client_s + own,
                    )
    return [
        {
            "points_per_frame": frame,
            "durability": level,
            "points_per_second": round(frame * figures.frames / figures.seconds),
            "commits_per_second": round(figures.commits / figures.seconds),
            "to_memory": round(figures.rate / sums[frame, "memory"].rate, 3),
            "frames_per_entry": round(figures.frames / max(1, figures.entries), 1),
            "server_us_per_frame": round(1e6 * figures.server_s / figures.frames, 1),
            "client_us_per_frame": round(1e6 * figures.client_s / figures.frames, 1),
        }
        for (frame, level), figures in sums.items()
    ]


class _Sums(NamedTuple):
    """Over all rounds."""

    seconds: float = 0.0
    frames: int = 0
    commits: float = 0.0
    entries: float = 0.0
    server_s: float = 0.0
    client_s: float = 0.0

    @property
    def rate(self) -> float:
        return self.frames / self.seconds


class _Counters(NamedTuple):
    """What a server counts of itself."""

    commits: float
    entries: float
    cpu_s: float


@contextlib.asynccontextmanager
async def _served(store: str) -> AsyncIterator[tuple[AsyncNCSClient, str]]:
    """Give a client of a new server, and where its metrics are."""
    with tempfile.TemporaryDirectory(prefix="ncs-bench-") as folder:
        flags = ("--data-dir", folder, "--store", store, "--metrics-port", "0")
        async with ServerProcess(*flags) as server, admin_client(server) as client:
            port = server.metrics_port
            yield client, f"http://127.0.0.1:{port}/metrics"


async def _counters(metrics_url: str) -> _Counters:
    async with aiohttp.ClientSession() as http, http.get(metrics_url) as reply:
        families = text_string_to_metric_families(await reply.text())
    found = {sample.name: sample.value for one in families for sample in one.samples}
    return _Counters(
        found["ncs_journal_append_seconds_count"],
        found["ncs_journal_entries_total"],
        found["process_cpu_seconds_total"],
    )


async def time_recovery(points: int) -> dict[str, Any]:
    """Measure how long a server takes to be back that has all of `points` to replay.

    They are journaled in frames of 1,000, no snapshot is taken, and it is killed.
    """
    pool = blobs(_DIMENSION)
    with tempfile.TemporaryDirectory(prefix="ncs-bench-") as folder:
        flags = ("--data-dir", folder, "--snapshot-points", str(2 * points))
        async with ServerProcess(*flags) as server:
            empty_s = await _restart(server)
            async with admin_client(server) as client:
                async with client.stream(streams=["bench"]) as session:
                    for first in range(0, points, _FRAME):
                        rows = np.arange(first, min(points, first + _FRAME))
                        await session.submit(pool[rows % len(pool)], stream="bench")
            recovery_s = await _restart(server)
            async with admin_client(server) as client:
                status = await client.get_algorithm_status("bench")
        size = sum(entry.stat().st_size for entry in os.scandir(folder))
    return {
        "points_recovered": status.total_points_processed,
        "recovery_seconds": round(recovery_s, 3),
        "empty_start_seconds": round(empty_s, 3),
        "points_per_second_replayed": round(points / max(1e-9, recovery_s - empty_s)),
        "store_mb": round(size / 2**20, 1),
    }


async def _restart(server: ServerProcess) -> float:
    """Kill -9; return the seconds from the start of the process until it serves."""
    await server.kill()
    began = time.perf_counter()
    await server.start()
    return time.perf_counter() - began


def fsyncs_a_second(seconds: float) -> float:
    """Return how many appends of 4 KB, each with its fsync, the disk makes a second.

    The folder is the one for temporary files, where the servers have theirs too.
    """
    with tempfile.TemporaryFile(prefix="ncs-bench-") as file:
        began, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - began) < seconds:
            os.write(file.fileno(), bytes(_WRITE_BYTES))
            os.fsync(file.fileno())
            count += 1
    return count / elapsed
