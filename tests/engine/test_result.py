from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ncs_engine import OUTLIER, Change, Engine, LearnResult

pytestmark = pytest.mark.unit

CHANGES = [
    Change("created", 4, 10),
    Change("split", 5, 20, 4),
    Change("created", 6, 20),
    Change("merged", 4, 30, 5),
    Change("removed", 6, 40),
]


def result() -> LearnResult:
    none = np.empty(0)
    return LearnResult(
        none.astype(np.int64), none.astype(bool), none.astype("f4"), CHANGES
    )


@pytest.mark.parametrize(
    ("kind", "ids"),
    [("created", [4, 6]), ("split", [5]), ("merged", [4]), ("removed", [6])],
)
def test_the_changes_of_a_kind_come_in_order(kind: str, ids: list[int]) -> None:
    assert [change.cluster_id for change in getattr(result(), kind)] == ids


def test_every_change_is_of_one_of_the_four_kinds() -> None:
    told = result()
    assert len(told.created + told.split + told.merged + told.removed) == len(CHANGES)


def test_a_change_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CHANGES[0].at = 11  # type: ignore[misc]


def test_the_id_of_no_cluster_is_minus_1() -> None:
    assert OUTLIER == -1


def test_the_arrays_have_the_documented_types() -> None:
    told = Engine().learn([[1.0, 2.0]])
    arrays = told.cluster_ids, told.is_outlier, told.outlier_scores
    assert [array.dtype.str for array in arrays] == ["<i8", "|b1", "<f4"]
