import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ncs_streamer.backlog import Backlog, Quota
from ncs_streamer.clock import Clock
from ncs_streamer.turns import Operation, Turns

pytestmark = pytest.mark.unit


class Model:
    """Notices when two threads use it at once."""

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self.done: list[int] = []

    def use(self, number: int) -> int:
        assert self.busy.acquire(blocking=False), "two turns at once"
        time.sleep(0.001)  # long enough for another thread to be seen
        self.done.append(number)
        self.busy.release()
        return number


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def quota() -> Quota:
    return Backlog(1e9, 1e9).of("acme")


def turns(model: Model, threads: ThreadPoolExecutor, log: list[float]) -> Turns[Model]:
    return Turns(model, threads, Clock(), quota().standing, log.append)


async def idle(turns: Turns[Model]) -> None:
    last: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    turns.add(Operation(lambda model: None, last.set_result))
    await last


async def test_operations_run_and_deliver_in_order(threads: ThreadPoolExecutor) -> None:
    model, delivered = Model(), list[int]()
    queue = turns(model, threads, [])
    for number in range(100):
        queue.add(Operation(lambda m, n=number: m.use(n), delivered.append))
    await idle(queue)
    assert list(range(100)) == model.done == delivered


def ticking() -> Clock:
    """Return a clock by which a millisecond passes at every look."""
    looks = itertools.count()
    return Clock(monotonic=lambda: next(looks) / 1000)


async def test_a_turn_ends_when_its_time_is_up_and_nothing_is_lost(
    threads: ThreadPoolExecutor,
) -> None:
    model, delivered, log = Model(), list[int](), list[float]()
    queue = Turns(model, threads, ticking(), quota().standing, log.append)
    for number in range(20):
        queue.add(Operation(lambda m, n=number: m.use(n), delivered.append))
    await idle(queue)
    assert list(range(20)) == model.done == delivered
    assert 5 <= len(log) <= 11


async def test_what_a_delivery_or_a_turn_adds_never_runs_beside_a_turn(
    threads: ThreadPoolExecutor,
) -> None:
    model = Model()
    left = [60]

    def more(*_: object) -> None:
        if left[0] > 0:
            left[0] -= 2
            for _ in range(2):
                queue.add(Operation(lambda m: m.use(0), more))

    queue = Turns(model, threads, Clock(), quota().standing, more)
    more()
    while left[0] > 0:
        await asyncio.sleep(0)
    await idle(queue)
    assert 60 == len(model.done)


async def test_an_exception_is_delivered_as_what_came_of_it(
    threads: ThreadPoolExecutor,
) -> None:
    results: list[object] = []
    queue = turns(Model(), threads, [])
    queue.add(Operation(lambda model: 1 / 0, results.append))
    await idle(queue)
    assert [ZeroDivisionError] == [type(result) for result in results]


async def test_a_delivery_that_fails_does_not_stop_the_model(
    threads: ThreadPoolExecutor,
) -> None:
    model = Model()
    queue = turns(model, threads, [])
    queue.add(Operation(lambda m: m.use(1), lambda _: 1 / 0))
    queue.add(Operation(lambda m: m.use(2), lambda _: None))
    await idle(queue)
    assert [1, 2] == model.done


async def test_many_small_operations_let_another_model_in_between() -> None:
    order: list[str] = []
    with ThreadPoolExecutor(1) as one:
        flooded, calm = (
            Turns(Model(), one, Clock(), quota().standing, lambda _: None) for _ in "12"
        )
        for _ in range(1000):
            flooded.add(Operation(lambda m: None, lambda _: order.append("flood")))
        calm.add(Operation(lambda m: None, lambda _: order.append("calm")))
        await idle(flooded)
    assert order.index("calm") < 600


async def test_a_tenant_that_gives_way_has_no_turn_meanwhile(
    threads: ThreadPoolExecutor,
) -> None:
    backlog, order = Backlog(1e9, 1e9), list[str]()
    backlog.of("flood").take(1_000_000, 1)
    taken = backlog.of("quiet").take(100, 1)
    flood, quiet = (
        Turns(Model(), threads, Clock(), backlog.of(name).standing, lambda _: None)
        for name in ("flood", "quiet")
    )
    flood.add(Operation(lambda m: m.use(1), lambda _: order.append("flood")))
    for _ in range(3):
        quiet.add(Operation(lambda m: m.use(1), lambda _: order.append("quiet")))
        await idle(quiet)
    backlog.of("quiet").give_back(taken, 1, 0.0)
    await idle(flood)
    assert ["quiet", "quiet", "quiet", "flood"] == order


async def test_a_turn_ends_early_when_its_tenant_has_to_give_way(
    threads: ThreadPoolExecutor,
) -> None:
    backlog, log = Backlog(1e9, 1e9), list[float]()
    backlog.of("flood").take(1_000_000, 1)
    standing = backlog.of("flood").standing
    # By its clock no time passes: it could do all of them in one turn.
    still = Clock(monotonic=lambda: 0.0)
    queue = Turns(Model(), threads, still, standing, log.append)
    done, begun = list[int](), threading.Event()

    def first(model: Model) -> int:
        begun.wait()
        return model.use(0)

    queue.add(Operation(lambda m: m.use(0), done.append))  # for the others to gather
    queue.add(Operation(first, done.append))
    for number in range(1, 5):
        queue.add(Operation(lambda m, n=number: m.use(n), done.append))
    while not done:
        await asyncio.sleep(0)
    taken = backlog.of("quiet").take(100, 1)
    begun.set()
    while len(done) < 2:
        await asyncio.sleep(0)
    assert [0, 0] == done
    backlog.of("quiet").give_back(taken, 1, 0.0)
    await idle(queue)
    assert [0, 0, 1, 2, 3, 4] == done
