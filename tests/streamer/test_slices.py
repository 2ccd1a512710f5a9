from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ncs_protocol import NcsError
from ncs_streamer.clock import Clock
from ncs_streamer.slices import Slices
from ncs_streamer.threads import FairThreads

pytestmark = pytest.mark.unit


@pytest.fixture
def threads() -> Iterator[FairThreads]:
    made = FairThreads(1, "test")
    yield made
    made.shutdown()


def slices(threads: FairThreads, **more: Any) -> Slices:
    usual: dict[str, Any] = {"cpu_s": 1e9, "until": 1e9, "gone": lambda: False}
    held = Clock(monotonic=lambda: 100.0)
    return Slices(threads.behind("a"), clock=held, **(usual | more))


def counting(done: list[int], whole: Callable[[int], bool], count: int = 10) -> Any:
    for number in range(count):
        done.append(number)
        yield whole(number)


async def test_all_steps_are_done(threads: FairThreads) -> None:
    done: list[int] = []
    assert await slices(threads).do(counting(done, lambda _: True))
    assert done == list(range(10))


async def test_a_call_returns_what_it_comes_to(threads: FairThreads) -> None:
    assert await slices(threads).call(divmod, 7, 2) == (3, 1)


async def test_an_error_reaches_who_asked(threads: FairThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        await slices(threads).call(divmod, 7, 0)


async def test_the_time_of_all_of_it_is_counted(threads: FairThreads) -> None:
    work = slices(threads)
    await work.call(sum, range(1000))
    first = work.spent_s
    await work.call(sum, range(1000))
    assert work.spent_s > first > 0.0


@pytest.mark.parametrize("more", [{"cpu_s": 1e-12}, {"until": 100.0}])
async def test_over_its_budget_it_ends_after_the_next_whole_step(
    threads: FairThreads, more: dict[str, float]
) -> None:
    done: list[int] = []
    assert not await slices(threads, **more).do(counting(done, lambda n: n == 6))
    assert done == list(range(7))


async def test_what_has_no_whole_step_is_done_to_its_end(threads: FairThreads) -> None:
    done: list[int] = []
    work = slices(threads, cpu_s=1e-12)
    assert await work.do(counting(done, lambda _: False))
    assert len(done) == 10
    assert work.is_spent


async def test_others_have_their_turns_in_between(threads: FairThreads) -> None:
    other = threading.Event()

    def waiting() -> Iterator[bool]:
        threads.of("b").submit(other.set)
        while not other.is_set():  # would wait for ever were it one piece
            yield False

    assert await slices(threads).do(waiting())


async def test_it_ends_when_nobody_waits_any_more(threads: FairThreads) -> None:
    done: list[int] = []
    asked = iter([False, False, True])

    def endless() -> Iterator[bool]:
        while True:
            done.append(1)
            yield False

    with pytest.raises(ConnectionError):
        await slices(threads, gone=lambda: next(asked)).do(endless())
    assert done


async def test_who_gets_no_turn_until_it_is_late_is_told(threads: FairThreads) -> None:
    hold = threading.Event()
    threads.of("b").submit(hold.wait, 20)
    done: list[int] = []
    with pytest.raises(NcsError) as caught:
        await slices(threads, until=100.0).do(counting(done, lambda _: False))
    await asyncio.sleep(0)  # in which it is taken out of the queue
    hold.set()
    assert caught.value.code.wire == "overloaded"
    await slices(threads).call(int)
    assert done == []
