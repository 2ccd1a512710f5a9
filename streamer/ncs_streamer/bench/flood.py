"""A tenant that sends as fast as it is let, from a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from typing import Any

import numpy as np

from ncs_client import AsyncNCSClient, StreamSession

__all__ = ["FLOODS", "flooding"]

FLOODS = {
    "json, 1 point": ("json", 1),
    "json, 1,000 points": ("json", 1000),
    "packed, 1,000 points": ("msgpack", 1000),
}
"""Name -> (codec, points per frame)."""
_CONNECTIONS = 16
_STREAMS = 4
_DIMENSION = 10


@contextlib.contextmanager
def flooding(url: str, token: str, name: str) -> Iterator[Any]:
    """Flood the server meanwhile; gives a counter, `value`, of points acknowledged."""
    context = multiprocessing.get_context("spawn")
    acknowledged: Any = context.Value("q", 0)
    arguments = (url, token, *FLOODS[name], acknowledged)
    flood = context.Process(target=_flood, args=arguments, daemon=True)
    flood.start()
    try:
        yield acknowledged
    finally:
        flood.kill()
        flood.join()


def _flood(url: str, token: str, codec: str, points: int, acknowledged: Any) -> None:
    asyncio.run(_send_for_ever(url, token, codec, points, acknowledged))


async def _send_for_ever(
    url: str, token: str, codec: str, points: int, acknowledged: Any
) -> None:
    block = np.random.default_rng(0).normal(size=(points, _DIMENSION)).round(3)
    payload: Any = block.astype(np.float32) if codec == "msgpack" else block.tolist()

    def count(_: object) -> None:
        acknowledged.value += points

    async def send(session: StreamSession, stream: str) -> None:
        while True:
            future = await session.submit(payload, stream=stream)
            future.add_done_callback(count)
            await asyncio.sleep(0)

    async with AsyncNCSClient(url, api_key=token) as client:
        sessions = [client.stream(codec=codec) for _ in range(_CONNECTIONS)]
        await asyncio.gather(*(session.open() for session in sessions))
        streams = [f"f{i % _STREAMS}" for i in range(_CONNECTIONS)]
        sending = map(send, sessions, streams)
        await asyncio.gather(*sending)
