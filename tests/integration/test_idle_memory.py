"""What it costs that somebody listens."""

from __future__ import annotations

import asyncio

import pytest

from ncs_streamer.bench.stage import stage
from ncs_streamer.door import raise_open_files

pytestmark = pytest.mark.integration

READERS = 500


async def test_an_idle_reader_takes_less_than_16_kb_of_the_server() -> None:
    raise_open_files()
    async with stage("--store=memory") as on:
        await on.fill(50)  # what is made once is made
        before = on.server.memory_info().rss
        await on.rest.open(READERS)
        await asyncio.sleep(0)
        grown = on.server.memory_info().rss - before
    assert grown / READERS <= 16 * 1024
