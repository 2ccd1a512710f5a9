"""How many deliveries a second a server makes, and how late they are.

Real points go into a real engine: a block of points touches every cluster of the
stream, and for each of them a `cluster_update` goes to every subscriber. The server has
a core of its own, subscribers are in other processes on the others. Nearly all of them
only count what they get; some, in a process apart, decode everything and note how long
it took from the arrival of the points to the receipt of the event.
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

import psutil

from ncs_client import AsyncNCSClient, StreamSession

from ..auth import TokenIssuer
from ..cli.child import ServerProcess
from ..door import room_for_sockets
from .crowd import Crowd, crowd
from .fairness import SECRET
from .figures import percentile_ms
from .ingest import blobs
from .light_reader import Wanted
from .slow_reader import SLOW_BYTES_PER_S, SlowReader, slow_reader

__all__ = ["bench_fanout", "bench_rate", "bench_storm", "bench_stuck", "fit"]

STREAM = "bench"
_DIMENSION = 10
_CLUSTERS = 10
_WARM_POINTS = 10_000
_BLOCK = 100  # points; touches each of the clusters
_FLAT_OUT_S = 0.004  # between two blocks, more than any server keeps up with
_FEWEST_BLOCKS = 5
_SAMPLE = 20  # readers who decode everything
_SETTLE_S = 0.5
_NO_TIME_S = 1e-3
_TOKEN_S = 3600.0
_WARM_UP_S = 1.0
_RATE_EVERY_S = 0.01
_STUCK_EVERY_S = 0.02
_STORM_EVERY_S = 0.1
_FOR_EVER_S = 3600.0
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
        server_cpu: cores that the server used.
        lost: what was said to readers that were cut off.
    """

    points_per_s: float
    messages: int
    size: int
    seconds: float
    ages_s: list[float]
    server_cpu: float
    lost: list[str]


@dataclasses.dataclass(slots=True)
class Stage:
    """A server, those who follow it, and who pushes to it.

    Attributes:
        url: of the server.
        token: a credential for it.
        server: its process.
        session: pushes.
        sample: readers who decode.
        rest: readers who only count.
    """

    url: str
    token: str
    server: psutil.Process
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
        self, seconds: float, every_s: float, block: int = _BLOCK
    ) -> Measured:
        """Push for some seconds and return what came of it; see `push`."""
        await self.sample.tally()
        await self.rest.tally()
        used, began = _cpu_s(self.server), time.monotonic()
        points = await self.push(seconds, every_s, block)
        wall = time.monotonic() - began - _SETTLE_S
        server_cpu = (_cpu_s(self.server) - used) / wall
        tallies = await self.sample.tally(), await self.rest.tally()
        first = min((t.first for t in tallies if t.messages), default=0.0)
        last = max(t.last for t in tallies)
        return Measured(
            points_per_s=points / wall,
            messages=sum(t.messages for t in tallies),
            size=sum(t.size for t in tallies),
            seconds=max(last - first, _NO_TIME_S),
            ages_s=tallies[0].ages_s,
            server_cpu=server_cpu,
            lost=[*tallies[0].lost, *tallies[1].lost],
        )

    async def push(self, seconds: float, every_s: float, block: int = _BLOCK) -> int:
        """Push a block now and then; return the number of points."""
        pool, sent = blobs(_DIMENSION), 0
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
async def stage(*flags: str, is_checking: bool = False) -> AsyncIterator[Stage]:
    """Give a new server with a stream that has its clusters, and nobody there yet.

    Args:
        flags: more flags of `ncs serve`.
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
        await session.send(blobs(_DIMENSION)[:_WARM_POINTS], stream=STREAM)
        sample = Wanted(token, STREAM, is_decoding=True)
        rest = Wanted(token, STREAM, is_checking=is_checking)
        join = functools.partial(crowd, server.url, cores=others)
        yield Stage(
            server.url,
            token,
            process,
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


def fit(subscribers: tuple[int, ...]) -> tuple[int, ...]:
    """Return those numbers for which this process's limit of open files suffices."""
    return tuple(count for count in subscribers if count <= room_for_sockets())


async def bench_fanout(
    *, subscribers: tuple[int, ...], seconds: float
) -> list[dict[str, Any]]:
    """Measure flat out and at half of that, for each number of subscribers.

    Flat out, blocks of points come faster than the server keeps up with telling, and it
    tells the clusters' changes as often as it can. The journal is in memory.

    Args:
        subscribers: numbers of them.
        seconds: to push for, twice a row.

    Returns:
        One row per number.
    """
    return [await _row(count, seconds) for count in subscribers]


async def bench_rate(
    *, rate: float, subscribers: int, seconds: float
) -> list[dict[str, Any]]:
    """Measure how late events are while points flow at a rate, each of them on disk.

    Args:
        rate: points a second.
        subscribers: readers, some of whom decode.
        seconds: to push for.

    Returns:
        One row.
    """
    async with stage("--event-tick-ms=20") as on:
        await on.fill(subscribers)
        block = max(1, round(rate * _RATE_EVERY_S))
        await on.measure(_WARM_UP_S, _RATE_EVERY_S, block)
        measured = await on.measure(seconds, _RATE_EVERY_S, block)
    return [
        {
            "points_per_second": round(measured.points_per_s),
            "points_per_frame": block,
            "subscribers": subscribers,
            "events_per_second": round(
                measured.messages / subscribers / measured.seconds, 1
            ),
            "p50_ms": percentile_ms(measured.ages_s, 50),
            "p99_ms": percentile_ms(measured.ages_s, 99),
            "server_cpu": round(measured.server_cpu, 2),
            "lost": len(measured.lost),
        }
    ]


async def bench_stuck(
    *, subscribers: int, seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """Measure what a reader that reads nothing and a slow one cost the others.

    Rounds without them and with them take turns on the same server, which sends no
    heartbeats: it would end the connection of whoever does not answer them.

    Args:
        subscribers: the others.
        seconds: to push for, twice a round.
        rounds: how often they take turns.

    Returns:
        A row without the slow ones, and one with them.
    """
    ages: dict[bool, list[float]] = {False: [], True: []}
    slow: list[SlowReader] = []
    async with stage("--store=memory", "--heartbeat-s=3600") as on:
        await on.fill(subscribers)
        for _ in range(rounds):
            for is_disturbed in ages:
                async with contextlib.AsyncExitStack() as stack:
                    if is_disturbed:
                        for bytes_per_s in SLOW_BYTES_PER_S:
                            reader = slow_reader(on.url, on.token, STREAM, bytes_per_s)
                            slow.append(await stack.enter_async_context(reader))
                    measured = await on.measure(seconds, _STUCK_EVERY_S)
                    ages[is_disturbed] += measured.ages_s
    quiet = percentile_ms(ages[False], 99)
    return [
        {
            "slow_readers": len(SLOW_BYTES_PER_S) if is_disturbed else 0,
            "subscribers": subscribers,
            "cut_off": sum(reader.is_cut_off for reader in slow) if is_disturbed else 0,
            "events": len(found),
            "p50_ms": percentile_ms(found, 50),
            "p99_ms": percentile_ms(found, 99),
            "p99_ratio": round(percentile_ms(found, 99) / max(quiet, 1e-3), 2),
        }
        for is_disturbed, found in ages.items()
    ]


async def bench_storm(*, subscribers: int, seconds: float) -> list[dict[str, Any]]:
    """Cut that many subscribers off at once and time how they come back.

    Points keep flowing. Every reader checks that no offset is left out, and comes back
    with where it was; survivors, who are not cut off, note how late their events are.

    Args:
        subscribers: that are cut off.
        seconds: to measure the survivors before the storm.

    Returns:
        One row.
    """
    async with stage("--store=memory", is_checking=True) as on:
        await on.fill(_SAMPLE + subscribers)
        before = await on.measure(seconds, _STORM_EVERY_S)
        pushing = asyncio.create_task(on.push(_FOR_EVER_S, _STORM_EVERY_S))
        await on.sample.tally()
        took_s = await on.rest.come_back()
        storm = await on.sample.tally()
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
        after = await on.rest.tally()
    return [
        {
            "subscribers": subscribers,
            "recovered": after.recovered,
            "gaps": after.gaps,
            "seconds": round(took_s, 2),
            "p99_ms_before": percentile_ms(before.ages_s, 99),
            "p99_ms_meanwhile": percentile_ms(storm.ages_s, 99),
            "lost": len(after.lost) + len(storm.lost),
        }
    ]


async def _row(subscribers: int, seconds: float) -> dict[str, Any]:
    async with stage("--store=memory") as on:
        before = on.server.memory_info().rss
        await on.fill(subscribers)
        idle_bytes = (on.server.memory_info().rss - before) / subscribers
        flat_out = await on.measure(seconds, _FLAT_OUT_S)
        events_per_s = flat_out.messages / subscribers / flat_out.seconds
        every_s = 2 * _CLUSTERS / max(events_per_s, 1.0)
        half = await on.measure(max(seconds, _FEWEST_BLOCKS * every_s), every_s)
    return {
        "subscribers": subscribers,
        "deliveries_per_second": round(flat_out.messages / flat_out.seconds),
        "events_per_second": round(events_per_s, 1),
        "bytes_per_delivery": round(flat_out.size / max(1, flat_out.messages)),
        "server_cpu": round(flat_out.server_cpu, 2),
        "half_deliveries_per_second": round(half.messages / half.seconds),
        "half_p50_ms": percentile_ms(half.ages_s, 50),
        "half_p99_ms": percentile_ms(half.ages_s, 99),
        "half_server_cpu": round(half.server_cpu, 2),
        "idle_kb_per_connection": round(idle_bytes / 1024, 1),
        "lost": len(flat_out.lost) + len(half.lost),
    }
