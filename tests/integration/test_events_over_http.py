"""Server-sent events of a real server that is killed, and as the README shows them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from event_source import EventSource
from real_server import client_of, free_port, server_on, token, wait_until

from ncs_protocol.messages import Subscribed
from ncs_streamer.processes import ServerProcess

pytestmark = pytest.mark.integration

README = Path(__file__).parents[2] / "README.md"
KILLS = 4


class Reader:
    """Follows a stream for as long as it takes, as a browser would.

    Attributes:
        offsets: of all lossless events, as they came.
        begins: whether each connection could go on from the one before.
    """

    def __init__(self, url: str, **query: str) -> None:
        self.offsets: list[int] = []
        self.begins: list[bool] = []
        self._url = url
        self._query = query

    async def run(self) -> None:
        """Read, and come back whenever the line breaks; ends when cancelled."""
        last_id = None
        while True:
            source = EventSource(self._url, token(), last_id, self._query)
            with contextlib.suppress(aiohttp.ClientError, StopAsyncIteration, OSError):
                async with source:
                    if source.response.status == 200:
                        await self._read(source)
            last_id = source.last_id
            await asyncio.sleep(0.02)

    async def _read(self, source: EventSource) -> None:
        while True:
            message = await source.receive(within_s=100.0)
            if isinstance(message, Subscribed):
                self.begins.append(message.recovered)
            elif getattr(message, "delivery", None) == "lossless":
                self.offsets.append(message.last)


async def crowd(server: ServerProcess, first: int, count: int) -> None:
    """Push so many groups of points, each in a place of its own."""
    chance = np.random.default_rng(first)
    async with client_of(server) as client, client.stream() as session:
        for number in range(first, first + count):
            place = 100.0 * np.array([number % 7, number // 7, 0.0])
            await session.send(place + chance.normal(size=(40, 3)))


async def test_through_kills_every_lossless_event_comes_exactly_once(
    tmp_path: Path,
) -> None:
    port = free_port()
    server = server_on(tmp_path, port=port)
    await server.start()
    readers = [
        Reader(f"http://127.0.0.1:{port}"),
        Reader(f"http://127.0.0.1:{port}", events="cluster_update", max_hz="2"),
    ]
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    try:
        await wait_until(lambda: all(reader.begins for reader in readers))
        for kill in range(KILLS):
            await crowd(server, 5 * kill, 5)
            begins = [len(reader.begins) for reader in readers]
            await server.kill()
            server = server_on(tmp_path, port=port)
            await server.start()
            await wait_until(
                lambda: all(
                    len(reader.begins) > before
                    for reader, before in zip(readers, begins, strict=True)  # noqa: B023
                )
            )
        await crowd(server, 5 * KILLS, 5)
        async with EventSource(server.url, token()) as source:
            last = (await source.receive()).offsets["lossless"]
        await wait_until(
            lambda: all(r.offsets and r.offsets[-1] == last for r in readers)
        )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop()
    assert last > KILLS
    for reader in readers:
        assert [*range(1, last + 1)] == reader.offsets
        first, *others = reader.begins  # more often than killed, if a line breaks too
        assert not first and all(others) and len(others) >= KILLS


async def test_the_command_that_the_readme_shows_prints_events(tmp_path: Path) -> None:
    (command,) = re.findall(
        r"^ {4}(curl -N .*/api/v1/events.*)$", README.read_text(), re.MULTILINE
    )
    async with server_on(tmp_path) as server:
        command = command.replace("http://127.0.0.1:8000", server.url)
        process = await asyncio.create_subprocess_shell(
            f"exec {command}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"NCS_API_KEY": await _key(server), "PATH": "/usr/bin:/bin"},
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert b"retry: 1000\n" == await process.stdout.readline()
            await process.stdout.readuntil(b'"type":"subscribed"')
            async with client_of(server) as client, client.stream() as session:
                await session.send(np.eye(3), stream="plant")
            await process.stdout.readuntil(b'"change":"created"')
        process.terminate()
        await process.wait()


async def _key(server: ServerProcess) -> str:
    async with client_of(server) as client:
        return (await client.create_key("curl")).api_key
