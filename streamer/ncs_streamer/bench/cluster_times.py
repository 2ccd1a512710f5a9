"""How long a cluster takes: to have a dead node's streams again, to tell an event."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
import time
from typing import Any

from ncs_client import AsyncNCSClient, StreamSession
from ncs_protocol.messages import Ack, Event, Subscribed

from .cluster_site import Site, patient, site
from .figures import percentile_ms
from .ingest import blobs

__all__ = ["bench_latency", "bench_takeover"]

_NODES = 3
_DIMENSION = 10
_STREAMS = [f"t{number}" for number in range(6)]
_FRAME = 100
_EVERY_S = 0.02
_WARM_UP_S = 1.0
_RATE_EVERY_S = 0.01


async def bench_takeover(*, kills: int, lease_s: float) -> dict[str, Any]:
    """Kill -9 an owner at random moments, under load, again and again.

    Every stream is pushed to through a node that survives. What is timed is from the
    kill to the first ack of a batch that was sent after it: for each stream that the
    dead node owned.

    Args:
        kills: how many.
        lease_s: of the nodes.

    Returns:
        The distribution, and the account of the points.

    Raises:
        TimeoutError: a stream is not served again, or the nodes do not come together.
    """
    took: list[float] = []
    acked = 0
    pool, chance = blobs(_DIMENSION), random.Random(0)  # noqa: S311
    async with site(_NODES, lease_s) as on:
        for stream in _STREAMS:
            client = on.clients[on.names[0]]
            await client.process_points(pool[:1].tolist(), stream=stream)
            acked += 1
        for _ in range(kills):
            await on.joined()
            owners = await on.owners(_STREAMS)
            victim = chance.choice(sorted(set(owners.values())))
            pushes = [
                _Push(on, stream, victim, number)
                for number, stream in enumerate(_STREAMS)
            ]
            tasks = [asyncio.create_task(push.run()) for push in pushes]
            try:
                await asyncio.gather(*(push.ack_after(0.0) for push in pushes))
                await asyncio.sleep(chance.uniform(0.0, lease_s))
                owners = await on.owners(_STREAMS)
                await on.cluster.nodes[victim].kill()
                killed = time.perf_counter()
                lost = [p for p in pushes if owners.get(p.stream) == victim]
                times = await asyncio.gather(*(p.ack_after(killed) for p in lost))
                took += [at - killed for at in times]
            finally:
                for push in pushes:
                    push.is_over = True
                async with patient("not everything was acknowledged in the end"):
                    await asyncio.gather(*tasks)
            acked += sum(push.acked for push in pushes)
            await on.cluster.nodes[victim].start()
            await on.clients[victim].close()
            on.connect(victim)
        await on.joined()
        applied = await on.applied(_STREAMS)
    return {
        "kills": kills,
        "streams_lost": len(took),
        "lease_s": lease_s,
        "p50_s": round(percentile_ms(took, 50) / 1000, 3),
        "p95_s": round(percentile_ms(took, 95) / 1000, 3),
        "max_s": round(percentile_ms(took, 100) / 1000, 3),
        "points_acked": acked,
        "points_applied": applied,
    }


class _Push:
    """Pushes to a stream through a node that will live, until it is over."""

    def __init__(self, on: Site, stream: str, victim: str, number: int) -> None:
        vias = [name for name in on.names if name != victim]
        self.stream, self.acked, self.is_over = stream, 0, False
        self._client = on.clients[vias[number % len(vias)]]
        self._acks: list[tuple[float, float]] = []
        self._changed = asyncio.Event()

    async def run(self) -> None:
        pool = blobs(_DIMENSION)
        async with self._client.stream(streams=[self.stream]) as session:
            for first in itertools.cycle(range(0, len(pool) - _FRAME, _FRAME)):
                if self.is_over:
                    break
                points = pool[first : first + _FRAME]
                sent = time.perf_counter()
                ack = await session.submit(points, stream=self.stream)
                ack.add_done_callback(functools.partial(self._on_ack, sent))
                await asyncio.sleep(_EVERY_S)
            await session.drain()

    def _on_ack(self, sent: float, done: asyncio.Future[Ack]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        self.acked += _FRAME
        self._acks.append((sent, time.perf_counter()))
        self._changed.set()

    async def ack_after(self, moment: float) -> float:
        """Return when something was acknowledged that was sent after a moment.

        Raises:
            TimeoutError: nothing was.
        """
        async with patient(f"no batch of stream {self.stream} was acknowledged"):
            while True:
                for sent, at in self._acks:
                    if sent > moment:
                        return at
                self._changed.clear()
                await self._changed.wait()


async def bench_latency(
    *, rate: float, seconds: float, lease_s: float
) -> list[dict[str, Any]]:
    """Measure from the arrival of points to the event decoded, at a steady rate.

    Args:
        rate: points a second, in frames of a hundredth of it.
        seconds: to push for, a row.
        lease_s: of the nodes.

    Returns:
        A row with reader and producer at the owner, one with the reader elsewhere, and
        one with both elsewhere, each on a node of its own.

    Raises:
        TimeoutError: nothing is acknowledged or told, or the nodes stay apart.
    """
    pool = blobs(_DIMENSION)
    frame = max(1, round(rate * _RATE_EVERY_S))
    rows = []
    async with site(_NODES, lease_s) as on:
        stream = _STREAMS[0]
        first = on.clients[on.names[0]]
        await first.process_points(pool[:1].tolist(), stream=stream)
        owner = (await on.settled([stream]))[stream]
        one, other = (name for name in on.names if name != owner)
        for producer_at, reader_at in ((owner, owner), (owner, one), (other, one)):
            producer, reader = on.clients[producer_at], on.clients[reader_at]
            ages: list[float] = []
            begun = asyncio.Event()
            reading = asyncio.create_task(_read(reader, stream, ages, begun))
            async with patient("a reader was told nothing"):
                await begun.wait()
            async with producer.stream(streams=[stream]) as session:
                await _at_rate(session, stream, pool, frame, _WARM_UP_S)
                del ages[:]
                sent = await _at_rate(session, stream, pool, frame, seconds)
                async with patient("not everything was acknowledged in the end"):
                    await session.drain()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            rows.append(
                {
                    "producer_at": "owner" if producer_at == owner else "another node",
                    "reader_at": "owner" if reader_at == owner else "another node",
                    "points_per_second": round(sent / seconds),
                    "points_per_frame": frame,
                    "events": len(ages),
                    "p50_ms": percentile_ms(ages, 50),
                    "p99_ms": percentile_ms(ages, 99),
                    "max_ms": percentile_ms(ages, 100),
                }
            )
    return rows


async def _read(
    client: AsyncNCSClient, stream: str, ages: list[float], begun: asyncio.Event
) -> None:
    async with client.stream() as session:
        async for message in await session.subscribe(stream):
            if isinstance(message, Subscribed):
                begun.set()
            elif isinstance(message, Event) and message.times is not None:
                ages.append(time.time() - message.times.ingest)


async def _at_rate(
    session: StreamSession, stream: str, pool: Any, frame: int, seconds: float
) -> int:
    """Push a frame every 10 ms; return the number of points."""
    began, sent = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        first = sent % (len(pool) - frame)
        async with patient("nothing was acknowledged"):
            await session.submit(pool[first : first + frame], stream=stream)
        sent += frame
        due = sent / frame * _RATE_EVERY_S
        await asyncio.sleep(max(0.0, due - elapsed))
    return sent
