import threading
import time
from collections.abc import Iterator

import pytest

from ncs_streamer.threads import FairThreads

pytestmark = pytest.mark.unit


@pytest.fixture
def threads() -> Iterator[FairThreads]:
    made = FairThreads(1, "test")
    yield made
    made.shutdown()


def test_work_is_done_and_answered(threads: FairThreads) -> None:
    assert threads.of("a").submit(divmod, 7, 2).result(5) == (3, 1)


def test_an_error_reaches_who_asked_and_the_threads_go_on(threads: FairThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.of("a").submit(divmod, 7, 0).result(5)
    assert threads.of("a").submit(divmod, 7, 2).result(5) == (3, 1)


def test_within_a_tenant_it_is_first_come_first_served(threads: FairThreads) -> None:
    order: list[int] = []
    mine = threads.of("a")
    for future in [mine.submit(order.append, i) for i in range(50)]:
        future.result(5)
    assert order == list(range(50))


def test_who_comes_late_waits_only_for_what_runs(threads: FairThreads) -> None:
    order: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    def first() -> None:
        began.set()
        go_on.wait(5)

    flood, quiet = threads.of("flood"), threads.of("quiet")
    flood.submit(first)
    began.wait(5)
    last = [flood.submit(order.append, "flood") for _ in range(100)][-1]
    quiet.submit(order.append, "quiet")
    go_on.set()
    last.result(5)
    assert order.index("quiet") == 0


def test_tenants_get_the_same_time_and_not_the_same_number() -> None:
    done: list[str] = []
    now = [0.0]
    threads = FairThreads(1, "test", lambda: now[0])

    def work(name: str, seconds: float) -> None:
        now[0] += seconds
        done.append(name)

    hold = threading.Event()
    threads.of("heavy").submit(hold.wait, 5)
    heavy = [threads.of("heavy").submit(work, "heavy", 8.0) for _ in range(20)]
    light = [threads.of("light").submit(work, "light", 1.0) for _ in range(64)]
    hold.set()
    for future in (*heavy, *light):
        future.result(10)
    threads.shutdown()
    while_both = done[: len(done) - done[::-1].index("light")]
    assert 7 <= while_both.count("heavy") <= 9


def test_at_the_end_what_waits_is_cancelled() -> None:
    threads = FairThreads(1, "test")
    began, go_on = threading.Event(), threading.Event()
    running = threads.of("a").submit(lambda: (began.set(), go_on.wait(5)))
    began.wait(5)
    waiting = threads.of("a").submit(int)
    closing = threading.Thread(target=threads.shutdown)
    closing.start()
    while not waiting.cancelled():
        time.sleep(0.001)
    go_on.set()
    closing.join(5)
    assert running.done()
    with pytest.raises(RuntimeError, match="shutdown"):
        threads.of("a").submit(int)


def test_the_background_waits_until_nothing_else_does(threads: FairThreads) -> None:
    order: list[str] = []
    hold = threading.Event()
    threads.of("a").submit(hold.wait, 5)
    behind = [threads.behind("b").submit(order.append, "behind") for _ in range(5)]
    urgent = [threads.of("a").submit(order.append, "urgent") for _ in range(5)]
    hold.set()
    for future in (*behind, *urgent):
        future.result(5)
    assert order == ["urgent"] * 5 + ["behind"] * 5


def test_the_background_leaves_half_of_the_threads_free() -> None:
    threads = FairThreads(4, "test")
    began, go_on = threading.Semaphore(0), threading.Event()

    def work() -> None:
        began.release()
        go_on.wait(5)

    behind = [threads.behind(name).submit(work) for name in "abcd"]
    for _ in range(2):
        assert began.acquire(timeout=5)
    assert [threads.of("a").submit(divmod, 7, 2).result(5) for _ in range(3)]
    assert not began.acquire(blocking=False)
    go_on.set()
    for future in behind:
        future.result(5)
    threads.shutdown()


def test_the_background_is_shared_by_tenants_too(threads: FairThreads) -> None:
    order: list[str] = []
    hold = threading.Event()
    threads.of("a").submit(hold.wait, 5)
    flood = [threads.behind("flood").submit(order.append, "flood") for _ in range(50)]
    quiet = threads.behind("quiet").submit(order.append, "quiet")
    hold.set()
    for future in (*flood, quiet):
        future.result(5)
    assert order.index("quiet") <= 1
