from __future__ import annotations

import pytest

from ncs_streamer.store.redis.breaker import Breaker

pytestmark = pytest.mark.unit


@pytest.fixture
def drawn() -> list[float]:
    return []


@pytest.fixture
def breaker(drawn: list[float]) -> Breaker:
    """A breaker that always draws the longest time."""

    def draw(most: float) -> float:
        drawn.append(most)
        return most

    return Breaker(draw)


def fail(breaker: Breaker, now: float) -> None:
    assert breaker.enter(now) == 0
    breaker.failed(now)


def test_one_failure_may_be_chance(breaker: Breaker) -> None:
    fail(breaker, 0)
    assert (breaker.enter(0), breaker.is_open, breaker.has_failed) == (0, False, True)


def test_after_two_calls_are_refused_for_a_time(breaker: Breaker) -> None:
    fail(breaker, 0)
    fail(breaker, 10)
    assert [breaker.enter(now) for now in (10, 10.2)] == [0.5, pytest.approx(0.3)]


def test_then_one_call_finds_out_for_all(breaker: Breaker) -> None:
    fail(breaker, 0)
    fail(breaker, 0)
    assert breaker.enter(1) == 0
    assert breaker.enter(1) > 0
    breaker.succeeded()
    assert [breaker.enter(1), breaker.enter(1)] == [0, 0]
    assert (breaker.is_open, breaker.has_failed) == (False, False)


def test_each_try_that_fails_makes_the_time_longer_up_to_a_bound(
    breaker: Breaker, drawn: list[float]
) -> None:
    for now in range(0, 2000, 100):
        fail(breaker, now)
    assert drawn[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert set(drawn[6:]) == {10.0}


def test_a_success_begins_anew(breaker: Breaker, drawn: list[float]) -> None:
    for now in (0, 100, 200):
        fail(breaker, now)
    assert breaker.enter(300) == 0
    breaker.succeeded()
    fail(breaker, 400)
    assert breaker.enter(400) == 0
    breaker.failed(400)
    assert drawn == [0.5, 1.0, 0.5]


def test_a_try_that_was_given_up_leaves_room_for_another(breaker: Breaker) -> None:
    fail(breaker, 0)
    fail(breaker, 0)
    assert breaker.enter(1) == 0
    breaker.gave_up()
    assert (breaker.is_open, breaker.enter(1)) == (True, 0)
