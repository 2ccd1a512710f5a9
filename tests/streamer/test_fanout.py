from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ncs_streamer.fanout import Fanout
from ncs_streamer.store import StreamKey

pytestmark = pytest.mark.unit


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeHub:
    key = StreamKey("acme", "s")

    def __init__(self, watch: Watch, takes_s: float = 0.0) -> None:
        self.watch = watch
        self.takes_s = takes_s
        self.due: float | None = None
        self.flushes: list[float] = []
        self.flushed = asyncio.Event()

    def flush(self, now: float) -> float | None:
        self.flushes.append(now)
        self.flushed.set()
        self.watch.now += self.takes_s
        return self.due


class FakeOutgoing:
    def __init__(self, fanout: Fanout, ticks: int) -> None:
        self.fanout = fanout
        self.left = ticks
        self.done = asyncio.Event()

    def attend(self, now: float) -> None:
        self.left -= 1
        if self.left:
            self.fanout.wait(self)  # type: ignore[arg-type]
        else:
            self.done.set()


async def a_pass() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_what_is_published_in_one_pass_is_told_together_at_its_end() -> None:
    watch = Watch()
    fanout, hub = Fanout(0.001, watch), FakeHub(watch)
    for _ in range(3):
        fanout.wake(hub)  # type: ignore[arg-type]
    assert hub.flushes == []
    await a_pass()
    assert hub.flushes == [0.0]


async def test_a_long_flush_is_followed_by_as_long_a_rest() -> None:
    watch = Watch()
    fanout, hub = Fanout(0.001, watch), FakeHub(watch, takes_s=0.01)
    fanout.wake(hub)  # type: ignore[arg-type]
    await a_pass()
    hub.flushed.clear()
    fanout.wake(hub)  # type: ignore[arg-type]
    await a_pass()
    assert len(hub.flushes) == 1
    await asyncio.wait_for(hub.flushed.wait(), 5.0)
    assert len(hub.flushes) == 2


async def test_what_is_held_back_is_looked_at_again_until_it_is_told() -> None:
    watch = Watch()
    fanout, hub = Fanout(0.001, watch), FakeHub(watch)
    hub.due = 5.0
    fanout.wake(hub)  # type: ignore[arg-type]
    await a_pass()
    hub.due = None
    hub.flushed.clear()
    await asyncio.wait_for(hub.flushed.wait(), 5.0)
    assert len(hub.flushes) == 2
    assert fanout._timer is None


async def test_who_waits_is_attended_to_once_a_tick_until_nothing_waits() -> None:
    fanout = Fanout(0.001, Watch())
    outgoing = FakeOutgoing(fanout, ticks=3)
    fanout.wait(outgoing)  # type: ignore[arg-type]
    assert fanout.waiting == 1
    await asyncio.wait_for(outgoing.done.wait(), 5.0)
    assert fanout.waiting == 0


async def test_who_is_gone_is_not_attended_to() -> None:
    fanout, other = Fanout(0.001, Watch()), Fanout(0.001, Watch())
    gone, there = FakeOutgoing(other, 1), FakeOutgoing(fanout, 1)
    fanout.wait(gone)  # type: ignore[arg-type]
    fanout.wait(there)  # type: ignore[arg-type]
    fanout.forget(gone)  # type: ignore[arg-type]
    await asyncio.wait_for(there.done.wait(), 5.0)
    assert gone.left == 1


async def test_the_trouble_of_one_does_not_stop_the_others() -> None:
    watch = Watch()
    fanout = Fanout(0.001, watch)

    def fail(now: float) -> Any:
        raise RuntimeError("broken")

    bad, good = FakeHub(watch), FakeHub(watch)
    bad.flush = fail  # type: ignore[method-assign]
    for hub in (bad, good):
        fanout.wake(hub)  # type: ignore[arg-type]
    broken, fine = FakeOutgoing(fanout, 1), FakeOutgoing(fanout, 1)
    broken.attend = fail  # type: ignore[method-assign]
    for outgoing in (broken, fine):
        fanout.wait(outgoing)  # type: ignore[arg-type]
    await asyncio.wait_for(fine.done.wait(), 5.0)
    assert good.flushes
