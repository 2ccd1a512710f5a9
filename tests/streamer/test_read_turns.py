import asyncio

import pytest

from ncs_streamer.backlog import Backlog
from ncs_streamer.read_turns import ReadTurns

pytestmark = pytest.mark.unit

LONG_S = 0.0025  # two slices and a half


def turns_of(backlog: Backlog, tenant: str) -> ReadTurns:
    return backlog.of(tenant).reading


async def read(turns: ReadTurns, order: list[str], name: str, frames: int) -> None:
    for _ in range(frames):
        await turns.begin()
        order.append(name)
        turns.end(LONG_S)


async def test_who_is_alone_reads_all_it_has() -> None:
    order: list[str] = []
    await read(turns_of(Backlog(1e9, 1e9), "a"), order, "a", 10)
    assert ["a"] * 10 == order


async def test_the_connections_of_a_tenant_share_its_turns() -> None:
    backlog, order = Backlog(1e9, 1e9), list[str]()
    a = [read(turns_of(backlog, "a"), order, "a", 4) for _ in range(8)]
    await asyncio.gather(*a, read(turns_of(backlog, "b"), order, "b", 4))
    assert order.index("b") <= 1
    assert order.count("a") == 32
    assert len([name for name in order[: order.index("b") + 8] if name == "b"]) >= 3


async def test_no_frame_is_decoded_for_a_tenant_that_gives_way() -> None:
    backlog, order = Backlog(1e9, 1e9), list[str]()
    backlog.of("flood").take(1_000_000, 1)
    taken = backlog.of("quiet").take(100, 1)
    flood = asyncio.create_task(read(turns_of(backlog, "flood"), order, "flood", 3))
    await asyncio.sleep(0)
    await read(turns_of(backlog, "quiet"), order, "quiet", 3)
    assert ["quiet"] * 3 == order
    backlog.of("quiet").give_back(taken, 1, 0.0)
    await flood
    assert ["quiet"] * 3 + ["flood"] * 3 == order


async def test_a_connection_that_is_gone_keeps_nobody_waiting() -> None:
    backlog, order = Backlog(1e9, 1e9), list[str]()
    turns = turns_of(backlog, "a")
    await turns.begin()
    turns.end(LONG_S)
    gone = asyncio.create_task(read(turns, order, "gone", 1))
    other = asyncio.create_task(read(turns, order, "other", 1))
    await asyncio.sleep(0)
    gone.cancel()
    await other
    assert ["other"] == order
