from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Change, Engine, EngineParams

from .streams import STEADY, Points, any_params, blobs, eventful_streams

pytestmark = pytest.mark.unit

LENGTH = 450
WARM_UP = 32  # points; a cluster that is created in them begins with its first point

streams = eventful_streams(LENGTH)


@given(streams, any_params())
@STEADY
def test_what_is_a_share_lies_between_0_and_1(
    points: Points, params: EngineParams
) -> None:
    engine = Engine(params)
    for part in np.array_split(points, 10):
        engine.learn(part)
        for c in engine.clusters():
            shares = c.health, c.quality, c.confidence, c.drift_coefficient
            assert all(0.0 <= share <= 1.0 for share in shares)


@given(streams, any_params())
@STEADY
def test_the_means_over_clusters_lie_between_0_and_1(
    points: Points, params: EngineParams
) -> None:
    engine = Engine(params)
    for part in np.array_split(points, 10):
        engine.learn(part)
        statistics = engine.statistics()
        means = statistics["clustering_quality"], statistics["global_stability"]
        assert all(0.0 <= mean <= 1.0 for mean in means)


@given(streams, any_params())
@STEADY
def test_health_follows_its_formula(points: Points, params: EngineParams) -> None:
    engine = Engine(params)
    engine.learn(points)
    for c in engine.clusters():
        stability = 1.0 - c.drift_coefficient
        young, small = min(1.0, c.age / 20), min(1.0, c.size / 10)
        health = 0.3 * stability + 0.3 * c.quality + 0.2 * small + 0.2 * young
        assert c.health == pytest.approx(health)


@given(streams, any_params())
@STEADY
def test_confidence_follows_its_formula(points: Points, params: EngineParams) -> None:
    engine = Engine(params)
    engine.learn(points)
    for c in engine.clusters():
        assert c.confidence == pytest.approx(1 - math.exp(-c.size / 20))


@given(streams, any_params())
@STEADY
def test_no_cluster_is_older_than_the_engine(
    points: Points, params: EngineParams
) -> None:
    engine = Engine(params)
    engine.learn(points)
    for c in engine.clusters():
        assert 0 <= c.age < LENGTH
        assert LENGTH - c.age <= c.last_seen <= LENGTH


@given(streams, any_params())
@STEADY
def test_centroids_and_radii_are_finite(points: Points, params: EngineParams) -> None:
    engine = Engine(params)
    engine.learn(points)
    for c in engine.clusters():
        assert np.isfinite([*c.centroid, c.radius]).all()
        assert c.radius >= 0.0


@given(streams, any_params())
@STEADY
def test_clusters_come_by_ascending_id(points: Points, params: EngineParams) -> None:
    engine = Engine(params)
    engine.learn(points)
    ids = [cluster.cluster_id for cluster in engine.clusters()]
    assert ids == sorted(set(ids))


@given(streams, any_params())
@STEADY
def test_all_ways_to_count_the_clusters_agree(
    points: Points, params: EngineParams
) -> None:
    engine = Engine(params)
    engine.learn(points)
    counts = len(engine.clusters()), engine.statistics()["num_clusters"]
    assert counts == (engine.cluster_count, engine.cluster_count)


@given(streams, any_params())
@STEADY
def test_outliers_are_counted(points: Points, params: EngineParams) -> None:
    engine = Engine(params)
    outliers = int(engine.learn(points).is_outlier.sum())
    assert engine.statistics()["outliers"] == outliers


@given(streams, any_params())
@STEADY
def test_every_point_is_counted_in_one_place(
    points: Points, params: EngineParams
) -> None:
    # The points of a cluster that is born after the warm-up were outliers on arrival
    # and are counted once more in the cluster.
    engine = Engine(params)
    changes: list[Change] = []
    for part in np.array_split(points, 30):
        result = engine.learn(part)
        changes += result.changes
        born = sum(c.size for c in changes if c.kind == "created" and c.at > WARM_UP)
        gone = sum(c.size for c in changes if c.kind == "removed")
        held = sum(cluster.size for cluster in engine.clusters())
        outliers = engine.statistics()["outliers"]
        assert held + gone + outliers == engine.points_learned + born


@given(streams, any_params())
@STEADY
def test_no_size_is_negative(points: Points, params: EngineParams) -> None:
    engine = Engine(params)
    for part in np.array_split(points, 10):
        engine.learn(part)
        assert all(cluster.size >= 0 for cluster in engine.clusters())


@given(streams)
@STEADY
def test_all_first_points_are_in_clusters(points: Points) -> None:
    engine = Engine()
    engine.learn(points[: WARM_UP - 1])
    assert sum(cluster.size for cluster in engine.clusters()) == WARM_UP - 1


@given(streams, st.integers(1, 6))
@STEADY
def test_there_are_never_more_clusters_than_the_maximum(
    points: Points, most: int
) -> None:
    engine = Engine(EngineParams(max_clusters=most))
    for part in np.array_split(points, 90):
        engine.learn(part)
        assert engine.cluster_count <= most


@given(streams, st.integers(1, 6))
@STEADY
def test_a_new_maximum_holds_from_the_density_step_on(
    points: Points, most: int
) -> None:
    engine = Engine()
    engine.learn(points[:WARM_UP])  # a density step ends here
    engine.configure(max_clusters=most)
    for part in np.array_split(points[WARM_UP:], 90):
        engine.learn(part)
        assert engine.cluster_count <= most


@given(streams, any_params())
@STEADY
def test_the_threshold_stays_near_its_base(
    points: Points, params: EngineParams
) -> None:
    engine = Engine(params)
    for part in np.array_split(points, 10):
        engine.learn(part)
        swing = engine.current_dynamic_threshold - params.base_threshold
        assert abs(swing) <= 0.05 + 1e-12


@given(streams, any_params())
@STEADY
def test_a_quiet_call_changes_nothing(points: Points, params: EngineParams) -> None:
    engine = Engine(params)
    engine.learn(points)
    before = engine.snapshot()
    for _ in range(2):
        engine.clusters()
        engine.statistics()
    assert engine.snapshot() == before


FIFTY = np.random.default_rng(0).normal(0, 10, (50, 10))


@pytest.fixture(scope="module")
def bytes_after() -> dict[int, int]:
    """State bytes after so many points of 50 blobs in 10 dimensions."""
    points, _ = blobs(1, 6000, FIFTY)
    engine, found = Engine(), {}
    for end in range(1000, 7000, 1000):
        engine.learn(points[end - 1000 : end])
        found[end] = engine.state_bytes
    return found


def test_the_state_of_fifty_blobs_fits_into_256_kb(bytes_after: dict[int, int]) -> None:
    assert bytes_after[5000] <= 256 * 1024


def test_the_state_does_not_grow_with_the_points(bytes_after: dict[int, int]) -> None:
    assert bytes_after[6000] <= 1.1 * bytes_after[3000]


def test_a_snapshot_does_not_grow_with_the_points() -> None:
    points, _ = blobs(2, 6000)
    engine = Engine()
    engine.learn(points[:3000])
    before = len(engine.snapshot())
    engine.learn(points[3000:])
    assert len(engine.snapshot()) <= 1.2 * before


def affected_but_gone(points: Points) -> set[int]:
    """Return the clusters that a drift names though they were gone by then."""
    engine = Engine(EngineParams(drift_sensitivity=1.0))
    gone: set[int] = set()
    named: set[int] = set()
    for point in points:
        result = engine.learn([point])
        gone |= {c.cluster_id for c in result.merged + result.removed}
        named |= {i for drift in result.drift for i in drift.affected_clusters} & gone
    return named
