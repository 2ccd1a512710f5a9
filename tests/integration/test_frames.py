"""Many frames of one point each against a real server: joined on the way, and nobody
can tell but by the journal."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from commands import ncs
from real_server import client_of, free_port, journal_of, server_on

from ncs_client import RefusedError
from ncs_streamer.entry import Entry

pytestmark = pytest.mark.integration

FRAMES = 3000
KEEP_JOURNAL = ("--snapshot-points", "100000000")
POINTS = np.random.default_rng(4).normal(size=(FRAMES, 3)).astype("f4")


def assert_each_once(entries: list[Entry]) -> None:
    """Every frame is in the journal once, in order, with its point."""
    seqs = [seq for e in entries for seq in range(e.from_seq, e.seq + 1)]
    assert [*range(1, FRAMES + 1)] == seqs
    np.testing.assert_array_equal(np.concatenate([e.block for e in entries]), POINTS)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_frames_of_one_point_share_entries_of_the_journal(
    tmp_path: Path, codec: str
) -> None:
    async with (
        server_on(tmp_path, *KEEP_JOURNAL) as server,
        client_of(server) as client,
    ):
        async with client.stream(codec=codec, streams=["s"]) as session:
            rows = POINTS if codec == "msgpack" else POINTS.tolist()
            sent = [await session.submit(rows[i : i + 1], stream="s")
                    for i in range(FRAMES)]  # fmt: skip
            acks = [await future for future in sent]
        assert all(ack.seq >= seq for seq, ack in enumerate(acks, 1))
        assert FRAMES == (await client.get_algorithm_status("s")).total_points_processed
        await server.kill()
    entries = await journal_of(tmp_path)
    assert_each_once(entries)
    assert len(entries) < FRAMES / 4
    joined = next(e for e in entries if e.frames > 1)
    where = ("--data-dir", str(tmp_path), "--tenant", "acme", "--stream", "s")
    code, dumped, _ = await ncs("journal", "dump", *where)
    assert 0 == code and f" {joined.from_seq}-{joined.seq} " in dumped
    code, told, _ = await ncs("replay", *where)
    assert 0 == code and f"{FRAMES:,}" in told
    async with server_on(tmp_path) as server, client_of(server) as client:
        assert FRAMES == (await client.get_algorithm_status("s")).total_points_processed


async def test_a_bad_frame_among_many_is_refused_alone(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with client.stream(streams=["s"]) as session:
            points = POINTS[:300].copy()
            points[100] = np.nan
            sent = [await session.submit(p[None], stream="s") for p in points]
            outcomes = await asyncio.gather(*sent, return_exceptions=True)
    refused = [n for n, one in enumerate(outcomes) if isinstance(one, RefusedError)]
    assert [100] == refused
    assert "not_finite" == outcomes[100].code  # type: ignore[union-attr]


async def test_a_server_killed_under_a_burst_has_each_frame_once(
    tmp_path: Path,
) -> None:
    server = server_on(tmp_path, *KEEP_JOURNAL, port=free_port())
    async with server, client_of(server) as client:
        async with client.stream(streams=["s"]) as session:
            sent = []
            for number, point in enumerate(POINTS):
                sent.append(await session.submit(point[None], stream="s"))
                if number % 1100 == 1099:
                    await sent[-400]  # in the midst of the others
                    await server.kill()
                    await server.start()
            await asyncio.gather(*sent)
        await server.kill()
    assert_each_once(await journal_of(tmp_path))
