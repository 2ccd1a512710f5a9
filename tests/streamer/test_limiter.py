from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_streamer.limiter import RateLimiter, Tier

pytestmark = pytest.mark.unit

STEADY = examples(50)

SIX = Tier("six", 6, 60.0)
OTHER = Tier("other", 6, 60.0)


def remembered(limiter: RateLimiter) -> int:
    """Return of how many callers it knows anything."""
    known = vars(limiter).values()
    return max(len(part) for part in known if isinstance(part, dict))


class Caller:
    """Asks a limiter, with a clock that the test turns."""

    def __init__(self, tier: Tier = SIX, *, at: float = 1000.0) -> None:
        self.limiter = RateLimiter()
        self.tier = tier
        self.now = at

    def asks(self, times: int = 1) -> list[bool]:
        return [
            self.limiter.check(self.tier, "me", self.now).allowed for _ in range(times)
        ]


def test_the_whole_allowance_may_be_used_at_once() -> None:
    assert Caller().asks(7) == [True] * 6 + [False]


@pytest.mark.parametrize("requests", [1, 10, 100, 1000, 10_000])
@pytest.mark.parametrize("period", [60.0, 3600.0])
@pytest.mark.parametrize("up", [0.0, 0.1, 2_592_000.7], ids=["0", "0.1", "30 days"])
def test_exactly_the_allowance_passes(requests: int, period: float, up: float) -> None:
    caller = Caller(Tier("t", requests, period), at=up)
    assert sum(caller.asks(requests + 5)) == requests


def test_a_refused_request_is_told_how_long_to_wait() -> None:
    caller = Caller()
    caller.asks(6)
    assert caller.limiter.check(SIX, "me", caller.now).retry_after_s == pytest.approx(
        10.0
    )


def test_the_wait_gets_shorter_as_time_passes() -> None:
    caller = Caller()
    caller.asks(6)
    verdict = caller.limiter.check(SIX, "me", caller.now + 4)
    assert verdict.retry_after_s == pytest.approx(6.0)


def test_after_the_wait_one_request_passes_and_no_more() -> None:
    caller = Caller()
    caller.asks(6)
    caller.now += caller.limiter.check(SIX, "me", caller.now).retry_after_s
    assert caller.asks(2) == [True, False]


def test_just_before_the_wait_is_over_none_passes() -> None:
    caller = Caller()
    caller.asks(6)
    caller.now += 9.99
    assert caller.asks() == [False]


def test_the_allowance_comes_back_evenly() -> None:
    caller = Caller()
    caller.asks(6)
    passed = []
    for _ in range(60):
        caller.now += 1
        passed += caller.asks()
    assert [second for second, one in enumerate(passed, 1) if one] == [
        10, 20, 30, 40, 50, 60,
    ]  # fmt: skip


def test_after_the_period_the_whole_allowance_is_back() -> None:
    caller = Caller()
    caller.asks(6)
    caller.now += 60
    assert caller.asks(7) == [True] * 6 + [False]


def test_an_allowance_does_not_grow_beyond_the_whole() -> None:
    caller = Caller()
    caller.asks(1)
    caller.now += 1e6
    assert caller.asks(7) == [True] * 6 + [False]


def test_no_burst_across_the_edge_of_a_period_gets_more() -> None:
    caller = Caller()
    caller.now += 59
    caller.asks(6)
    caller.now += 2
    assert caller.asks() == [False]


def test_a_refused_request_costs_nothing() -> None:
    caller = Caller()
    caller.asks(1000)
    caller.now += 10
    assert caller.asks() == [True]


def test_asking_alone_costs_nothing() -> None:
    caller = Caller()
    for _ in range(100):
        assert caller.limiter.check(SIX, "me", caller.now, count=False).allowed
    assert sum(caller.asks(10)) == 6


def test_who_has_nothing_left_is_refused_when_asking_alone() -> None:
    caller = Caller()
    caller.asks(6)
    assert not caller.limiter.check(SIX, "me", caller.now, count=False).allowed


def test_refusals_in_a_row_are_counted_until_one_passes() -> None:
    caller = Caller(Tier("one", 1, 60.0))
    counts = []
    for step in (0, 0, 0, 60, 0):
        caller.now += step
        verdict = caller.limiter.check(caller.tier, "me", caller.now)
        counts.append(verdict.violations)
    assert counts == [0, 1, 2, 0, 1]


def test_refused_callers_are_not_remembered_without_bound() -> None:
    limiter, one = RateLimiter(), Tier("one", 1, 60.0)
    for caller in range(100_500):
        limiter.check(one, str(caller), 0.0)
        limiter.check(one, str(caller), 0.0)
    assert remembered(limiter) <= 100_000


def test_what_remains_counts_down_to_none() -> None:
    limiter = RateLimiter()
    verdicts = [limiter.check(SIX, "me", 0.0) for _ in range(7)]
    assert [verdict.remaining for verdict in verdicts] == [5, 4, 3, 2, 1, 0, 0]


def test_the_reset_is_when_the_whole_allowance_is_back() -> None:
    limiter = RateLimiter()
    resets = [limiter.check(SIX, "me", 0.0).reset_s for _ in range(7)]
    assert resets == pytest.approx([10, 20, 30, 40, 50, 60, 60])


def test_a_verdict_names_its_tier() -> None:
    assert RateLimiter().check(SIX, "me", 0.0).tier is SIX


def test_an_allowed_request_has_nothing_to_wait_for() -> None:
    assert RateLimiter().check(SIX, "me", 0.0).retry_after_s == 0.0


def test_callers_are_counted_apart() -> None:
    caller = Caller()
    caller.asks(6)
    assert caller.limiter.check(SIX, "you", caller.now).allowed


def test_tiers_are_counted_apart() -> None:
    caller = Caller()
    caller.asks(6)
    assert caller.limiter.check(OTHER, "me", caller.now).allowed


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    caller = Caller()
    caller.asks(6)
    caller.now -= 100
    assert caller.asks() == [False]


@given(st.lists(st.floats(0, 30), max_size=60))
@STEADY
def test_in_no_stretch_of_time_passes_more_than_burst_and_rate(
    pauses: list[float],
) -> None:
    limiter, now, passed = RateLimiter(), 0.0, []
    for pause in pauses:
        now += pause
        if limiter.check(SIX, "me", now).allowed:
            passed.append(now)
    for i, begin in enumerate(passed):
        for j, end in enumerate(passed[i:], 1):
            assert j <= 6 + (end - begin) / 10 + 1e-3


def test_a_hundred_thousand_callers_are_remembered_and_no_more() -> None:
    limiter = RateLimiter()
    for caller in range(100_500):
        limiter.check(SIX, str(caller), 0.0)
    assert 50_000 < remembered(limiter) <= 100_000


def test_whoever_has_used_most_is_remembered_longest() -> None:
    limiter = RateLimiter()
    for _ in range(6):
        limiter.check(SIX, "greedy", 0.0)
    for caller in range(100_500):
        limiter.check(SIX, str(caller), 0.0)
    assert not limiter.check(SIX, "greedy", 0.0).allowed


def test_callers_with_their_whole_allowance_are_forgotten_first() -> None:
    limiter = RateLimiter()
    for caller in range(100_000):
        limiter.check(SIX, str(caller), 0.0)
    limiter.check(SIX, "late", 100.0)
    assert remembered(limiter) == 1


def test_what_is_used_elsewhere_is_used_here() -> None:
    here, there = Caller(), Caller()
    there.limiter.on_use = lambda key, seconds: here.limiter.use_elsewhere(
        key, seconds, here.now
    )
    assert there.asks(4) == [True] * 4
    assert here.asks(3) == [True, True, False]
    here.now += 10
    assert here.asks(2) == [True, False]


def test_what_is_only_asked_or_refused_uses_nothing() -> None:
    used: list[float] = []
    caller = Caller()
    caller.limiter.on_use = lambda key, seconds: used.append(seconds)
    caller.limiter.check(SIX, "me", caller.now, count=False)
    caller.asks(9)
    assert used == [10.0] * 6


def test_callers_of_other_nodes_are_forgotten_like_others() -> None:
    limiter = RateLimiter()
    for i in range(100_001):
        limiter.use_elsewhere(("six", str(i)), 1.0, float(i))
    assert remembered(limiter) <= 100_000
