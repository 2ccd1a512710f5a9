from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine.recent import RecentPoints

from .streams import MANY

pytestmark = pytest.mark.unit


def remembering(count: int, capacity: int) -> RecentPoints:
    """Return a ring that took points 0, 1, 2 .. with ids 100, 101, 102 .."""
    recent = RecentPoints(capacity, 2)
    for i in range(count):
        recent.add(np.array([float(i), -float(i)]), 100 + i)
    return recent


@given(st.integers(1, 40), st.integers(1, 12), st.data())
@MANY
def test_the_last_points_come_oldest_first(
    count: int, capacity: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(0, min(count, capacity)))
    points, _ = remembering(count, capacity).last(n)
    assert points[:, 0].tolist() == [float(i) for i in range(count - n, count)]


@given(st.integers(1, 40), st.integers(1, 12), st.data())
@MANY
def test_every_point_comes_with_its_id(
    count: int, capacity: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(0, min(count, capacity)))
    points, ids = remembering(count, capacity).last(n)
    assert ids == [100 + int(x) for x in points[:, 0]]


def test_the_last_0_points_are_none() -> None:
    points, ids = remembering(3, 8).last(0)
    assert (points.shape, ids) == ((0, 2), [])


def test_what_it_returns_is_a_copy() -> None:
    recent = remembering(3, 8)
    recent.last(3)[0][:] = 99.0
    assert recent.last(1)[0].tolist() == [[2.0, -2.0]]


def test_a_point_is_kept_though_the_caller_goes_on_to_change_it() -> None:
    recent, point = RecentPoints(4, 2), np.ones(2)
    recent.add(point, 0)
    point[:] = 5.0
    assert recent.last(1)[0].tolist() == [[1.0, 1.0]]


def test_the_capacity_is_the_number_of_points_remembered() -> None:
    assert RecentPoints(12, 2).capacity == 12
