"""How many deliveries a second a server makes, and how late they are.

Real points go into a real engine, and real events to every subscriber. The server has
a core of its own, subscribers are in other processes on the others. Nearly all of them
only count what they get; some, in a process apart, decode everything and note how long
it took from the arrival of the points to the receipt of the event.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ..door import room_for_sockets
from .figures import percentile_ms
from .slow_reader import SLOW_BYTES_PER_S, SlowReader, slow_reader
from .stage import CLUSTERS, STREAM, stage

__all__ = ["bench_fanout", "bench_rate", "bench_storm", "bench_stuck", "fit"]

_FLAT_OUT_S = 0.004  # between two blocks, more than any server keeps up with
_FEWEST_BLOCKS = 5
_WARM_UP_S = 1.0
_RATE_EVERY_S = 0.01
_STUCK_EVERY_S = 0.02
_STORM_EVERY_S = 0.1
_STORM_SAMPLE = 20
_FOR_EVER_S = 3600.0


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

    Two servers with as many readers and points work at the same time, so that whatever
    else the machine has to do is the same for both; one has slow readers as well.

    Args:
        subscribers: of each, beside the slow ones.
        seconds: to push for, in a round.
        rounds: how often; with new slow readers each time.

    Returns:
        A row without the slow ones, and one with them.
    """
    ages: dict[bool, list[float]] = {False: [], True: []}
    slow: list[SlowReader] = []
    async with (
        stage("--store=memory") as calm,
        stage("--store=memory") as disturbed,
    ):
        await asyncio.gather(calm.fill(subscribers), disturbed.fill(subscribers))
        for _ in range(rounds):
            async with contextlib.AsyncExitStack() as stack:
                for bytes_per_s in SLOW_BYTES_PER_S:
                    url, token = disturbed.url, disturbed.token
                    reader = slow_reader(url, token, STREAM, bytes_per_s)
                    slow.append(await stack.enter_async_context(reader))
                measured = await asyncio.gather(
                    calm.measure(seconds, _STUCK_EVERY_S),
                    disturbed.measure(seconds, _STUCK_EVERY_S),
                )
            ages[False] += measured[0].ages_s
            ages[True] += measured[1].ages_s
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
        await on.fill(_STORM_SAMPLE + subscribers)
        before = await on.measure(seconds, _STORM_EVERY_S)
        pushing = asyncio.create_task(on.push(_FOR_EVER_S, _STORM_EVERY_S))
        await on.sample.tally()
        took_s = await on.rest.come_back()
        await asyncio.sleep(2 * _STORM_EVERY_S)  # few are back before the next event
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
        every_s = 2 * CLUSTERS / max(events_per_s, 1.0)
        half = await on.measure(max(seconds, _FEWEST_BLOCKS * every_s), every_s)
    return {
        "subscribers": subscribers,
        "deliveries_per_second": round(flat_out.messages / flat_out.seconds),
        "deliveries_per_cpu_second": round(flat_out.messages / flat_out.server_cpu_s),
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
