from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from ncs_engine.microclusters import MicroClusters

from .oracle import nearest, squared_distance, two_pass
from .streams import MANY, Points, gaussian, seeds

pytestmark = pytest.mark.unit


def founded(points: Points, labels: list[int] | None = None) -> MicroClusters:
    """Return one micro-cluster per point."""
    micro = MicroClusters(points.shape[1], len(points))
    for point, label in zip(points, labels or [-1] * len(points), strict=True):
        micro.found(point, label)
    return micro


def drawn(seed: int) -> tuple[MicroClusters, Points]:
    """Return several micro-clusters of weight and label, and a point."""
    rng = np.random.default_rng(seed)
    count, dimension = int(rng.integers(2, 25)), int(rng.integers(1, 30))
    labels = rng.integers(-1, 3, count).tolist()
    micro = founded(rng.normal(size=(count, dimension)), labels)
    for _ in range(3 * count):
        micro.absorb(int(rng.integers(count)), rng.normal(size=dimension), 0.06)
    return micro, rng.normal(size=dimension)


@given(seeds)
@MANY
def test_squared_distances_are_sums_in_the_order_of_the_features(seed: int) -> None:
    micro, z = drawn(seed)
    centres = micro.centres.T.tolist()
    expected = [squared_distance(centre, z.tolist()) for centre in centres]
    assert micro.squared_distances(z).tolist() == expected


def test_the_only_micro_cluster_has_sums_in_the_order_of_the_features() -> None:
    # In a set with room for more: numpy adds up a single column in another order.
    for seed in range(20):
        centre, z = gaussian(seed, 2, 40)
        micro = MicroClusters(40, 16)
        micro.found(centre, 0)
        expected = squared_distance(centre.tolist(), z.tolist())
        assert micro.squared_distances(z).tolist() == [expected]


@given(seeds)
@MANY
def test_the_least_squared_distance_is_at_the_nearest(seed: int) -> None:
    micro, z = drawn(seed)
    expected = nearest(z.tolist(), micro.centres.T.tolist())
    assert int(micro.squared_distances(z).argmin()) == expected


@given(seeds)
@MANY
def test_pairwise_distances_are_those_of_each_centre(seed: int) -> None:
    micro, _ = drawn(seed)
    expected = [micro.squared_distances(centre).tolist() for centre in micro.centres.T]
    assert micro.pairwise_squared_distances().tolist() == expected


def test_unused_entries_have_no_distance() -> None:
    micro = MicroClusters(2, 8)
    micro.found(np.ones(2), 0)
    assert micro.squared_distances(np.zeros(2)).tolist() == [2.0]


def test_a_founded_one_lies_at_its_point_with_weight_1() -> None:
    micro = founded(np.array([[3.0, 4.0]]), [7])
    entry = micro.centres[:, 0].tolist(), micro.weight[0], micro.points[0]
    assert entry == ([3.0, 4.0], 1.0, 1.0)


def test_a_founded_one_carries_its_label() -> None:
    assert founded(np.zeros((1, 2)), [7]).label.tolist() == [7]


def test_a_founded_one_has_no_spread() -> None:
    assert founded(np.zeros((1, 2))).spread.tolist() == [[0.0], [0.0]]


def test_a_young_centre_is_the_mean_of_its_points() -> None:
    points = gaussian(0, 12, 3)
    micro = founded(points[:1])
    for point in points[1:]:
        micro.absorb(0, point, 0.06)
    np.testing.assert_allclose(micro.centres[:, 0], points.mean(axis=0), atol=1e-12)


def test_a_mature_centre_follows_by_the_rate() -> None:
    micro = founded(np.zeros((1, 1)))
    for _ in range(99):
        micro.absorb(0, np.zeros(1), 0.06)
    micro.absorb(0, np.ones(1), 0.06)
    assert micro.centres[0, 0] == pytest.approx(0.06)


def test_at_rate_1_a_centre_lies_at_the_last_point() -> None:
    micro = founded(np.zeros((1, 1)))
    for value in (5.0, 2.0):
        micro.absorb(0, np.array([value]), 1.0)
    assert micro.centres[0, 0] == 2.0


def test_at_rate_0_a_centre_is_the_mean_of_all_points() -> None:
    points = gaussian(1, 300, 1)
    micro = founded(points[:1])
    for point in points[1:]:
        micro.absorb(0, point, 0.0)
    assert micro.centres[0, 0] == pytest.approx(points.mean(), abs=1e-12)


def test_absorbing_counts_weight_and_points() -> None:
    micro = founded(np.zeros((1, 1)))
    micro.absorb(0, np.ones(1), 0.06)
    assert (micro.weight[0], micro.points[0]) == (2.0, 2.0)


@given(seeds)
@MANY
def test_a_young_spread_is_the_variance_of_its_points_per_feature(seed: int) -> None:
    points = gaussian(seed, 16, 3) * [1.0, 10.0, 0.1]
    micro = founded(points[:1])
    for point in points[1:]:
        micro.absorb(0, point, 0.06)
    _, variance = two_pass(points.tolist())
    assert micro.spread[:, 0].tolist() == pytest.approx(variance, rel=1e-9)


def test_the_spread_of_two_points_is_their_mean_squared_distance() -> None:
    micro = founded(np.zeros((1, 2)))
    micro.absorb(0, np.array([1.0, 2.0]), 0.06)
    # Each lies 0.5 from the centre in the first feature and 1 in the second.
    assert micro.spread[:, 0].tolist() == [0.25, 1.0]


def test_a_mature_spread_follows_by_the_rate() -> None:
    micro = founded(np.zeros((1, 1)))
    for _ in range(99):
        micro.absorb(0, np.zeros(1), 0.06)
    micro.absorb(0, np.ones(1), 0.06)
    # The variance of a share of 0.06 at 1 and the rest at 0.
    assert micro.spread[0, 0] == pytest.approx(0.06 * 0.94)


def test_at_rate_1_there_is_no_spread() -> None:
    micro = founded(np.zeros((1, 1)))
    for value in (5.0, 2.0):
        micro.absorb(0, np.array([value]), 1.0)
    assert micro.spread[0, 0] == 0.0


def test_absorbing_leaves_the_others_alone() -> None:
    micro = founded(np.array([[0.0], [7.0]]))
    micro.absorb(0, np.array([1.0]), 0.06)
    assert [getattr(micro, name)[..., 1].item() for name in micro.ARRAYS] == [
        7.0, 1.0, 1.0, 0.0, -1, 0,
    ]  # fmt: skip


def test_remapping_scales_and_shifts_every_centre() -> None:
    micro = founded(np.array([[1.0, 2.0], [3.0, 4.0]]))
    micro.remap(np.array([2.0, 0.5]), np.array([1.0, -1.0]))
    assert micro.centres.T.tolist() == [[3.0, 0.0], [7.0, 1.0]]


def test_remapping_scales_the_spread_by_the_square_of_the_factor() -> None:
    micro = founded(np.zeros((1, 3)))
    micro.absorb(0, np.full(3, 2.0), 0.06)
    micro.remap(np.array([3.0, 0.5, 0.0]), np.full(3, 7.0))
    assert micro.spread[:, 0].tolist() == [9.0, 0.25, 0.0]


def test_keeping_drops_the_others_and_closes_the_gap() -> None:
    micro = founded(np.array([[0.0], [1.0], [2.0]]), [5, 6, 7])
    micro.keep(np.array([True, False, True]))
    kept = micro.label[: micro.count].tolist(), micro.centres[0, : micro.count].tolist()
    assert kept == ([5, 7], [0.0, 2.0])


def test_keeping_all_changes_nothing() -> None:
    micro = founded(np.array([[0.0], [1.0]]), [5, 6])
    micro.keep(np.array([True, True]))
    assert (micro.count, micro.label.tolist()) == (2, [5, 6])


def test_resizing_keeps_the_heaviest_in_their_order() -> None:
    micro = founded(np.array([[0.0], [1.0], [2.0]]), [5, 6, 7])
    micro.absorb(2, np.array([2.0]), 0.06)
    micro.absorb(2, np.array([2.0]), 0.06)
    micro.absorb(0, np.array([0.0]), 0.06)
    smaller = micro.resized(2, keep=2)
    assert (smaller.capacity, smaller.label.tolist()) == (2, [5, 7])


def test_resizing_leaves_the_old_set_alone() -> None:
    micro = founded(np.array([[0.0], [1.0]]), [5, 6])
    micro.resized(4, keep=1).found(np.array([9.0]), 9)
    assert micro.label.tolist() == [5, 6]


def merge_to(micro: MicroClusters, target: int) -> None:
    micro.merge_closest(target)


def test_the_closest_pair_is_merged() -> None:
    micro = founded(np.array([[0.0], [10.0], [11.0], [20.0]]), [3] * 4)
    merge_to(micro, 3)
    assert sorted(micro.centres[0, : micro.count].tolist()) == [0.0, 10.5, 20.0]


def test_a_merged_centre_lies_nearer_to_the_heavier() -> None:
    micro = founded(np.array([[0.0], [4.0]]), [3, 3])
    for _ in range(2):
        micro.absorb(0, np.array([0.0]), 0.06)
    merge_to(micro, 1)
    assert micro.centres[0, 0] == 1.0


@given(seeds)
@MANY
def test_a_merged_spread_is_the_variance_of_all_points(seed: int) -> None:
    points = gaussian(seed, 15, 2)
    micro = founded(points[[0, 6]], [3, 3])
    for i in range(1, 15):
        if i != 6:
            micro.absorb(int(i > 6), points[i], 0.0)
    merge_to(micro, 1)
    _, variance = two_pass(points.tolist())
    assert micro.spread[:, 0].tolist() == pytest.approx(variance, rel=1e-9)


def test_what_is_in_no_cluster_is_left_alone() -> None:
    micro = founded(np.array([[0.0], [1.0], [1.0]]), [4, -1, -1])
    merge_to(micro, 1)
    assert micro.label[: micro.count].tolist() == [4, -1, -1]


def test_two_different_clusters_are_never_merged() -> None:
    micro = founded(np.array([[0.0], [1.0], [9.0]]), [3, 4, 4])
    merge_to(micro, 1)
    assert sorted(micro.label[: micro.count].tolist()) == [3, 4]


@given(seeds)
@MANY
def test_merging_reaches_the_target_where_no_label_forbids_it(seed: int) -> None:
    micro, _ = drawn(seed)
    micro.label[:] = 3
    target = 1 + micro.count // 2
    merge_to(micro, target)
    assert micro.count == target


@given(seeds)
@MANY
def test_merging_loses_neither_weight_nor_points(seed: int) -> None:
    micro, _ = drawn(seed)
    before = float(micro.weight.sum()), float(micro.points.sum())
    merge_to(micro, 1)
    weight, points = micro.weight[: micro.count], micro.points[: micro.count]
    assert (float(weight.sum()), float(points.sum())) == before


@given(seeds)
@MANY
def test_merging_loses_no_label(seed: int) -> None:
    micro, _ = drawn(seed)
    before = set(micro.label.tolist()) - {-1}
    merge_to(micro, 1)
    assert set(micro.label[: micro.count].tolist()) - {-1} == before


@given(seeds)
@MANY
def test_merging_keeps_the_centre_of_gravity(seed: int) -> None:
    micro, _ = drawn(seed)
    before = np.average(micro.centres, axis=1, weights=micro.weight)
    merge_to(micro, 1)
    centres, weight = micro.centres[:, : micro.count], micro.weight[: micro.count]
    after = np.average(centres, axis=1, weights=weight)
    np.testing.assert_allclose(after, before, atol=1e-12)
