"""The presets are the documented ones, and every key of them is a real parameter."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ncs_engine import PRESETS, Engine, EngineParams, preset

from .streams import blobs

pytestmark = pytest.mark.unit

DOCUMENTED: dict[str, dict[str, Any]] = {
    "real_time_low_latency": {
        "base_threshold": 0.65,
        "learning_rate": 0.08,
        "max_clusters": 20,
        "memory_limit_mb": 32,
        "batch_size": 100,
        "enable_drift_detection": False,
    },
    "high_accuracy_research": {
        "base_threshold": 0.75,
        "learning_rate": 0.04,
        "max_clusters": 50,
        "memory_limit_mb": 128,
        "batch_size": 2000,
        "enable_drift_detection": True,
        "quality_check_interval": 100,
    },
    "large_scale_production": {
        "base_threshold": 0.70,
        "learning_rate": 0.06,
        "max_clusters": 40,
        "memory_limit_mb": 64,
        "batch_size": 1000,
        "enable_drift_detection": True,
        "auto_scaling": True,
    },
    "streaming_iot": {
        "base_threshold": 0.68,
        "learning_rate": 0.10,
        "max_clusters": 25,
        "memory_limit_mb": 48,
        "drift_sensitivity": 0.3,
        "outlier_threshold": 0.85,
    },
}


def outcome(params: EngineParams, cuts: int) -> tuple[list[int], list[float], float]:
    """Return (ids, scores, quality) of blobs fed in so many calls."""
    engine, ids, scores = Engine(params), list[int](), list[float]()
    for block in np.array_split(blobs(3, 1500)[0], cuts):
        result = engine.learn(block)
        ids += result.cluster_ids.tolist()
        scores += result.outlier_scores.tolist()
    return ids, scores, engine.statistics()["clustering_quality"]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_preset_sets_what_is_documented(name: str) -> None:
    assert dict(PRESETS[name]) == DOCUMENTED[name]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_preset_leaves_the_rest_at_its_default(name: str) -> None:
    assert preset(name) == dataclasses.replace(EngineParams(), **DOCUMENTED[name])


def test_there_are_no_other_presets() -> None:
    assert PRESETS.keys() == DOCUMENTED.keys()


def test_an_unknown_use_case_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Unknown use case: blockchain$"):
        preset("blockchain")


@pytest.mark.parametrize("name", DOCUMENTED)
def test_two_blobs_are_found_with_every_preset(name: str) -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(3000, 3)) + 20.0 * rng.integers(2, size=(3000, 1))
    engine = Engine(preset(name))
    late = engine.learn(points).is_outlier[1000:]
    assert (engine.cluster_count, bool(late.mean() < 0.01)) == (2, True)


def test_a_running_engine_takes_a_preset() -> None:
    engine = Engine()
    engine.learn(blobs(1, 300)[0])
    engine.configure(**preset("streaming_iot").as_dict())
    assert engine.params == preset("streaming_iot")


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 7}, {"auto_scaling": False}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_documented_to_have_no_effect_has_none(change: dict[str, Any]) -> None:
    assert outcome(EngineParams(**change), 3) == outcome(EngineParams(), 3)


def test_a_quality_check_changes_no_label_and_no_score() -> None:
    checked = outcome(EngineParams(quality_check_interval=100), 3)
    assert checked[:2] == outcome(EngineParams(), 3)[:2]


def test_a_quality_check_works_the_quality_out_anew() -> None:
    checked = outcome(EngineParams(quality_check_interval=100), 3)
    assert checked[2] != outcome(EngineParams(), 3)[2]


@pytest.mark.parametrize("cuts", [1, 2, 17, 1500])
def test_quality_checks_do_not_depend_on_the_grouping(cuts: int) -> None:
    params = EngineParams(quality_check_interval=100)
    assert outcome(params, cuts) == outcome(params, 5)


def test_every_cluster_counts_as_updated_after_a_quality_check() -> None:
    engine = Engine(EngineParams(quality_check_interval=10))
    points, _ = blobs(3, 1500)
    engine.learn(points[:1495])
    ids = [cluster.cluster_id for cluster in engine.clusters()]
    assert engine.learn(points[1495:]).updated == ids
