"""Readers that are cut off at any moment, of a server that is killed meanwhile.

A reader in the history's window gets every lossless event exactly once; one that comes
back too late is told so and given the model anew. In the end all have the same copy.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
from pathlib import Path

import numpy as np
import pytest
from real_server import client_of, server_on, token

from ncs_client import AsyncNCSClient
from ncs_streamer.processes import ServerProcess
from ncs_streamer.verify.drive import STREAM, Reader
from ncs_streamer.verify.judge import Model
from ncs_streamer.verify.ledger import ReaderLedger, Told
from ncs_streamer.verify.proxy import Proxy

pytestmark = pytest.mark.chaos

SECONDS = float(os.environ.get("CHAOS_SECONDS", "6"))
READERS = 6
KEPT = 40
"""Lossless events in the history: what comes in a few tenths of a second."""
FLAGS = (f"--history-events={KEPT}", "--event-tick-ms=5", "--snapshot-points=2000")
KILLS = 2
LONGEST_OUTAGE_S = 1.5
SETTLED_S = 60.0


async def keep_changing(url: str, stop: asyncio.Event) -> int:
    """Push points at ever new places, so that clusters come and go; return how many."""
    rng, sent = np.random.default_rng(0), 0
    async with AsyncNCSClient(url, token()) as client:
        async with client.stream(producer="p", streams=[STREAM]) as session:
            while not stop.is_set():
                place = rng.uniform(-500, 500, 3)
                block = (place + rng.normal(size=(60, 3))).astype(np.float32)
                await session.submit(block, stream=STREAM)
                sent += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.01)
    return sent


async def cut_again_and_again(
    line: Proxy, draw: random.Random, stop: asyncio.Event
) -> None:
    """Cut a line now and then, after which nothing passes for a while."""
    while not stop.is_set():
        await rest(draw.uniform(0.0, 0.6), stop)
        line.swallow()
        line.cut()
        if draw.random() < 0.4:
            await rest(draw.uniform(0.0, LONGEST_OUTAGE_S), stop)
        line.heal()


async def kill_now_and_then(
    server: ServerProcess, draw: random.Random, stop: asyncio.Event
) -> int:
    """Kill the server and start it again; return how often."""
    kills = 0
    while kills < KILLS or not stop.is_set():
        await rest(draw.uniform(0.5, 2 * SECONDS / (KILLS + 1)), stop)
        await server.kill()
        await server.start()
        kills += 1
    return kills


async def rest(seconds: float, stop: asyncio.Event) -> None:
    """Wait, but not beyond the end."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def end_of(seconds: float, stop: asyncio.Event) -> None:
    """Set the event after so many seconds."""
    await asyncio.sleep(seconds)
    stop.set()


@pytest.mark.timeout(330 + 2 * SECONDS)
async def test_readers_get_each_lossless_event_once_or_are_told(tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    draw, stop = random.Random(seed), asyncio.Event()
    told: Told = {}
    ledgers = [ReaderLedger(f"r{i}", told) for i in range(READERS)]
    async with server_on(tmp_path, *FLAGS) as server, contextlib.AsyncExitStack() as on:
        lines = [
            await on.enter_async_context(Proxy(lambda: server.url, draw))
            for _ in range(READERS + 1)
        ]
        readers = [
            Reader(
                line.url.replace("http", "ws") + "/ws",
                token(),
                ledger,
                ("json", "msgpack")[number % 2],
            )
            for number, (ledger, line) in enumerate(zip(ledgers, lines, strict=False))
        ]
        following = [asyncio.create_task(reader.run()) for reader in readers]
        try:
            sent, kills, *_ = await asyncio.gather(
                keep_changing(lines[-1].url, stop),
                kill_now_and_then(server, draw, stop),
                end_of(SECONDS, stop),
                *(cut_again_and_again(line, draw, stop) for line in lines[:READERS]),
            )
            copy = await model_of(server)
            same = await asyncio.gather(
                *(reader.comes_to(copy, SETTLED_S) for reader in readers)
            )
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
    assert all(same), f"seed {seed}: not every copy is the model"
    assert [] == [v for ledger in ledgers for v in ledger.violations], f"seed {seed}"
    assert kills >= KILLS and sent > 50
    assert len(told) > KEPT, "too few lossless events for a window"
    assert sum(ledger.recoveries for ledger in ledgers) > 0, f"seed {seed}"
    assert sum(ledger.gaps_told for ledger in ledgers) > 0, f"seed {seed}"


async def model_of(server: ServerProcess) -> Model:
    """Return every field of every cluster, as `Reader.copy` has them."""
    async with client_of(server) as client:
        clusters = await client.get_clusters(STREAM)
    return Model.of("server", 0, clusters)
