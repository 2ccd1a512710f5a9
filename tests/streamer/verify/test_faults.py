import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_streamer.verify.faults import KINDS, schedule

pytestmark = pytest.mark.unit


def test_a_seed_gives_the_schedule() -> None:
    assert schedule(1, KINDS, 10.0, 5) == schedule(1, KINDS, 10.0, 5)
    assert schedule(1, KINDS, 10.0, 5) != schedule(2, KINDS, 10.0, 5)


@given(st.integers(0, 2**32), st.integers(0, 300), st.floats(0.1, 600.0))
def test_there_are_as_many_kills_as_asked_for_and_every_way_of_the_rest(
    seed: int, kills: int, seconds: float
) -> None:
    faults = schedule(seed, KINDS, seconds, kills)
    assert kills == sum(fault.kind == "kill" for fault in faults)
    ways = {fault.mode for fault in faults if fault.kind == "proxy"}
    assert {"cut", "delay", "truncate", "half-open", "blackhole"} == ways
    assert set(KINDS) - {"kill"} <= {fault.kind for fault in faults}
    assert sum(fault.wait_s for fault in faults) <= 2 * seconds + 1


def test_only_what_is_asked_for_is_done() -> None:
    assert {"stop"} == {f.kind for f in schedule(1, ("stop",), 10.0, 5)}
    assert [] == schedule(1, (), 10.0, 5)
