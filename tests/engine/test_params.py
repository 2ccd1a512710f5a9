from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from ncs_engine import MAX_CLUSTERS, Engine, EngineParams

from .streams import ring

pytestmark = pytest.mark.unit

RANGES: dict[str, tuple[float, float]] = {
    "base_threshold": (0.05, 0.99),
    "learning_rate": (0.0, 1.0),
    "max_clusters": (1, 1000),
    "outlier_threshold": (0.05, 0.99),
    "drift_sensitivity": (0.0, 1.0),
    "memory_limit_mb": (0.05, 65536.0),
    "quality_check_interval": (0, 1_000_000),
    "batch_size": (1, 1_000_000),
}
BOUNDS = [(name, bound) for name, bounds in RANGES.items() for bound in bounds]
BEYOND = [
    (name, value)
    for name, (low, high) in RANGES.items()
    for value in (low - 0.01, high + 0.01, math.nan, math.inf, "0.5", None, True, [0.5])
]


def test_the_defaults_are_the_documented_ones() -> None:
    assert EngineParams().as_dict() == {
        "base_threshold": 0.71,
        "learning_rate": 0.06,
        "max_clusters": MAX_CLUSTERS,
        "metric": "euclidean",
        "outlier_threshold": 0.5,
        "enable_drift_detection": True,
        "drift_sensitivity": 0.5,
        "memory_limit_mb": 64.0,
        "quality_check_interval": 0,
        "auto_scaling": True,
        "batch_size": 1000,
    }


@pytest.mark.parametrize(("name", "value"), BOUNDS)
def test_both_ends_of_a_range_belong_to_it(name: str, value: float) -> None:
    assert EngineParams().replace(**{name: value}).as_dict()[name] == value


@pytest.mark.parametrize(("name", "value"), BEYOND)
def test_a_value_outside_its_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be in \["):
        EngineParams(**{name: value})  # type: ignore[arg-type]


def test_the_refusal_tells_range_and_value() -> None:
    with pytest.raises(
        ValueError, match=r"^base_threshold must be in \[0\.05, 0\.99\], got 2$"
    ):
        EngineParams(base_threshold=2)


@pytest.mark.parametrize(
    "name", ["max_clusters", "quality_check_interval", "batch_size"]
)
def test_half_a_cluster_or_point_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be int"):
        EngineParams(**{name: 2.5})  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["manhattan", "", None, 1])
def test_an_unknown_metric_is_refused(metric: Any) -> None:
    with pytest.raises(ValueError, match="metric must be euclidean or cosine"):
        EngineParams(metric=metric)


@pytest.mark.parametrize("name", ["enable_drift_detection", "auto_scaling"])
@pytest.mark.parametrize("value", [1, 0, "true", None])
def test_a_switch_that_is_no_bool_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be true or false"):
        EngineParams(**{name: value})


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown parameter 'vigor'"):
        EngineParams().replace(vigor=1)


def test_replace_changes_what_is_named_only() -> None:
    changed = EngineParams(learning_rate=0.2).replace(max_clusters=7)
    assert changed == EngineParams(learning_rate=0.2, max_clusters=7)


def test_replace_leaves_the_original_alone() -> None:
    params = EngineParams()
    params.replace(max_clusters=7)
    assert params == EngineParams()


def test_parameters_cannot_be_assigned() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EngineParams().max_clusters = 7  # type: ignore[misc]


def test_a_higher_base_threshold_never_gives_fewer_clusters() -> None:
    points = ring(0, 1200)
    counts = []
    for threshold in (0.3, 0.5, 0.71, 0.9):
        engine = Engine(EngineParams(base_threshold=threshold))
        engine.learn(points)
        counts.append(engine.cluster_count)
    assert counts == sorted(counts)


def test_a_much_higher_base_threshold_gives_more_clusters() -> None:
    points = ring(0, 1200)
    lax, strict = (
        Engine(EngineParams(base_threshold=threshold)) for threshold in (0.3, 0.9)
    )
    lax.learn(points)
    strict.learn(points)
    assert lax.cluster_count < strict.cluster_count


def test_before_any_scale_is_known_the_base_threshold_is_a_similarity() -> None:
    near = [[1.0], [1.5]]  # 1 - 0.5 / 2.5 = 0.8
    lax, strict = Engine(), Engine(EngineParams(base_threshold=0.85))
    ids = lax.learn(near).cluster_ids.tolist(), strict.learn(near).cluster_ids.tolist()
    assert ids == ([0, 0], [0, 1])


def test_at_learning_rate_1_a_centre_lies_at_the_last_point() -> None:
    engine = Engine(EngineParams(learning_rate=1.0))
    engine.learn([[1.0], [1.0], [1.0], [1.2]])
    assert [c.centroid.tolist() for c in engine.clusters()] == [[1.2]]


def test_at_learning_rate_0_a_centre_lies_at_the_mean() -> None:
    engine = Engine(EngineParams(learning_rate=0.0))
    engine.learn([[1.0], [1.0], [1.0], [1.2]])
    assert [c.centroid[0] for c in engine.clusters()] == pytest.approx([1.05])
