from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ncs_engine import Engine, EngineParams, LearnResult
from ncs_engine.model import Model

from .streams import FAR_APART, Points, blobs, gaussian, ring

pytestmark = pytest.mark.unit

# While no points are strange, density steps end at these points; what `configure`
# changes there holds from the very next one on.
SETTLED = 640


def test_configure_returns_what_is_in_force() -> None:
    engine = Engine()
    assert engine.configure(max_clusters=7) == engine.params


def test_a_bad_value_changes_nothing() -> None:
    engine = Engine()
    engine.learn(gaussian(0, 50, 2))
    before = engine.snapshot()
    with pytest.raises(ValueError, match="outlier_threshold"):
        engine.configure(max_clusters=7, outlier_threshold=2.0)
    assert engine.snapshot() == before


def test_an_unknown_name_changes_nothing() -> None:
    engine = Engine()
    engine.learn(gaussian(0, 50, 2))
    before = engine.snapshot()
    with pytest.raises(ValueError, match="unknown parameter"):
        engine.configure(max_clusters=7, vigor=1)
    assert engine.snapshot() == before


def test_the_metric_can_change_before_the_first_point() -> None:
    engine = Engine()
    engine.configure(metric="cosine")
    assert engine.learn([[1.0, 1.0], [900.0, 900.0]]).cluster_ids.tolist() == [0, 0]


def test_the_metric_cannot_change_after_the_first_point() -> None:
    engine = Engine()
    engine.learn([[1.0]])
    with pytest.raises(ValueError, match="metric is fixed by the first point"):
        engine.configure(metric="cosine")


def test_a_refused_metric_changes_nothing() -> None:
    engine = Engine()
    engine.learn([[1.0]])
    before = engine.snapshot()
    with pytest.raises(ValueError, match="metric"):
        engine.configure(metric="cosine", max_clusters=7)
    assert engine.snapshot() == before


def test_the_metric_can_change_after_a_reset() -> None:
    engine = Engine()
    engine.learn([[1.0]])
    engine.reset()
    assert engine.configure(metric="cosine").metric == "cosine"


def configured(points: Points, **changes: Any) -> Engine:
    """Return an engine that learned `points` and was configured then."""
    engine = Engine()
    engine.learn(points)
    engine.configure(**changes)
    return engine


def test_points_are_learned_after_a_configure_between_density_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learn = Model.learn_until_step

    def learn_some(
        model: Model, block: NDArray[np.float64], done: int, result: LearnResult
    ) -> int:
        count = learn(model, block, done, result)
        assert count > 0, "no point was taken, and none ever will be"
        return count

    monkeypatch.setattr(Model, "learn_until_step", learn_some)
    engine = configured(gaussian(0, SETTLED + 1, 3), max_clusters=3)
    engine.learn(gaussian(1, 10, 3))
    assert engine.points_learned == SETTLED + 11


def test_a_configured_base_threshold_is_in_force_after_the_next_point() -> None:
    engine = configured(gaussian(0, SETTLED, 3), base_threshold=0.3)
    engine.learn(gaussian(1, 1, 3))
    assert engine.current_dynamic_threshold == pytest.approx(0.3, abs=0.05)


def test_a_configured_base_threshold_changes_the_clusters_at_the_next_step() -> None:
    points = ring(0, SETTLED + 1)
    engine = configured(points[:SETTLED], base_threshold=0.05)
    same = configured(points[:SETTLED])
    engine.learn(points[SETTLED:])
    same.learn(points[SETTLED:])
    assert engine.cluster_count < same.cluster_count


def test_a_configured_learning_rate_changes_how_fast_a_centre_follows() -> None:
    places = []
    for rate in (0.0, 1.0):
        engine = configured(gaussian(0, SETTLED, 10), learning_rate=rate)
        engine.learn(0.3 + gaussian(1, 200, 10))
        places.append(max(c.centroid.mean() for c in engine.clusters()))
    assert places[0] < places[1]


def test_a_configured_maximum_holds_after_the_next_point() -> None:
    points, _ = blobs(0, SETTLED)
    engine = configured(points, max_clusters=2)
    engine.learn(points[:1])
    assert engine.cluster_count == 2


def test_the_outlier_threshold_decides_what_is_called_an_outlier() -> None:
    engine = Engine()
    engine.learn(gaussian(0, SETTLED, 3))
    line = np.outer(np.linspace(0, 20, 200), [1.0, 0.0, 0.0])
    called = []
    for threshold in (0.1, 0.5, 0.95):
        engine.configure(outlier_threshold=threshold)
        called.append(int(engine.predict(line).is_outlier.sum()))
    assert called[0] > called[1] > called[2]


def moving(share: float) -> Points:
    """Return 2,800 points; from 2,100 on a share of them falls on the first blob."""
    points, _ = blobs(0, 2800)
    rng = np.random.default_rng(1)
    moved = (np.arange(2800) >= 2100) & (rng.random(2800) < share)
    points[moved] = FAR_APART[0] + rng.normal(size=(int(moved.sum()), 3))
    return points


def test_drift_detection_can_be_switched_off() -> None:
    engine = Engine(EngineParams(enable_drift_detection=False))
    assert engine.learn(moving(1.0)).drift == []


def test_drift_detection_can_be_switched_on_again() -> None:
    engine = Engine(EngineParams(enable_drift_detection=False))
    points = moving(1.0)
    engine.learn(points[:SETTLED])
    engine.configure(enable_drift_detection=True)
    assert len(engine.learn(points[SETTLED:]).drift) > 0


def test_a_higher_drift_sensitivity_finds_a_slighter_drift() -> None:
    points = moving(0.4)
    calm = Engine(EngineParams(drift_sensitivity=0.0)).learn(points)
    alert = Engine(EngineParams(drift_sensitivity=1.0)).learn(points)
    assert (len(calm.drift), len(alert.drift) > 0) == (0, True)


def test_a_lower_memory_limit_takes_less_memory() -> None:
    points = gaussian(0, SETTLED, 24)
    engine = configured(points, memory_limit_mb=0.06)
    before = engine.state_bytes
    engine.learn(points[:1])
    assert engine.state_bytes < before


def test_a_lower_memory_limit_leaves_fewer_micro_clusters() -> None:
    points = gaussian(0, SETTLED, 24)
    engine = configured(points, memory_limit_mb=0.06)
    before = engine.statistics()["micro_clusters"]
    engine.learn(points[:1])
    assert engine.statistics()["micro_clusters"] < before


def limited(limit: float, dimension: int) -> Engine:
    engine = Engine(EngineParams(memory_limit_mb=limit))
    engine.learn(gaussian(0, SETTLED, dimension))
    return engine


def test_the_memory_limit_holds_where_the_largest_engine_is_below_it() -> None:
    assert limited(0.1, 10).state_bytes <= 0.1 * 2**20


def test_the_memory_limit_holds_where_it_leaves_room_for_fewer() -> None:
    assert limited(0.07, 24).state_bytes <= 0.07 * 2**20


def test_below_the_least_engine_the_memory_limit_leaves_16_micro_clusters() -> None:
    assert limited(0.05, 100).statistics()["micro_clusters"] <= 16
