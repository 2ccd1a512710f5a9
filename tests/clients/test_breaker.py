"""The breaker, with a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ncs_client import CircuitBreaker, CircuitBreakerOpenException

pytestmark = pytest.mark.unit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fail(
    breaker: CircuitBreaker, times: int = 1, error: Exception | None = None
) -> None:
    for _ in range(times):
        with pytest.raises(OSError if error is None else type(error)), breaker:
            raise error or OSError("down")


def test_it_opens_at_the_threshold_and_lets_nothing_pass(clock: Clock) -> None:
    breaker = CircuitBreaker(failure_threshold=3, recovery_timeout=60, clock=clock)
    fail(breaker, 2)
    assert ("closed", 2) == (breaker.current_state, breaker.failure_count)
    fail(breaker)
    assert ("open", 3) == (breaker.current_state, breaker.failure_count)
    clock.now += 20
    with pytest.raises(CircuitBreakerOpenException) as refused, breaker:
        raise AssertionError("it must not run")
    assert 40.0 == refused.value.retry_after_s


def test_a_success_between_failures_starts_the_count_anew(clock: Clock) -> None:
    breaker = CircuitBreaker(3, 60, clock=clock)
    fail(breaker, 2)
    with breaker:
        pass
    fail(breaker, 2)
    assert "closed" == breaker.current_state


def test_after_the_timeout_exactly_one_is_on_trial(clock: Clock) -> None:
    breaker = CircuitBreaker(1, 60, clock=clock)
    fail(breaker)
    clock.now += 60
    with breaker:
        assert "half_open" == breaker.current_state
        with pytest.raises(CircuitBreakerOpenException), breaker:
            raise AssertionError("there is one on trial")
        assert "half_open" == breaker.current_state
    assert ("closed", 0) == (breaker.current_state, breaker.failure_count)


def test_a_failure_on_trial_opens_it_again_for_as_long(clock: Clock) -> None:
    breaker = CircuitBreaker(5, 60, clock=clock)
    fail(breaker, 5)
    clock.now += 60
    fail(breaker)
    assert "open" == breaker.current_state
    clock.now += 59.9
    with pytest.raises(CircuitBreakerOpenException), breaker:
        pass


def test_what_is_no_failure_passes_and_shows_that_someone_answers(clock: Clock) -> None:
    breaker = CircuitBreaker(1, 60, (OSError, TimeoutError), clock=clock)
    fail(breaker, error=ValueError("bad input"))
    assert ("closed", 0) == (breaker.current_state, breaker.failure_count)
    fail(breaker)
    clock.now += 60
    fail(breaker, error=ValueError("bad input"))
    assert "closed" == breaker.current_state


async def test_a_trial_that_is_cancelled_leaves_the_place_to_the_next(
    clock: Clock,
) -> None:
    breaker = CircuitBreaker(1, 60, clock=clock)
    fail(breaker)
    clock.now += 60
    entered = asyncio.Event()

    async def hang() -> None:
        async with breaker:
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "open" == breaker.current_state
    async with breaker:
        assert "half_open" == breaker.current_state
    assert "closed" == breaker.current_state


async def test_what_began_before_a_change_says_nothing_of_what_is_now(
    clock: Clock,
) -> None:
    breaker = CircuitBreaker(2, 60, clock=clock)
    go = asyncio.Event()

    async def slow(error: Exception | None) -> None:
        async with breaker:
            await go.wait()
            if error is not None:
                raise error

    late = [asyncio.create_task(slow(e)) for e in (None, OSError("late"))]
    await asyncio.sleep(0)
    fail(breaker, 2)
    clock.now += 60
    async with breaker:
        go.set()
        await asyncio.gather(*late, return_exceptions=True)
        assert "half_open" == breaker.current_state
    assert ("closed", 0) == (breaker.current_state, breaker.failure_count)


async def test_it_decorates_functions_of_both_kinds(clock: Clock) -> None:
    @CircuitBreaker(failure_threshold=1, recovery_timeout=30)
    async def ask(answer: int) -> int:
        """Ask."""
        if answer < 0:
            raise OSError
        return answer

    @CircuitBreaker(failure_threshold=1, recovery_timeout=30)
    def look(answer: int) -> int:
        return answer

    assert (7, 7, "Ask.") == (await ask(7), look(7), ask.__doc__)
    with pytest.raises(OSError):
        await ask(-1)
    with pytest.raises(CircuitBreakerOpenException):
        await ask(7)


def test_blocks_may_lie_in_each_other(clock: Clock) -> None:
    breaker = CircuitBreaker(1, 60, clock=clock)
    with breaker:
        with breaker:
            pass
        fail(breaker)
    assert "open" == breaker.current_state


def test_a_threshold_of_none_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CircuitBreaker(0, 1)


class Life(RuleBasedStateMachine):
    """Any order of events: it opens only after enough failures, and for so long."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(3, 60, OSError, clock=self.clock)
        self.inside: list[int] = []
        self.trials = 0

    @rule()
    def come(self) -> None:
        state, last = self.breaker.current_state, self.breaker.last_failure_time
        due = last is not None and self.clock.now - last >= 60
        try:
            self.inside.append(self.breaker.enter())
        except CircuitBreakerOpenException:
            assert "half_open" == state or ("open" == state and not due)
        else:
            assert "closed" == state or ("open" == state and due)

    @precondition(lambda self: self.inside)
    @rule(
        data=st.data(),
        error=st.sampled_from([None, OSError(), ValueError(), KeyboardInterrupt()]),
    )
    def go(self, data: st.DataObject, error: BaseException | None) -> None:
        index = data.draw(st.integers(0, len(self.inside) - 1))
        self.breaker.leave(self.inside.pop(index), error)

    @rule(seconds=st.sampled_from([1.0, 30.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def the_count_tells_the_state(self) -> None:
        breaker = self.breaker
        assert (breaker.failure_count >= 3) == (breaker.current_state != "closed")

    @invariant()
    def somebody_is_on_trial_while_it_is_half_open(self) -> None:
        assert "half_open" != self.breaker.current_state or self.inside


TestLife = Life.TestCase
