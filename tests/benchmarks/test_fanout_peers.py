"""The comparison runs with what is installed anyway, and names what is not."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from readers import NatsReader

from ncs_streamer.bench.light_reader import Chunks, State

pytestmark = [pytest.mark.integration, pytest.mark.performance]

SCRIPT = Path(__file__).with_name("fanout_peers.py")
COMES_WITH_NCS = ("websockets.broadcast", "aiohttp send_bytes")


async def compare(*words: str, **env: str) -> tuple[str, str]:
    """Run the script at a tiny size; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), "--subscribers=4", "--events=20", "--rounds=1"),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env or None,
    )
    async with asyncio.timeout(100):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


async def test_all_get_the_same_load_and_ours_comes_last() -> None:
    only = [f"--only={name}" for name in COMES_WITH_NCS]
    out, _ = await compare("--json", *only)
    rows = json.loads(out)
    assert [*COMES_WITH_NCS] == [row["server"] for row in rows[:2]]
    assert all(row["server"].startswith("ours, ") for row in rows[2:])
    for row in rows:
        assert row["deliveries_per_second"] > 0
        assert row["ours_to_it"] > 0
    assert [384, 384] == [row["bytes_per_delivery"] for row in rows[:2]]
    assert all(row["bytes_per_delivery"] > 200 for row in rows[2:])


async def test_what_is_not_installed_is_named() -> None:
    out, err = await compare("--only=none of them", PATH="/nowhere")
    for name in ("nats-server, 1 in one go", "ws on Node"):
        assert f"not installed: {name}; see make bench-peers" in err
    assert "ours, 10 events a tick" in out


@examples(100)
@given(st.integers(0, 20), st.lists(st.integers(0, 800), max_size=10))
def test_a_message_of_a_nats_server_counts_once_however_it_is_cut(
    count: int, cuts: list[int]
) -> None:
    head = b"MSG bench 1 20\r\n"
    data = (b"\x82\x26" + head + b"x" * 20 + b"\r\n") * count
    reader = NatsReader(Chunks(), head)
    reader.begin("host")
    reader.receive(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    reader.receive(b"\x82\x06PONG\r\n")
    assert reader.state is State.FOLLOWING
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    for begin, end in zip([0, *ends], ends, strict=False):
        reader.receive(data[begin:end])
    assert (count, len(data)) == (reader.messages, reader.size)
