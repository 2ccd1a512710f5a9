"""Points of four blobs, pushed to a real server, as the tests of readers need them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from real_server import Socket, token

from ncs_protocol import MSGPACK
from ncs_protocol.messages import Ack, Points
from ncs_streamer.processes import ServerProcess

__all__ = ["CENTRES", "feed", "feeding"]

CENTRES = np.array([[0.0, 0.0], [30.0, 10.0], [8.0, 45.0], [50.0, 70.0]])
_WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])
_BATCH = 100


async def feed(
    server: ServerProcess,
    stream: str,
    *,
    seed: int,
    batches: int | None = None,
    enough: asyncio.Event | None = None,
    centres: Any = CENTRES,
    producer: str | None = None,
    tenant: str = "default",
) -> None:
    """Send points of blobs, each batch after the ack of the last.

    Returns after so many batches, or once `enough` is set; by then the server has all.
    """
    rng = np.random.default_rng(seed)
    centres = np.asarray(centres, float)
    many, dimension = centres.shape
    weights = _WEIGHTS if many == len(_WEIGHTS) else np.full(many, 1 / many)
    async with Socket.to(
        server,
        codec=MSGPACK,
        credential=token(tenant),
        producer=producer or f"feeder-{seed}",
    ) as socket:
        seq = 0
        while seq != batches and not (enough and enough.is_set()):
            seq += 1
            blobs = rng.choice(many, _BATCH, p=weights)
            array = centres[blobs] + rng.normal(0, 0.8, (_BATCH, dimension))
            points = Points(seq=seq, stream=stream, array=array.astype(np.float32))
            await socket.send(points)
            ack = await socket.receive()
            assert isinstance(ack, Ack) and ack.seq == seq


@contextlib.asynccontextmanager
async def feeding(
    server: ServerProcess, stream: str, seed: int = 1, **more: Any
) -> AsyncIterator[None]:
    """Feed while the body runs."""
    enough = asyncio.Event()
    task = asyncio.create_task(feed(server, stream, seed=seed, enough=enough, **more))
    try:
        yield
    finally:
        enough.set()
        await task
