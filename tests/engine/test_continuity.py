"""Clusters go on where the components that were found are these."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import kernel
from ncs_engine.identity import carry_ids
from ncs_engine.selection import drop_light, weight_to_stay

from .kernels import both, running_on
from .streams import MANY

pytestmark = pytest.mark.unit

BORN = 5.0


def went_on(
    component: list[int],
    label: list[int],
    weight: list[float] | None = None,
    clusters: int | None = None,
) -> list[int] | None:
    """Return the labels with which the clusters go on; None if they do not."""
    after = np.array(label, dtype=np.int64)
    on = kernel.active.go_on(
        np.array(component, dtype=np.int64),
        np.array(weight or [3.0] * len(label)),
        after,
        len({*label} - {-1}) if clusters is None else clusters,
        weight_to_stay(BORN),
        BORN,
    )
    if not on:
        assert after.tolist() == label
    return after.tolist() if on else None


def test_clusters_go_on_whatever_the_components_are_called() -> None:
    assert went_on([1, 0, 1, 0], [7, 4, 7, 4]) == [7, 4, 7, 4]


def test_what_was_in_no_cluster_comes_into_that_of_its_component() -> None:
    assert went_on([0, 0, 1], [7, -1, 4]) == [7, 7, 4]


def test_too_little_for_a_birth_stays_in_no_cluster() -> None:
    assert went_on([0, 1], [7, -1], [3.0, 4.9]) == [7, -1]


def test_a_newborn_cluster_has_to_be_told() -> None:
    assert went_on([0, 1], [7, -1], [3.0, 5.0]) is None


def test_a_cluster_that_is_too_light_has_to_be_told() -> None:
    assert went_on([0, 1], [7, 4], [3.0, 1.2]) is None


def test_two_clusters_in_one_component_have_to_be_told() -> None:
    assert went_on([0, 0], [7, 4]) is None


def test_one_cluster_in_two_components_has_to_be_told() -> None:
    assert went_on([0, 1], [7, 7]) is None


def test_a_cluster_of_which_nothing_is_left_has_to_be_told() -> None:
    assert went_on([0], [7], clusters=2) is None


def test_nothing_goes_on_as_nothing() -> None:
    assert went_on([], []) == []


rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-1, 4), st.sampled_from([0.7, 1.0, 3.0])),
    max_size=5,
)


@given(rows)
@MANY
def test_who_goes_on_is_who_would_be_carried_on_without_a_change(
    found: list[tuple[int, int, float]],
) -> None:
    component, label, weight = ([row[i] for row in found] for i in range(3))
    component = [c % max(1, len(found)) for c in component]
    by_kernel = []
    for module in both():
        with running_on(module):
            by_kernel.append(went_on(component, label, weight))
    assert by_kernel[0] == by_kernel[1]
    if by_kernel[0] is None:
        return
    left = np.array(component, dtype=np.int64)
    old, own = np.array(label, dtype=np.int64), np.array(weight)
    drop_light(left, own, old, BORN)
    carried = carry_ids(left, own, old, {*label} - {-1}, 9)
    assert carried.label.tolist() == by_kernel[0]
    told = carried.created, carried.split, carried.merged, carried.removed
    assert told == ([], [], [], [])
