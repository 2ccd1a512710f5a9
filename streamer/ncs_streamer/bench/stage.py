"""A server on a core of its own, subscribers on the others, and points that flow.

What `fanout` measures is measured here. The clusters are ten, and a block of a hundred
points touches all of them: it makes ten `cluster_update` events for every subscriber.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import tempfile
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import psutil

from ncs_client import AsyncNCSClient, StreamSession

from ..auth import TokenIssuer
from ..processes import ServerProcess
from .crowd import Crowd, crowd
from .fairness import SECRET
from .ingest import blobs
from .light_reader import Wanted

__all__ = ["BLOCK", "CLUSTERS", "STREAM", "Measured", "Stage", "stage"]

STREAM = "bench"
CLUSTERS = 10
BLOCK = 100
"""Points; touches each of the clusters."""
_DIMENSION = 10
_WARM_POINTS = 10_000
_SAMPLE = 20  # readers who decode everything
_SETTLE_S = 0.5
_NO_TIME_S = 1e-3
_TOKEN_S = 3600.0
_IN_FLIGHT = 64  # blocks; beyond, the server is left behind with nothing but acks
_FLAGS = (
    "--event-tick-ms=5",
    "--max-connections-per-address=1000000",
    "--max-connections-per-tenant=1000000",
    "--handshakes-per-minute=1000000",
    "--max-unauthenticated=1000000",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What came of a while of pushing.

    Attributes:
        points_per_s: that were pushed.
        messages: that all readers got.
        size: bytes of it.
        seconds: from the first receipt to the last.
        ages_s: of the sample, from the arrival of the points to the receipt.
        server_cpu_s: processor seconds that the server used.
        server_cpu: cores that the server used.
        lost: what was said to readers that were cut off.
    """

    points_per_s: float
    messages: int
    size: int
    seconds: float
    ages_s: list[float]
    server_cpu_s: float
    server_cpu: float
    lost: list[str]


@dataclasses.dataclass(slots=True)
class Stage:
    """A server, those who follow it, and who pushes to it.

    Attributes:
        url: of the server.
        token: a credential for it.
        server: its process.
        pool: the points.
        session: pushes.
        sample: readers who decode.
        rest: readers who only count.
    """

    url: str
    token: str
    server: psutil.Process
    pool: np.ndarray[Any, np.dtype[np.float32]]
    session: StreamSession
    sample: Crowd
    rest: Crowd

    async def fill(self, subscribers: int) -> None:
        """Let subscribers in; those of the sample come first and last."""
        sample = min(subscribers, _SAMPLE)
        await self.sample.open(sample - sample // 2)
        if subscribers > sample:
            await self.rest.open(subscribers - sample)
        if sample // 2:
            await self.sample.open(sample // 2)
        await asyncio.sleep(_SETTLE_S)

    async def measure(
        self, seconds: float, every_s: float, block: int = BLOCK
    ) -> Measured:
        """Push for some seconds and return what came of it; see `push`."""
        await self.sample.tally()
        await self.rest.tally()
        used, began = _cpu_s(self.server), time.monotonic()
        points = await self.push(seconds, every_s, block)
        wall = time.monotonic() - began - _SETTLE_S
        used = _cpu_s(self.server) - used
        tallies = await self.sample.tally(), await self.rest.tally()
        first = min((t.first for t in tallies if t.messages), default=0.0)
        last = max(t.last for t in tallies)
        return Measured(
            points_per_s=points / wall,
            messages=sum(t.messages for t in tallies),
            size=sum(t.size for t in tallies),
            seconds=max(last - first, _NO_TIME_S),
            ages_s=tallies[0].ages_s,
            server_cpu_s=used,
            server_cpu=used / wall,
            lost=[*tallies[0].lost, *tallies[1].lost],
        )

    async def push(self, seconds: float, every_s: float, block: int = BLOCK) -> int:
        """Push a block now and then; return the number of points."""
        pool, sent = self.pool, 0
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            at = sent * block % (len(pool) - block)
            await self.session.submit(pool[at : at + block], stream=STREAM)
            sent += 1
            await asyncio.sleep(max(0.0, began + sent * every_s - time.monotonic()))
        await self.session.drain()
        await asyncio.sleep(_SETTLE_S)  # for the last events to arrive
        return sent * block


@contextlib.asynccontextmanager
async def stage(
    *flags: str,
    is_checking: bool = False,
    clusters: int = CLUSTERS,
    centroids: bool = True,
) -> AsyncIterator[Stage]:
    """Give a new server with a stream that has its clusters, and nobody there yet.

    Args:
        flags: more flags of `ncs serve`.
        clusters: of the stream.
        centroids: whether the rest of the readers are told them.
        is_checking: whether the rest of the readers see that nothing is left out.
    """
    cores = psutil.Process().cpu_affinity() or [0]
    server_cores, others = cores[:1], cores[1:] or cores
    token = TokenIssuer(SECRET, _TOKEN_S).issue(
        subject="bench", tenant="bench", scopes=("read", "write"), now=time.time()
    )
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ncs-bench-"))
        server = await stack.enter_async_context(
            ServerProcess(
                "--data-dir", folder, *_FLAGS, *flags, env={"SECRET_KEY": SECRET}
            )
        )
        process = psutil.Process(server.process.pid)
        _pin(process, server_cores)
        client = await stack.enter_async_context(
            AsyncNCSClient(server.url, api_key=token)
        )
        session = client.stream(streams=[STREAM], max_unacknowledged=_IN_FLIGHT)
        await stack.enter_async_context(session)
        pool = blobs(_DIMENSION, clusters)
        await session.send(pool[:_WARM_POINTS], stream=STREAM)
        sample = Wanted(token, STREAM, is_decoding=True)
        rest = Wanted(token, STREAM, is_checking=is_checking, centroids=centroids)
        join = functools.partial(crowd, server.url, cores=others)
        yield Stage(
            server.url,
            token,
            process,
            pool,
            session,
            sample=await stack.enter_async_context(join(sample)),
            rest=await stack.enter_async_context(join(rest)),
        )


def _pin(process: psutil.Process, cores: list[int]) -> None:
    """Let all threads of a process run on those cores only."""
    for thread in process.threads():
        psutil.Process(thread.id).cpu_affinity(cores)
    process.cpu_affinity(cores)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
