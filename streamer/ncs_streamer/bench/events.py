"""How long it takes from the arrival of a batch to the event at a subscriber.

The server's stamp of the arrival and the reader's clock are the same machine's, so the
difference is the true latency: decode, journal, model, encoding, socket, decode.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ncs_client import AsyncNCSClient
from ncs_protocol.messages import Event

from ..demo.plant import Plant
from ..processes import ServerProcess
from .figures import admin_client, percentile_ms

__all__ = ["bench_events"]

_BATCH = 50


async def bench_events(
    server: ServerProcess, *, seconds: float, rate: float, subscribers: int
) -> list[dict[str, Any]]:
    """Measure latency per delivery class while points flow at a steady rate.

    Args:
        server: running.
        seconds: to push for.
        rate: points a second.
        subscribers: half of them JSON, half MessagePack.

    Returns:
        One row per delivery class and codec.
    """
    ages: dict[tuple[str, str], list[float]] = {}
    async with admin_client(server) as client:
        readers = []
        for i in range(subscribers):
            codec = ("msgpack", "json")[i % 2]
            readers.append(asyncio.create_task(_read(client, codec, ages)))
        sent = await _push(client, seconds, rate)
        await asyncio.sleep(0.2)  # let the last events arrive
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return [
        {
            "class": delivery,
            "codec": codec,
            "subscribers": subscribers,
            "points_per_second_sent": round(sent / seconds, 1),
            "events": len(found),
            "events_per_second": round(len(found) / seconds, 1),
            "p50_latency_ms": percentile_ms(found, 50),
            "p95_latency_ms": percentile_ms(found, 95),
            "p99_latency_ms": percentile_ms(found, 99),
        }
        for (delivery, codec), found in sorted(ages.items())
    ]


async def _read(
    client: AsyncNCSClient, codec: str, ages: dict[tuple[str, str], list[float]]
) -> None:
    async with client.stream(codec=codec) as session:
        async for message in await session.subscribe("bench"):
            if not isinstance(message, Event) or message.times is None:
                continue
            age = time.time() - message.times.ingest
            ages.setdefault((message.delivery, codec), []).append(age)


async def _push(client: AsyncNCSClient, seconds: float, rate: float) -> int:
    """Push the plant at a steady rate; return the number of points."""
    plant, sent = Plant(0), 0
    async with client.stream(streams=["bench"]) as session:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            await session.submit(plant.block(_BATCH).points, stream="bench")
            sent += _BATCH
            await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))
    return sent
