from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ncs_engine import Cluster, Engine, EngineParams, LearnResult

from .streams import FAR_APART, Labels, Ledger, blobs, gaussian

pytestmark = pytest.mark.unit

POINTS = 4000
SETTLED = 500  # points after which it is judged


def adjusted_rand_index(one: Labels, other: Labels) -> float:
    """Return the agreement of two partitions: 1 for equal ones, 0 by chance."""
    _, rows = np.unique(one, return_inverse=True)
    _, columns = np.unique(other, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1), dtype=int)
    np.add.at(table, (rows, columns), 1)

    def pairs(counts: Labels) -> int:
        return sum(math.comb(int(count), 2) for count in counts.ravel())

    both, in_one, in_other = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    by_chance = in_one * in_other / math.comb(len(one), 2)
    return (both - by_chance) / ((in_one + in_other) / 2 - by_chance)


def test_the_index_of_equal_partitions_is_1_whatever_the_names() -> None:
    one = np.array([0, 0, 1, 1, 2])
    assert adjusted_rand_index(one, np.array([5, 5, 3, 3, 9])) == 1.0


def test_the_index_is_that_of_an_example_worked_by_hand() -> None:
    # Pairs: 2 in both, 6 in one, 3 in the other, of 15; by chance 6 * 3 / 15 = 1.2.
    one, other = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand_index(one, other) == pytest.approx((2 - 1.2) / (4.5 - 1.2))


def test_the_index_of_unrelated_partitions_is_near_0() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(5, size=(2, 4000))
    assert abs(adjusted_rand_index(one, other)) < 0.01


@functools.cache
def five_blobs(seed: int) -> tuple[LearnResult, Labels, list[Cluster]]:
    """Return the verdicts on five blobs, which those are, and the clusters then."""
    points, truth = blobs(seed, POINTS)
    engine = Engine()
    return engine.learn(points), truth, engine.clusters()


@pytest.mark.parametrize("seed", range(2))
def test_five_blobs_are_told_apart_at_arrival(seed: int) -> None:
    result, truth, _ = five_blobs(seed)
    assert adjusted_rand_index(result.cluster_ids, truth) > 0.95


@pytest.mark.parametrize("seed", range(2))
def test_five_blobs_end_as_hardly_more_clusters(seed: int) -> None:
    _, _, clusters = five_blobs(seed)
    assert 5 <= len(clusters) <= 7


@pytest.mark.parametrize("seed", range(2))
def test_five_blobs_have_a_centroid_each(seed: int) -> None:
    _, _, clusters = five_blobs(seed)
    centroids = np.array([cluster.centroid for cluster in clusters])
    gaps = np.linalg.norm(FAR_APART[:, None] - centroids, axis=2).min(axis=1)
    assert gaps.max() < 0.5


@pytest.mark.parametrize("seed", range(2))
def test_a_stationary_stream_has_no_drift(seed: int) -> None:
    result, _, _ = five_blobs(seed)
    assert result.drift == []


@functools.cache
def with_outliers(seed: int) -> tuple[LearnResult, NDArray[np.bool_]]:
    """Return the verdicts on five blobs with 2 % far points, and which those are."""
    points, _ = blobs(seed, POINTS)
    rng = np.random.default_rng(seed + 1000)
    strange = rng.random(POINTS) < 0.02
    direction = rng.normal(size=(POINTS, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    far = direction * rng.uniform(100, 300, (POINTS, 1))
    return Engine().learn(np.where(strange[:, None], far, points)), strange


def test_far_outliers_are_found() -> None:
    result, strange = with_outliers(0)
    found = result.is_outlier[SETTLED:][strange[SETTLED:]]
    assert found.mean() > 0.95


def test_what_is_called_an_outlier_is_one() -> None:
    result, strange = with_outliers(0)
    right = strange[SETTLED:][result.is_outlier[SETTLED:]]
    assert right.mean() > 0.95


@pytest.mark.parametrize("dimension", [1, 2, 3, 10])
def test_a_clean_blob_gives_hardly_a_false_alarm(dimension: int) -> None:
    result = Engine().learn(gaussian(dimension, 1500, dimension))
    assert result.is_outlier[SETTLED:].mean() <= 0.01


@functools.cache
def appearing(seed: int, share: float) -> LearnResult:
    """Return the verdicts on five blobs, from point 3,000 on with a sixth one."""
    points, _ = blobs(seed, 3200)
    rng = np.random.default_rng(seed + 1000)
    new = (np.arange(3200) >= 3000) & (rng.random(3200) < share)
    new[3000] = True
    points[new] = -30.0 + rng.normal(size=(int(new.sum()), 3))
    return Engine().learn(points)


@pytest.mark.parametrize(("seed", "share"), [(0, 1.0), (1, 0.5)])
def test_a_blob_that_appears_is_a_cluster_within_60_points(
    seed: int, share: float
) -> None:
    born = [c.at for c in appearing(seed, share).created if c.at > 3000]
    assert born[0] <= 3060


def test_a_blob_that_appears_is_no_outlier_thereafter() -> None:
    assert not appearing(0, 1.0).is_outlier[3060:].any()


@functools.cache
def replaced() -> LearnResult:
    """Return the verdicts on five blobs that all move away at point 3,000."""
    points, _ = blobs(3, 4500)
    points[3000:] += 100.0
    return Engine().learn(points)


def test_new_blobs_in_place_of_all_old_ones_are_a_drift() -> None:
    assert len(replaced().drift) >= 1


def test_the_drift_is_found_after_the_change_and_soon() -> None:
    assert 3000 < replaced().drift[0].at <= 4000


def test_the_drift_tells_old_and_new_clusters() -> None:
    result = replaced()
    old = {int(i) for i in result.cluster_ids[2000:3000]} - {-1}
    new = {int(i) for i in result.cluster_ids[4000:]} - {-1}
    affected = set(result.drift[-1].affected_clusters)
    assert affected & old
    assert affected & new


def test_points_of_the_new_blobs_are_no_outliers_for_long() -> None:
    assert not replaced().is_outlier[3300:].any()


def test_a_drift_names_clusters_that_are_there() -> None:
    result = replaced()
    for drift in result.drift:
        ledger = Ledger()
        ledger.apply([change for change in result.changes if change.at <= drift.at])
        assert set(drift.affected_clusters) <= ledger.alive


def test_fifty_blobs_are_told_apart() -> None:
    centres = np.random.default_rng(11).normal(0, 10, (50, 10))
    points, truth = blobs(12, 3000, centres)
    ids = Engine().learn(points).cluster_ids
    assert adjusted_rand_index(ids[2000:], truth[2000:]) > 0.9


def on_one_axis(wrong: float) -> float:
    """Return how well two blobs are told apart after one wrong reading."""
    points, truth = blobs(4, 2000, np.array([[0.0, 0.0, 0.0], [20.0, 0.0, 0.0]]))
    points[500, 0] = wrong
    ids = Engine().learn(points).cluster_ids
    return adjusted_rand_index(ids[-1000:], truth[-1000:])


def test_one_wrong_reading_does_not_blur_the_clusters() -> None:
    assert on_one_axis(100.0) > 0.5


@pytest.mark.parametrize("wrong", [1e4, 1e6])
def test_one_hugely_wrong_reading_does_not_blur_the_clusters(wrong: float) -> None:
    assert on_one_axis(wrong) > 0.5


@functools.cache
def strewn(rate: float) -> float:
    """Return the share of false alarms on blobs with so many outliers, in the end.

    There is room for 16 micro-clusters only, so that it does not take long.
    """
    centres = np.random.default_rng(2).normal(0, 10, (8, 24))
    points, _ = blobs(2, 1000, centres)
    rng = np.random.default_rng(11)
    strange = rng.random(1000) < rate
    points[strange] = rng.normal(0, 200, (int(strange.sum()), 24))
    result = Engine(EngineParams(memory_limit_mb=0.05)).learn(points)
    return float(result.is_outlier[-300:][~strange[-300:]].mean())


def test_without_outliers_scarce_memory_makes_no_false_alarms() -> None:
    assert strewn(0.0) <= 0.05


def test_outliers_do_not_turn_all_points_into_outliers() -> None:
    assert strewn(0.1) <= 0.05


@functools.cache
def very_far() -> tuple[int, Labels, Labels]:
    """Return the number of clusters of two very far blobs, the ids, and the truth."""
    engine = Engine()
    points, truth = blobs(5, 2000, np.array([[-1000.0, 0.0], [1000.0, 0.0]]))
    ids = engine.learn(points).cluster_ids
    return engine.cluster_count, ids[SETTLED:], truth[SETTLED:]


def test_two_very_far_blobs_are_two_clusters() -> None:
    count, _, _ = very_far()
    assert count <= 4


def test_two_very_far_blobs_share_no_cluster() -> None:
    _, ids, truth = very_far()
    left, right = (set(ids[truth == side].tolist()) - {-1} for side in (0, 1))
    assert not left & right
