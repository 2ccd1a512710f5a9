from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from ncs_engine import Change, Engine, EngineParams

from .streams import STEADY, Points, blobs, eventful_streams, gaussian

pytestmark = pytest.mark.unit


def test_the_documented_example_gives_its_ids() -> None:
    result = Engine().learn([[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [10.0, 20.0, 30.0]])
    assert result.cluster_ids.tolist() == [0, 0, 1]


def test_a_near_point_falls_into_the_same_cluster() -> None:
    ids = Engine().learn([[1.0, 2.0, 3.0], [1.1, 2.1, 3.1]]).cluster_ids
    assert ids.tolist() == [0, 0]


def test_a_far_point_founds_a_second_cluster() -> None:
    engine = Engine()
    ids = engine.learn([[1, 2, 3], [10, 20, 30]]).cluster_ids.tolist()
    assert (ids, engine.cluster_count) == ([0, 1], 2)


def test_a_point_at_middling_distance_founds_a_second_cluster() -> None:
    assert Engine().learn([[1, 2, 3], [5, 6, 7]]).cluster_ids.tolist() == [0, 1]


def test_the_first_point_is_cluster_0_and_no_outlier() -> None:
    result = Engine().learn([[1.0, 2.0, 3.0]])
    verdict = result.cluster_ids.tolist(), result.is_outlier.tolist()
    assert verdict == ([0], [False])


def test_a_new_cluster_is_told_at_its_point() -> None:
    result = Engine().learn([[1.0], [1.0], [500.0]])
    assert result.created == [
        Change("created", 0, 1, size=1),
        Change("created", 1, 3, size=1),
    ]


def test_the_origin_as_first_point_divides_nothing_by_zero() -> None:
    ids = Engine().learn([[0, 0, 0], [0, 0, 0], [1, 1, 1], [0, 0, 0]]).cluster_ids
    assert ids.tolist() == [0, 0, 1, 0]


def test_a_fresh_engine_knows_nothing() -> None:
    engine = Engine()
    known = engine.clusters(), engine.points_learned, engine.cluster_count
    assert (*known, engine.dimension, engine.state_bytes) == ([], 0, 0, None, 0)


def test_the_first_point_fixes_the_dimension() -> None:
    engine = Engine()
    engine.learn([[1.0, 2.0, 3.0]])
    assert engine.dimension == 3


def test_a_fresh_engine_has_statistics() -> None:
    assert Engine().statistics() == {
        "num_clusters": 0,
        "total_points_processed": 0,
        "outliers": 0,
        "clustering_quality": 0.0,
        "global_stability": 0.0,
        "current_dynamic_threshold": 0.71,
        "micro_clusters": 0,
        "state_bytes": 0,
        "dimension": None,
    }


def test_statistics_count_clusters_points_and_outliers() -> None:
    points, _ = blobs(0, 700)
    points[600] += 5000.0
    engine = Engine()
    found = engine.learn(points)
    statistics = engine.statistics()
    assert (engine.cluster_count, 700, int(found.is_outlier.sum())) == (
        statistics["num_clusters"],
        statistics["total_points_processed"],
        statistics["outliers"],
    )


def test_every_seed_gives_the_same_result() -> None:
    points, _ = blobs(1, 300)
    one, other = Engine(seed=1).learn(points), Engine(seed=2).learn(points)
    assert one.outlier_scores.tolist() == other.outlier_scores.tolist()


def test_fresh_engines_give_equal_results() -> None:
    points, _ = blobs(2, 300)
    one, other = Engine(), Engine()
    one.learn(points)
    other.learn(points)
    assert one.snapshot() == other.snapshot()


def test_the_event_time_changes_nothing() -> None:
    points, _ = blobs(3, 300)
    one, other = Engine(), Engine()
    one.learn(points)
    other.learn(points, event_time=12345.0)
    assert one.snapshot() == other.snapshot()


def test_learning_nothing_before_the_first_point_fixes_no_dimension() -> None:
    engine = Engine()
    result = engine.learn(np.zeros((0, 3)))
    assert (len(result.cluster_ids), engine.dimension) == (0, None)


def test_learning_nothing_changes_nothing() -> None:
    engine = Engine()
    engine.learn(gaussian(0, 40, 2))
    before = engine.snapshot()
    engine.learn(np.zeros((0, 2)))
    assert engine.snapshot() == before


def test_predicting_before_the_first_point_finds_outliers_only() -> None:
    result = Engine().predict([[1.0], [2.0]])
    arrays = result.cluster_ids, result.is_outlier, result.outlier_scores
    assert [a.tolist() for a in arrays] == [[-1, -1], [True, True], [1.0, 1.0]]


def test_predicting_nothing_gives_nothing() -> None:
    engine = Engine()
    engine.learn([[1.0]])
    assert len(engine.predict(np.zeros((0, 1))).cluster_ids) == 0


@given(eventful_streams(300))
@STEADY
def test_predicting_learns_nothing(points: Points) -> None:
    engine = Engine()
    engine.learn(points[:200])
    before = engine.snapshot()
    engine.predict(points[200:])
    assert engine.snapshot() == before


@given(eventful_streams(300))
@STEADY
def test_a_point_is_learned_as_it_was_predicted(points: Points) -> None:
    engine = Engine()
    engine.learn(points[:50])
    for point in points[50:]:
        foretold, told = engine.predict([point]), engine.learn([point])
        assert foretold.cluster_ids[0] == told.cluster_ids[0]
        assert foretold.outlier_scores[0] == told.outlier_scores[0]


def test_a_reset_tells_which_clusters_are_gone() -> None:
    engine = Engine()
    engine.learn([[1.0], [1.0], [500.0]])
    assert engine.reset() == [
        Change("removed", 0, 3, size=2),
        Change("removed", 1, 3, size=1),
    ]


def test_a_reset_engine_knows_nothing() -> None:
    engine = Engine()
    engine.learn(gaussian(0, 40, 2))
    engine.reset()
    assert engine.statistics() == Engine().statistics()


def test_a_reset_frees_the_dimension() -> None:
    engine = Engine()
    engine.learn(gaussian(0, 40, 2))
    engine.reset()
    engine.learn(gaussian(0, 40, 5))
    assert engine.dimension == 5


def test_a_reset_keeps_the_parameters() -> None:
    engine = Engine(EngineParams(max_clusters=3))
    engine.learn(gaussian(0, 40, 2))
    engine.reset()
    assert engine.params == EngineParams(max_clusters=3)


def test_after_a_reset_points_score_as_at_first() -> None:
    points, _ = blobs(7, 300)
    engine = Engine()
    first = engine.learn(points)
    engine.reset()
    second = engine.learn(points)
    assert first.outlier_scores.tolist() == second.outlier_scores.tolist()


def test_after_a_reset_ids_go_on() -> None:
    engine = Engine()
    engine.learn([[1.0], [500.0]])
    engine.reset()
    assert engine.learn([[1.0], [500.0]]).cluster_ids.tolist() == [2, 3]


def test_resetting_a_fresh_engine_removes_nothing() -> None:
    assert Engine().reset() == []


def told(engine: Engine) -> dict[int, tuple[object, ...]]:
    """Return what is told of each cluster; its age goes on by itself."""
    return {
        c.cluster_id: (c.size, c.centroid.tolist(), c.radius, c.quality, c.health)
        for c in engine.clusters()
    }


def test_a_cluster_changes_only_where_it_is_named_as_updated() -> None:
    points, _ = blobs(5, 900)
    engine, known = Engine(), {}
    for at in range(0, 900, 7):
        result = engine.learn(points[at : at + 7])
        now = told(engine)
        changed = {i for i in now if now[i] != known.get(i)}
        assert changed <= set(result.updated)
        known = now
