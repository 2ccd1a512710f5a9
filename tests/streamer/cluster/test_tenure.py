"""What a node is to a stream, step by step."""

from __future__ import annotations

import pytest

from ncs_streamer.cluster.tenure import (
    TRANSITIONS,
    Step,
    Tenure,
    TenureError,
    TenureState,
)
from ncs_streamer.store import Owner

pytestmark = pytest.mark.unit

OWNER = Owner("a", 3, "n")


def at(*steps: Step) -> Tenure:
    tenure = Tenure()
    for step in steps:
        tenure.advance(step, OWNER if step is Step.ACQUIRED else None)
    return tenure


def test_it_serves_once_the_model_is_restored_and_not_before() -> None:
    tenure = Tenure()
    served = []
    for step in (Step.WANTED, Step.ACQUIRED, Step.RESTORED, Step.LEAVING):
        tenure.advance(step, OWNER if step is Step.ACQUIRED else None)
        served.append(tenure.serves)
    assert served == [False, False, True, False]


def test_it_has_its_right_to_write_until_it_lets_go() -> None:
    tenure = at(Step.WANTED, Step.ACQUIRED, Step.RESTORED, Step.LEAVING)
    assert tenure.owner == OWNER
    tenure.advance(Step.RELEASED)
    assert tenure.owner is None


@pytest.mark.parametrize("state", TenureState)
def test_it_can_be_lost_at_any_time(state: TenureState) -> None:
    assert TRANSITIONS[state][Step.LOST] is TenureState.ABSENT


def test_what_must_not_follow_is_a_fault() -> None:
    for state, steps in TRANSITIONS.items():
        for step in set(Step) - steps.keys():
            tenure = Tenure()
            tenure.state = state
            with pytest.raises(TenureError):
                tenure.advance(step, OWNER)


def test_an_epoch_that_is_not_newer_is_a_fault() -> None:
    tenure = at(Step.WANTED, Step.ACQUIRED, Step.RESTORED, Step.LOST)
    tenure.advance(Step.WANTED)
    with pytest.raises(TenureError):
        tenure.advance(Step.ACQUIRED, OWNER)


def test_every_state_can_be_reached() -> None:
    reached = {to for steps in TRANSITIONS.values() for to in steps.values()}
    assert reached == set(TenureState)
