"""Rolls of several nodes over a channel: what is told, and who is missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from real_server import wait_until

from ncs_streamer.clock import Clock
from ncs_streamer.cluster import roll_call as module
from ncs_streamer.cluster.roll_call import RollCall
from ncs_streamer.presence import FlappingLimit, Roll
from ncs_streamer.store import MemoryStore, StreamKey

pytestmark = pytest.mark.unit

PLANT = StreamKey("acme", "plant")


class Hall:
    """Nodes on one store in memory, whose clock the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._store = MemoryStore(lease_s=1.0)
        self._clock = Clock(lambda: self.now, lambda: self.now)

    @contextlib.asynccontextmanager
    async def node(self, name: str) -> AsyncIterator[Roll]:
        roll = Roll(FlappingLimit(3, 60.0))
        channel = self._store.beside().channel
        call = RollCall(name, channel, roll, self._clock)
        await call.listen()
        task = asyncio.create_task(call.run())
        try:
            yield roll
        finally:
            await channel.unsubscribe(module.ROLL_CALL)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def connected(self, roll: Roll) -> int:
        return roll.presence(PLANT, 0, self.now).producers


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    monkeypatch.setattr(module, "_INTERVAL_S", 0.001)
    return Hall()


async def test_who_joins_late_hears_of_all_however_many_they_are(hall: Hall) -> None:
    async with hall.node("a") as a:
        for number in range(1201):
            a.connected("acme", f"p{number}", ["plant"], None, hall.now)
        async with hall.node("b") as b:
            await wait_until(lambda: hall.connected(b) == 1201)
            a.disconnected("acme", "p7", hall.now)
            await wait_until(lambda: hall.connected(b) == 1200)


async def test_a_node_that_was_started_anew_has_none_of_those_it_had(
    hall: Hall,
) -> None:
    async with hall.node("a") as a:
        async with hall.node("b") as b:
            for name in ("stays", "goes"):
                b.connected("acme", name, ["plant"], None, hall.now)
            await wait_until(lambda: hall.connected(a) == 2)
        async with hall.node("b") as b:
            b.connected("acme", "stays", ["plant"], None, hall.now)
            await wait_until(lambda: hall.connected(a) == 1)


async def test_who_is_not_heard_any_more_has_no_producers(hall: Hall) -> None:
    async with hall.node("a") as a:
        async with hall.node("b") as b:
            b.connected("acme", "p", ["plant"], None, hall.now)
            await wait_until(lambda: hall.connected(a) == 1)
        await asyncio.sleep(0.05)
        assert 1 == hall.connected(a)
        hall.now += 15.1
        await wait_until(lambda: hall.connected(a) == 0)
