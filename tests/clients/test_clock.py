"""The clock's offset from pings and pongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_client.clock import ClockOffset

pytestmark = pytest.mark.unit

ways = st.floats(0.0, 2.0)


def exchange(
    clock: ClockOffset, at: float, there: float, back: float, ahead: float
) -> float:
    """Let a ping take `there` and its pong `back` seconds; return when it arrived."""
    clock.add(at, at + there + ahead, at + there + back)
    return at + there + back


def test_before_a_sample_nothing_is_known() -> None:
    clock = ClockOffset()
    assert clock.offset_s(0.0) is None
    assert clock.error_s(0.0) is None


def test_equal_ways_give_the_exact_offset() -> None:
    clock = ClockOffset()
    now = exchange(clock, 1000.0, 0.05, 0.05, ahead=3.0)
    assert clock.offset_s(now) == pytest.approx(3.0)
    assert clock.error_s(now) == pytest.approx(0.05)


def test_the_sample_of_the_least_delay_counts() -> None:
    clock = ClockOffset()
    now = exchange(clock, 1000.0, 0.001, 0.001, ahead=3.0)
    for at in (1010.0, 1020.0):
        now = exchange(clock, at, 0.4, 0.0, ahead=3.0)
    assert clock.offset_s(now) == pytest.approx(3.0, abs=1e-6)


def test_only_the_last_eight_are_kept() -> None:
    clock = ClockOffset()
    exchange(clock, 1000.0, 0.001, 0.001, ahead=3.0)
    now = 1000.0
    for _ in range(8):
        now = exchange(clock, now + 10, 0.3, 0.1, ahead=3.0)
    assert clock.offset_s(now) == pytest.approx(3.1)


def test_a_clock_that_is_set_is_noticed_at_once() -> None:
    clock = ClockOffset()
    exchange(clock, 1000.0, 0.001, 0.001, ahead=3.0)
    now = exchange(clock, 1010.0, 0.05, 0.05, ahead=-60.0)
    assert clock.offset_s(now) == pytest.approx(-60.0)


def test_a_sample_in_which_time_ran_backwards_is_left_out() -> None:
    clock = ClockOffset()
    clock.add(1000.0, 1003.0, 999.0)
    assert clock.offset_s(1000.0) is None


def test_an_old_sample_gives_way_to_a_new_one_that_is_hardly_slower() -> None:
    clock = ClockOffset()
    exchange(clock, 0.0, 0.010, 0.010, ahead=3.0)
    now = exchange(clock, 3600.0, 0.011, 0.011, ahead=3.05)
    assert clock.offset_s(now) == pytest.approx(3.05)


@given(st.lists(st.tuples(ways, ways), min_size=1, max_size=20), st.floats(-1e3, 1e3))
def test_the_true_offset_lies_within_the_bound(
    ways: list[tuple[float, float]], ahead: float
) -> None:
    clock, now = ClockOffset(), 1_767_225_600.0
    for there, back in ways:
        now = exchange(clock, now + 15.0, there, back, ahead)
        offset, error = clock.offset_s(now), clock.error_s(now)
        assert offset is not None
        assert error is not None
        assert abs(offset - ahead) <= error + 1e-5
