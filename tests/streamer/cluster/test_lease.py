"""A node stops acting as an owner before anybody else may begin."""

from __future__ import annotations

import pytest

from ncs_streamer.cluster.lease import Lease

pytestmark = pytest.mark.unit


def test_before_the_first_renewal_it_does_not_hold() -> None:
    assert not Lease(10.0).holds(0.0)


def test_it_ends_a_part_early_counted_from_when_it_was_asked_for() -> None:
    lease = Lease(10.0)
    lease.renewed(asked_at=100.0)
    assert lease.holds(107.9)
    assert not lease.holds(108.0)


def test_an_answer_that_comes_late_does_not_make_it_longer() -> None:
    lease = Lease(10.0)
    lease.renewed(asked_at=100.0)
    lease.renewed(asked_at=95.0)
    assert lease.holds(107.0)
    assert not lease.holds(108.0)


def test_once_lost_it_does_not_hold_until_it_is_renewed() -> None:
    lease = Lease(10.0)
    lease.renewed(asked_at=100.0)
    lease.ended()
    assert not lease.holds(100.0)
    lease.renewed(asked_at=101.0)
    assert lease.holds(101.0)


def test_several_renewals_may_fail_before_it_ends() -> None:
    lease = Lease(10.0)
    lease.renewed(asked_at=0.0)
    assert lease.holds(3 * lease.interval_s)
