"""The indices, against examples worked by hand and against scikit-learn 1.9.1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ncs_streamer.bench.scores import (
    ami,
    area_under_roc,
    ari,
    contingency,
    precision_recall_f1,
    purity,
    silhouette,
)

pytestmark = pytest.mark.unit

TRUTH = np.array([0, 0, 0, 1, 1, 1])
GIVEN = np.array([0, 0, 1, 1, 2, 2])


def example() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return 200 labels, what a clusterer could make of them, and points."""
    rng = np.random.default_rng(7)
    truth = rng.integers(4, size=200)
    given = np.where(rng.random(200) < 0.7, truth, rng.integers(6, size=200))
    return truth, given, rng.normal(size=(200, 3)) + 3 * truth[:, None]


def test_the_contingency_counts_points_per_class_and_cluster() -> None:
    assert contingency(TRUTH, GIVEN).tolist() == [[2, 1, 0], [0, 1, 2]]


@pytest.mark.parametrize("index", [ari, ami, purity])
def test_equal_partitions_have_1_whatever_the_names(index: Any) -> None:
    assert index(np.array([0, 0, 1, 2]), np.array([5, 5, -1, 9])) == pytest.approx(1)


@pytest.mark.parametrize("index", [ari, ami])
def test_two_partitions_that_do_not_divide_are_equal(index: Any) -> None:
    assert index(np.zeros(5, int), np.ones(5, int)) == 1.0


@pytest.mark.parametrize("index", [ari, ami])
def test_one_cluster_for_all_has_0(index: Any) -> None:
    assert index(TRUTH, np.zeros(6, int)) == pytest.approx(0.0)


@pytest.mark.parametrize("index", [ari, ami])
def test_unrelated_partitions_are_near_0(index: Any) -> None:
    one, other = np.random.default_rng(0).integers(40, size=(2, 4000))
    assert abs(index(one, other)) < 0.01


def test_the_ari_is_that_of_an_example_worked_by_hand() -> None:
    # Pairs: 2 in both, 6 in one, 3 in the other, of 15; by chance 6 * 3 / 15 = 1.2.
    assert ari(TRUTH, GIVEN) == pytest.approx((2 - 1.2) / (4.5 - 1.2))


def test_purity_counts_the_commonest_class_of_each_cluster() -> None:
    assert purity(TRUTH, GIVEN) == pytest.approx((2 + 1 + 2) / 6)


def test_ari_ami_and_silhouette_are_those_of_scikit_learn() -> None:
    truth, given, points = example()
    assert ari(truth, given) == pytest.approx(0.4692434095772837)
    assert ami(truth, given) == pytest.approx(0.43912530807221445)
    assert silhouette(points, given) == pytest.approx(0.09737726548463028)
    assert silhouette(points, truth) == pytest.approx(0.5668984240505164)


def test_the_silhouette_is_that_of_an_example_worked_by_hand() -> None:
    points = np.array([[0.0], [1.0], [10.0]])
    # Own cluster 1 away, the other 10 and 9; the third point is alone.
    expected = ((10 - 1) / 10 + (9 - 1) / 9 + 0) / 3
    assert silhouette(points, np.array([0, 0, 1])) == pytest.approx(expected)


def test_a_single_cluster_has_no_silhouette() -> None:
    assert silhouette(np.arange(4.0)[:, None], np.zeros(4, int)) == 0.0


def test_points_in_one_place_have_no_silhouette() -> None:
    assert silhouette(np.zeros((4, 2)), np.array([0, 0, 1, 1])) == 0.0


def test_the_silhouette_does_not_suffer_from_an_offset() -> None:
    truth, _, points = example()
    assert silhouette(points + 1e6, truth) == pytest.approx(0.56689842, abs=1e-6)


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    positive = np.array([True, True, False, False])
    # 0.9 is above both; 0.5 is above one and level with the other.
    assert area_under_roc(positive, np.array([0.9, 0.5, 0.5, 0.1])) == 3.5 / 4


def test_the_area_without_one_of_the_classes_is_not_defined() -> None:
    assert area_under_roc(np.array([False, False]), np.array([0.1, 0.2])) is None
    assert area_under_roc(np.array([True, True]), np.array([0.1, 0.2])) is None


def test_precision_recall_and_f1_count_flags() -> None:
    positive = np.array([True, True, True, False, False])
    flagged = np.array([True, True, False, True, False])
    assert precision_recall_f1(positive, flagged) == pytest.approx(
        (2 / 3, 2 / 3, 2 / 3)
    )


def test_no_flag_at_all_has_precision_recall_and_f1_of_0() -> None:
    nothing = np.array([False, False])
    assert precision_recall_f1(np.array([True, False]), nothing) == (0.0, 0.0, 0.0)
