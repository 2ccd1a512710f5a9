from __future__ import annotations

import numpy as np
import pytest

from ncs_engine import Engine, EngineParams, LearnResult

from .streams import FAR_APART, Points, blobs, gaussian

pytestmark = pytest.mark.unit


def told_apart(engine: Engine, *places: Points) -> bool:
    """Return whether each place is in a cluster, and each in another one."""
    ids = engine.predict(np.array(places)).cluster_ids.tolist()
    return -1 not in ids and len(set(ids)) == len(ids)


def tight(seed: int, n: int, dimension: int) -> Points:
    return 0.01 * gaussian(seed, n, dimension)


def test_two_blobs_in_one_dimension_are_told_apart() -> None:
    engine = Engine()
    engine.learn(blobs(0, 900, np.array([[0.0], [50.0]]))[0])
    assert told_apart(engine, np.array([0.0]), np.array([50.0]))


def test_a_far_value_in_one_dimension_is_an_outlier() -> None:
    engine = Engine()
    engine.learn(gaussian(1, 900, 1))
    assert engine.learn([[100.0]]).is_outlier.tolist() == [True]


def test_one_blob_in_one_dimension_is_one_cluster() -> None:
    engine = Engine()
    engine.learn(gaussian(2, 1500, 1))
    assert engine.cluster_count <= 3


def test_two_blobs_in_a_thousand_dimensions_are_told_apart() -> None:
    centres = np.stack([np.zeros(1000), np.full(1000, 5.0)])
    engine = Engine()
    engine.learn(blobs(3, 300, centres)[0])
    assert told_apart(engine, *centres)


def test_a_far_point_in_a_thousand_dimensions_is_an_outlier() -> None:
    engine = Engine()
    engine.learn(gaussian(4, 300, 1000))
    assert engine.learn(np.full((1, 1000), 20.0)).is_outlier.tolist() == [True]


def all_equal(count: int) -> tuple[Engine, LearnResult]:
    engine = Engine()
    return engine, engine.learn(np.full((count, 3), 7.5))


def test_thousands_of_equal_points_are_one_cluster() -> None:
    engine, result = all_equal(2000)
    assert (engine.cluster_count, set(result.cluster_ids.tolist())) == (1, {0})


def test_equal_points_have_their_place_as_centroid() -> None:
    engine, _ = all_equal(1000)
    assert [c.centroid.tolist() for c in engine.clusters()] == [[7.5, 7.5, 7.5]]


def test_after_equal_points_new_clusters_are_still_found() -> None:
    engine, _ = all_equal(1000)
    result = engine.learn(50.0 + gaussian(5, 600, 3))
    assert result.is_outlier[-100:].mean() <= 0.02


def test_a_constant_feature_beside_a_varying_one_changes_nothing() -> None:
    points, _ = blobs(6, 600)
    plain, padded = Engine(), Engine()
    expected = plain.learn(points).cluster_ids
    constant = np.column_stack([points, np.full(600, 3.0)])
    # What is told before there is a scale goes by the length of the points.
    assert padded.learn(constant).is_outlier[32:].mean() < 0.01
    assert padded.cluster_count == plain.cluster_count == len(set(expected[-200:]))


def test_a_feature_that_begins_to_vary_counts_from_then_on() -> None:
    points, truth = blobs(7, 2300, np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 30.0]]))
    points[:300, 2] = 0.0
    engine = Engine()
    engine.learn(points)
    ids = engine.predict(points[-300:]).cluster_ids
    of_blob = [set(ids[truth[-300:] == blob].tolist()) - {-1} for blob in (0, 1)]
    assert not of_blob[0] & of_blob[1]


def test_a_feature_that_begins_to_vary_leaves_no_outliers_behind() -> None:
    points = gaussian(8, 1200, 3)
    points[:300, 2] = 0.0
    assert Engine().learn(points).is_outlier[-500:].mean() <= 0.01


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_a_huge_offset_does_not_matter(offset: float) -> None:
    points, _ = blobs(9, 700)
    engine = Engine()
    engine.learn(points + offset)
    assert told_apart(engine, *(FAR_APART + offset))


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_the_input_does_not_matter(scale: float) -> None:
    points, _ = blobs(10, 700)
    engine = Engine()
    engine.learn(points * scale)
    assert told_apart(engine, *(FAR_APART * scale))


def test_a_power_of_two_as_scale_changes_no_verdict() -> None:
    points, _ = blobs(11, 700)
    plain, scaled = Engine().learn(points), Engine().learn(points * 2.0**-30)
    assert plain.outlier_scores.tolist() == scaled.outlier_scores.tolist()


def one_hot(seed: int, n: int, features: int) -> Points:
    return np.eye(features)[np.random.default_rng(seed).integers(features, size=n)]


def test_one_hot_features_beside_others_make_no_outliers() -> None:
    points = np.hstack([one_hot(12, 900, 5), gaussian(13, 900, 3)])
    assert Engine().learn(points).is_outlier[500:].mean() <= 0.01


def test_one_hot_points_by_cosine_are_no_outliers() -> None:
    engine = Engine(EngineParams(metric="cosine"))
    assert not engine.learn(one_hot(14, 1000, 5)).is_outlier.any()


def test_one_hot_points_that_came_before_are_no_outliers() -> None:
    assert Engine().learn(one_hot(15, 600, 5)).is_outlier[300:].mean() <= 0.01


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_two_values_far_apart_are_two_clusters(metric: str) -> None:
    places = np.array([[100.0, 1.0], [1.0, 100.0]])
    engine = Engine(EngineParams().replace(metric=metric))
    engine.learn(np.tile(places, (300, 1)))
    assert told_apart(engine, *places)


def test_rounded_readings_make_no_more_outliers() -> None:
    centres = np.array([[0.0, 0.0], [20.0, 0.0]])
    points = centres[np.arange(800) % 2] + np.round(0.6 * gaussian(16, 800, 2))
    assert Engine().learn(points).is_outlier[400:].mean() <= 0.01


def test_zero_vectors_by_cosine_are_one_cluster() -> None:
    engine = Engine(EngineParams(metric="cosine"))
    assert set(engine.learn(np.zeros((600, 4))).cluster_ids.tolist()) == {0}


def test_zero_vectors_among_others_by_cosine_have_a_cluster_of_their_own() -> None:
    points = np.abs(gaussian(17, 600, 8)) * 0.1 + np.eye(8)[np.arange(600) % 2]
    points[::3] = 0.0
    engine = Engine(EngineParams(metric="cosine"))
    engine.learn(points)
    zero, other = engine.predict(np.vstack([np.zeros(8), points[1]])).cluster_ids
    assert zero not in (-1, other)


def copies(lengths: Points) -> set[int]:
    """Return the cluster ids by cosine of copies of one point in these lengths."""
    engine = Engine(EngineParams(metric="cosine"))
    return set(engine.learn(np.outer(lengths, [1.0, 2.0, 3.0])).cluster_ids.tolist())


def test_scaled_copies_by_cosine_are_in_one_cluster() -> None:
    assert copies(np.exp2(np.random.default_rng(24).integers(-20, 20, 600))) == {0}


def test_copies_scaled_by_any_factor_by_cosine_are_in_one_cluster() -> None:
    assert copies(np.random.default_rng(25).uniform(0.1, 10, 600)) == {0}


def test_by_cosine_the_length_changes_no_verdict() -> None:
    points = gaussian(18, 600, 4) + 3.0 * np.eye(4)[0]
    lengths = 2.0 ** np.random.default_rng(19).integers(-9, 9, (600, 1))
    one, other = (Engine(EngineParams(metric="cosine")) for _ in range(2))
    expected = one.learn(points).outlier_scores.tolist()
    assert other.learn(points * lengths).outlier_scores.tolist() == expected


def test_points_of_nearly_the_largest_size_are_learned() -> None:
    points, _ = blobs(20, 600)
    assert not Engine().learn(points * 1e98).is_outlier[500:].any()


def test_a_point_beyond_the_largest_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 1e\+100"):
        Engine().learn([[1.0], [1.1e100], [1.0]])


def test_one_huge_point_does_not_end_the_clustering() -> None:
    points, _ = blobs(21, 1200)
    engine = Engine()
    engine.learn(points[:500])
    engine.learn(np.full((1, 3), 1e100))
    engine.learn(points[500:])
    assert told_apart(engine, *FAR_APART)


def test_a_cluster_lies_where_its_points_are_though_there_is_no_room_for_all() -> None:
    points = 10.0 + gaussian(22, 400, 30)
    engine = Engine(EngineParams(memory_limit_mb=0.05))
    engine.learn(points)
    assert all(8 < cluster.centroid.mean() < 12 for cluster in engine.clusters())


def test_a_young_cluster_lies_where_its_points_are_though_there_is_no_room() -> None:
    points = 10.0 * np.sign(gaussian(23, 30, 100))
    engine = Engine(EngineParams(memory_limit_mb=0.05))
    engine.learn(points)
    assert all(cluster.centroid.any() for cluster in engine.clusters())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_slow_sensor_is_a_few_clusters_and_hardly_ever_strange(seed: int) -> None:
    # Four regimes with stays of 300 points, noise correlated over two hundred.
    n = 6000
    noise = gaussian(seed + 50, n, 6)
    for i in range(1, n):
        noise[i] = 0.995 * noise[i - 1] + 0.1 * noise[i]
    truth = np.repeat(np.random.default_rng(seed).integers(4, size=n // 300), 300)
    engine = Engine()
    result = engine.learn(8.0 * np.eye(4, 6)[truth] + noise)
    assert 4 <= engine.cluster_count <= 10
    assert result.is_outlier.mean() < 0.05
