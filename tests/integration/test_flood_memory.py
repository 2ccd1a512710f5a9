"""What a server keeps of what it has not worked off is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import pytest
from real_server import Socket, client_of, server_on, token

from ncs_protocol import MSGPACK
from ncs_protocol.messages import Ack, Error, Points, SlowDown
from ncs_streamer.processes import ServerProcess

pytestmark = pytest.mark.integration

BACKLOG_MB = 8
SOCKETS = 4
FRAMES = 110
"""At each socket; with them comes twenty times as much as may wait."""
SHAPE = (2500, 40)  # 400 KB
MOST_GROWN_MB = 35
"""The backlog, and frames that are being read and decoded: a fifth of what is sent.
With a hundred times the backlog it takes more."""


async def test_a_flood_is_not_kept_in_memory(tmp_path: Path) -> None:
    flags = (
        *("--metrics-port", "0"),
        "--max-backlog-mb",
        f"{BACKLOG_MB}",
        "--tenant-backlog-mb",
        f"{BACKLOG_MB}",
    )
    async with server_on(tmp_path, *flags) as server, client_of(server) as client:
        async with contextlib.AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(
                    Socket.to(
                        server, codec=MSGPACK, credential=token(), producer=f"p{i}"
                    )
                )
                for i in range(SOCKETS)
            ]
            await client.process_points([[0.0] * SHAPE[1]] * 2)  # what is made once
            memory = [memory_of(server)]
            async with watched(server, memory), asyncio.TaskGroup() as group:
                floods = [group.create_task(flood(s, FRAMES)) for s in sockets]
        status = await client.get_algorithm_status("default")
        counted = await slow_downs(server)
    told = [flood.result() for flood in floods]
    assert all(one.held_up for one in told)
    assert sum(one.slow_downs for one in told) == counted
    assert status.total_points_processed == 2 + sum(one.accepted for one in told)
    sent_mb = SOCKETS * FRAMES * SHAPE[0] * SHAPE[1] * 4 / 2**20
    assert sent_mb > 4 * MOST_GROWN_MB
    assert max(memory) - memory[0] < MOST_GROWN_MB * 2**20


def memory_of(server: ServerProcess) -> int:
    memory: int = psutil.Process(server.process.pid).memory_info().rss
    return memory


async def slow_downs(server: ServerProcess) -> float:
    """Return how many the server has counted, whatever the reason."""
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        text = await response.text()
    found = re.findall(r"^ncs_slow_downs_total{.*} (\S+)$", text, re.MULTILINE)
    assert len(found) == 3
    return sum(map(float, found))


@contextlib.asynccontextmanager
async def watched(server: ServerProcess, memory: list[int]) -> AsyncIterator[None]:
    """Note again and again how much memory a server takes."""

    async def note() -> None:
        while True:
            memory.append(memory_of(server))
            await asyncio.sleep(0.02)

    noting = asyncio.create_task(note())
    try:
        yield
    finally:
        noting.cancel()
        await asyncio.gather(noting, return_exceptions=True)


@dataclasses.dataclass
class Told:
    """What a flood was answered."""

    accepted: int = 0
    held_up: int = 0
    slow_downs: int = 0


async def flood(socket: Socket, frames: int) -> Told:
    """Send frames without heed of credit; return once each is answered."""
    points = np.random.default_rng(1).normal(size=SHAPE).astype("f4")

    async def send() -> None:
        for seq in range(1, frames + 1):
            await socket.send(Points(seq=seq, stream="default", array=points))

    sending = asyncio.create_task(send())
    told, answered = Told(), 0
    while answered < frames:
        message = await socket.receive()
        match message:
            case Ack():
                told.accepted += message.accepted
            case SlowDown():
                told.held_up += 1
                told.slow_downs += 1
            case Error(code="overloaded" | "seq_gap"):
                told.held_up += 1
            case _:
                raise AssertionError(message)
        answered = max(answered, getattr(message, "seq", None) or 0)
    await sending
    return told
