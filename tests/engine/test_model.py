from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given

from ncs_engine import Engine, EngineParams, LearnResult
from ncs_engine.outliers import Background
from ncs_engine.snapshot import decode_snapshot

from .streams import STEADY, Points, blobs, eventful_streams, gaussian, ring

pytestmark = pytest.mark.unit

FIRST_STEP = 32
YOUNG = 256  # points during which most places are new
CALM_STEPS = {32, 64, 128, 384, 640, 896}


@given(eventful_streams(FIRST_STEP))
@STEADY
def test_before_a_scale_is_known_no_point_is_an_outlier(points: Points) -> None:
    assert not Engine().learn(points).is_outlier.any()


@given(eventful_streams(FIRST_STEP))
@STEADY
def test_before_a_scale_is_known_every_score_is_that_of_an_average_point(
    points: Points,
) -> None:
    average = np.float32(Background().lift(0.0, 1.0))
    assert set(Engine().learn(points).outlier_scores) == {average}


def test_without_a_run_of_outliers_clusters_are_found_anew_at_point_counts() -> None:
    steps = set()
    for seed in (1, 2, 3):
        result = Engine().learn(blobs(seed, 1000)[0])
        steps |= {change.at for change in result.changes if change.at > YOUNG}
    assert steps <= CALM_STEPS


def test_a_density_step_may_fall_into_the_middle_of_a_call() -> None:
    points, _ = blobs(0, 200)
    engine = Engine()
    engine.learn(points[:30])
    engine.learn(points[30:100])
    whole = Engine()
    whole.learn(points[:100])
    assert engine.snapshot() == whole.snapshot()


def sudden(points: Points, count: int) -> LearnResult:
    """Return what becomes of a new blob after 600 points."""
    engine = Engine()
    engine.learn(points[:600])
    return engine.learn(points[600 : 600 + count] + 500.0)


def test_a_new_blob_begins_as_outliers() -> None:
    assert sudden(gaussian(0, 900, 3), 5).is_outlier.all()


def test_a_run_of_strange_points_brings_the_density_step_forward() -> None:
    result = sudden(gaussian(0, 900, 3), 60)
    assert 600 < result.created[0].at <= 616 + 8


def test_a_new_blob_is_no_outlier_once_it_is_a_cluster() -> None:
    assert not sudden(gaussian(0, 900, 3), 60).is_outlier[-20:].any()


def test_a_new_cluster_starts_with_the_points_that_made_it() -> None:
    result = sudden(gaussian(0, 900, 3), 60)
    (created,) = result.created
    assert 3 <= created.size <= created.at - 600


def test_a_few_strange_points_are_no_cluster() -> None:
    engine = Engine()
    engine.learn(gaussian(1, 600, 3))
    result = engine.learn(np.vstack([gaussian(2, 4, 3) + 500.0, gaussian(3, 300, 3)]))
    assert result.created == []


def test_the_first_strange_points_keep_their_verdict() -> None:
    engine = Engine()
    engine.learn(gaussian(0, 600, 3))
    result = engine.learn(gaussian(1, 60, 3) + 500.0)
    assert result.cluster_ids[0] == -1


LONE = np.array([[60.0, 60.0, 60.0]])


@functools.cache
def long_after() -> dict[int, Engine]:
    """Return, by points, an engine that saw six points of a second blob early on.

    Beside them, 20 outliers each at a place of its own.
    """
    rng = np.random.default_rng(1)
    points = gaussian(2, 40_000, 3)
    points[300:540:40] = LONE + 0.3 * rng.normal(size=(6, 3))
    points[1000:1600:30] = 1000.0 * rng.normal(size=(20, 3))
    engine = Engine()
    engine.learn(points[:5000])
    later = Engine.restore(engine.snapshot())
    later.learn(points[5000:])
    return {5000: engine, 40_000: later}


def test_a_cluster_that_gets_no_more_points_stays_for_long() -> None:
    assert not long_after()[5000].predict(LONE).is_outlier[0]


def test_a_small_cluster_that_gets_no_more_points_is_forgotten_in_the_end() -> None:
    assert long_after()[40_000].predict(LONE).is_outlier[0]


def test_what_is_told_of_lone_points_is_forgotten_in_the_end() -> None:
    _, arrays = decode_snapshot(long_after()[40_000].snapshot())
    assert arrays["micro.weight"].min() >= 0.5


def test_a_density_step_leaves_room_for_new_micro_clusters() -> None:
    engine = Engine(EngineParams(memory_limit_mb=0.05))  # room for 16 of them
    engine.learn(gaussian(3, max(CALM_STEPS), 24))
    assert engine.statistics()["micro_clusters"] < 16


def test_the_threshold_in_force_follows_the_data() -> None:
    engine = Engine()
    engine.learn(gaussian(4, max(CALM_STEPS), 3))
    assert engine.current_dynamic_threshold != engine.params.base_threshold


@functools.cache
def growing_together(sensitivity: float) -> tuple[list[int], LearnResult]:
    """Return the ids of two blobs, and what becomes of them when they meet."""
    side = np.random.default_rng(2).choice([-1, 1], 4500)
    apart = 8 * (1 - np.clip((np.arange(4500) - 2500) / 2000, 0, 1))
    points = gaussian(102, 4500, 5)
    points[:, 0] += side * apart
    engine = Engine(EngineParams(drift_sensitivity=sensitivity))
    before = engine.learn(points[:2500]).cluster_ids
    ids = [int(before[side[:2500] == at][-1]) for at in (-1, 1)]
    return ids, engine.learn(points[2500:])


def test_two_blobs_that_grow_together_are_merged() -> None:
    (left, right), result = growing_together(0.5)
    told = {(change.cluster_id, change.other) for change in result.merged}
    assert len(told & {(left, right), (right, left)}) == 1


@pytest.mark.parametrize("sensitivity", [0.5, 1.0])
def test_a_merge_of_clusters_is_no_drift(sensitivity: float) -> None:
    # That the points move is drift, to detectors that do not look at clusters.
    _, result = growing_together(sensitivity)
    assert {drift.detector for drift in result.drift} <= {"likelihood", "distribution"}


def test_a_stricter_threshold_splits_what_overlaps() -> None:
    points = ring(0, 1800)
    engine = Engine(EngineParams(base_threshold=0.3))
    engine.learn(points[:896])
    parents = {cluster.cluster_id for cluster in engine.clusters()}
    engine.configure(base_threshold=0.99)
    split = engine.learn(points[896:]).split
    assert parents & {change.other for change in split}


def test_no_more_clusters_than_the_maximum_at_any_time() -> None:
    engine = Engine(EngineParams(max_clusters=3))
    counts = []
    for point in blobs(5, 600)[0]:
        engine.learn([point])
        counts.append(engine.cluster_count)
    assert max(counts) == 3


def test_at_a_maximum_of_one_there_is_one_cluster_and_outliers() -> None:
    engine = Engine(EngineParams(max_clusters=1))
    ids = set(engine.learn(blobs(6, 600)[0]).cluster_ids.tolist())
    assert ids <= {0, -1}


def test_the_surplus_clusters_join_their_nearest() -> None:
    near = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 100.0], [0.0, 0.0, 112.0]])
    engine = Engine(EngineParams(max_clusters=2))
    engine.learn(blobs(7, 900, near)[0])
    ids = engine.predict(near).cluster_ids.tolist()
    assert ids[0] != ids[1] == ids[2]


def test_points_of_one_direction_are_one_cosine_cluster() -> None:
    directions = np.eye(3)[np.random.default_rng(8).integers(3, size=600)]
    lengths = 10.0 ** np.random.default_rng(9).uniform(-3, 3, (600, 1))
    points = lengths * (directions + 0.05 * gaussian(10, 600, 3))
    engine = Engine(EngineParams(metric="cosine"))
    engine.learn(points)
    ids = engine.predict(np.vstack([np.eye(3), 1e6 * np.eye(3)])).cluster_ids.tolist()
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("count", [20, 40])
def test_a_fair_number_of_blobs_is_told_apart(count: int) -> None:
    centres = np.random.default_rng(11).normal(0, 10, (count, 10))
    points, _ = blobs(12, 2000, centres)
    engine = Engine()
    engine.learn(points)
    assert len(set(engine.predict(centres).cluster_ids.tolist())) == count
