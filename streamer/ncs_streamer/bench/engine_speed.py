"""How fast the engine is by itself, without a server: rate, latency, memory, threads.

Points are Gaussian blobs and every parameter has its default. An engine is warm before
it is measured, and every block is labelled and learned. The machine is shared with
whatever else runs on it, so take ratios of one run rather than numbers of two.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from ncs_engine import Engine

from .methods import Method

__all__ = [
    "BLOCKS",
    "DIMENSIONS",
    "measure_latency",
    "measure_memory",
    "measure_peers",
    "measure_rates",
    "measure_threads",
]

BLOCKS = (1, 100, 1_000, 10_000)
"""Points per call of `learn`."""
DIMENSIONS = (3, 10, 32, 128)
_CLUSTERS = 20
_POOL_COORDINATES = 10_000_000  # of a pool: one that comes again soon is no stream
_WARM_UP_POINTS = 10_000
_DIMENSION = 10  # where only one is measured
_BLOCK = 1_000  # likewise
_MEMORY_POINTS = 1_000_000
_PEER_POINTS = 5_000
_PEER_SECONDS = 1.0

Points = NDArray[np.float32]


def _blobs(dimension: int) -> Points:
    """Return float32 (n, dimension): unit Gaussians, 20 of them."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(-10, 10, (_CLUSTERS, dimension)).astype(np.float32)
    n = _POOL_COORDINATES // dimension
    points = rng.standard_normal((n, dimension), dtype=np.float32)
    points += centres[rng.integers(_CLUSTERS, size=n)]
    return points


def _warm_engine(pool: Points) -> Engine:
    engine = Engine()
    engine.learn(pool[:_WARM_UP_POINTS])
    return engine


def _learn_for(engine: Engine, pool: Points, block: int, seconds: float) -> float:
    """Learn blocks out of `pool`, again and again; return points a second."""
    blocks = [pool[i : i + block] for i in range(0, len(pool) - block + 1, block)]
    learned, began, now = 0, time.perf_counter(), 0.0
    while now < seconds:
        engine.learn(blocks[learned // block % len(blocks)])
        learned += block
        now = time.perf_counter() - began
    return learned / now


def measure_rates(
    seconds: float,
    dimensions: Sequence[int] = DIMENSIONS,
    on_step: Callable[[str], None] = lambda what: None,
) -> list[dict[str, Any]]:
    """Return points a second for each dimension and block, `seconds` of each."""
    rows = []
    for dimension in dimensions:
        pool = _blobs(dimension)
        engine = _warm_engine(pool)
        for block in BLOCKS:
            on_step(f"{dimension} dimensions, blocks of {block:,}")
            rate = _learn_for(engine, pool, block, seconds)
            rows.append(
                {"dimension": dimension, "block": block, "points_per_second": rate}
            )
    return rows


def measure_latency(seconds: float) -> dict[str, Any]:
    """Return the time of single points in us: percentiles, and the worst of all."""
    pool = _blobs(_DIMENSION)
    engine = _warm_engine(pool)
    taken: list[int] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        at = len(taken) % len(pool)
        point = pool[at : at + 1]
        began = time.perf_counter_ns()
        engine.learn(point)
        taken.append(time.perf_counter_ns() - began)
    p50, p99, p999, worst = np.percentile(taken, (50, 99, 99.9, 100)) / 1000
    return {
        "dimension": _DIMENSION,
        "points": len(taken),
        "p50_us": float(p50),
        "p99_us": float(p99),
        "p99.9_us": float(p999),
        "max_us": float(worst),
    }


def measure_memory(seconds: float) -> dict[str, Any]:
    """Return what an engine takes after 1,000,000 points, or as many as time allows.

    `resident_bytes` is what the process grew by from before the engine was made, and
    `resident_growth_bytes` from when it was warm.
    """
    pool = _blobs(_DIMENSION)
    process = psutil.Process()
    before = process.memory_info().rss
    engine = _warm_engine(pool)
    warm = process.memory_info().rss
    until = time.perf_counter() + seconds
    while engine.points_learned < _MEMORY_POINTS and time.perf_counter() < until:
        start = engine.points_learned % (len(pool) - _BLOCK)
        engine.learn(pool[start : start + _BLOCK])
    now = process.memory_info().rss
    return {
        "dimension": _DIMENSION,
        "points": engine.points_learned,
        "state_bytes": engine.state_bytes,
        "resident_bytes": now - before,
        "resident_growth_bytes": now - warm,
    }


def measure_threads(seconds: float) -> dict[str, Any]:
    """Return what two threads with an engine each do, against one of them alone."""
    pool = _blobs(_DIMENSION)
    engines = [_warm_engine(pool), _warm_engine(pool)]
    alone = _learn_for(engines[0], pool, _BLOCK, seconds)
    rates = [0.0, 0.0]

    def work(i: int) -> None:
        rates[i] = _learn_for(engines[i], pool, _BLOCK, seconds)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "one_points_per_second": alone,
        "two_points_per_second": sum(rates),
        "ratio": sum(rates) / alone,
    }


def measure_peers(
    methods: Sequence[Method], on_step: Callable[[str], None] = lambda what: None
) -> list[dict[str, Any]]:
    """Return points a second of methods that start anew, at 10 dimensions.

    Each starts anew until it has run for a second, so that none is timed by one blink.
    """
    pool = _blobs(_DIMENSION)[:_PEER_POINTS]
    rows = []
    for method in methods:
        on_step(method.name)
        method.load()
        runs, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < _PEER_SECONDS:
            method.run(pool)
            runs += 1
        rate = runs * len(pool) / elapsed
        rows.append({"method": method.name, "points_per_second": rate})
    return rows
