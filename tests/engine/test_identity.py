from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine.identity import Carried, carry_ids

from . import oracle
from .streams import MANY

pytestmark = pytest.mark.unit

NEXT_ID = 9

entries = st.lists(
    st.tuples(st.integers(-1, 4), st.integers(1, 5), st.integers(-1, 5)), max_size=20
)
others = st.sets(st.integers(0, NEXT_ID - 1), max_size=3)


def carried(
    component: list[int],
    old: list[int],
    weight: list[float] | None = None,
    alive: set[int] | None = None,
) -> Carried:
    return carry_ids(
        np.array(component, np.int64),
        np.array(weight or [1.0] * len(old), np.float64),
        np.array(old, np.int64),
        {*old} - {-1} if alive is None else alive,
        NEXT_ID,
    )


@given(entries, others)
@MANY
def test_ids_are_handed_out_by_the_heaviest_claim(
    rows: list[tuple[int, int, int]], others: set[int]
) -> None:
    component, weight, old = ([row[i] for row in rows] for i in range(3))
    alive = {*old, *others} - {-1}
    actual = carried(component, old, [float(w) for w in weight], alive)
    expected = oracle.carry(component, weight, old, alive, NEXT_ID)
    assert expected == oracle.Carried(
        actual.label.tolist(),
        set(actual.created),
        {new: (parent, share) for new, parent, share in actual.split},
        dict(actual.merged),
        set(actual.removed),
    )


@given(entries, others)
@MANY
def test_no_two_components_share_an_id(
    rows: list[tuple[int, int, int]], others: set[int]
) -> None:
    component, old = [row[0] for row in rows], [row[2] for row in rows]
    label = carried(component, old, alive={*old, *others} - {-1}).label.tolist()
    pairs = {pair for pair in zip(component, label, strict=True) if pair[0] >= 0}
    assert len(pairs) == len({cluster for _, cluster in pairs})


@given(entries, others)
@MANY
def test_every_old_id_is_kept_merged_or_removed(
    rows: list[tuple[int, int, int]], others: set[int]
) -> None:
    component, old = [row[0] for row in rows], [row[2] for row in rows]
    alive = {*old, *others} - {-1}
    result = carried(component, old, alive=alive)
    kept = alive & set(result.label.tolist())
    assert sorted(alive) == sorted(
        [*kept, *(gone for gone, _ in result.merged), *result.removed]
    )


@given(entries, others)
@MANY
def test_new_ids_are_the_next_ones_without_a_gap(
    rows: list[tuple[int, int, int]], others: set[int]
) -> None:
    component, old = [row[0] for row in rows], [row[2] for row in rows]
    result = carried(component, old, alive={*old, *others} - {-1})
    new = sorted([*result.created, *(new for new, _, _ in result.split)])
    assert new == list(range(NEXT_ID, result.next_id))


def test_a_component_takes_the_id_of_most_of_its_weight() -> None:
    result = carried([0, 0, 0], [3, 4, 4])
    assert (result.label.tolist(), result.merged) == ([4, 4, 4], [(3, 4)])


def test_weight_decides_and_not_the_number_of_entries() -> None:
    assert carried([0, 0, 0], [3, 4, 4], [5.0, 1.0, 1.0]).label.tolist() == [3, 3, 3]


def test_of_equal_claims_the_oldest_id_wins() -> None:
    assert carried([0, 0], [4, 3]).label.tolist() == [3, 3]


def test_the_heavier_part_of_a_cluster_keeps_its_id() -> None:
    assert carried([0, 1, 1], [3, 3, 3]).label.tolist() == [NEXT_ID, 3, 3]


def test_the_lighter_part_is_told_as_a_split_with_its_share() -> None:
    result = carried([0, 1, 1, 1], [3, 3, 3, 3])
    assert result.split == [(NEXT_ID, 3, 0.25)]


def test_a_component_without_old_weight_is_created() -> None:
    result = carried([0, 0], [-1, -1])
    assert (result.created, result.label.tolist()) == ([NEXT_ID], [NEXT_ID, NEXT_ID])


def test_an_id_without_a_component_is_removed() -> None:
    assert carried([-1], [3]).removed == [3]


def test_what_is_in_no_component_has_no_id() -> None:
    assert carried([-1, 0], [3, 3]).label.tolist() == [-1, 3]


def test_the_heaviest_new_component_takes_the_first_new_id() -> None:
    assert carried([0, 1, 1], [-1, -1, -1]).label.tolist() == [10, 9, 9]


def test_a_swallowed_id_goes_to_where_most_of_its_weight_went() -> None:
    result = carried(
        [0, 0, 0, 1, 1, 1, 1], [3, 3, 5, 4, 4, 4, 5], [3, 3, 1, 3, 3, 3, 2]
    )
    assert result.merged == [(5, 4)]


def test_nothing_at_all_is_carried_as_nothing() -> None:
    result = carried([], [])
    assert (result.label.tolist(), result.next_id) == ([], NEXT_ID)
