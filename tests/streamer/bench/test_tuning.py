from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ncs_engine import PRESETS, EngineParams
from ncs_streamer.bench.tuning import (
    DEFAULTS,
    Targets,
    Trial,
    best_of,
    candidates,
    changes,
    recommend,
    try_out,
)

pytestmark = pytest.mark.unit


def trial(name: str, merit: float, *, meets: bool = True, **changed: Any) -> Trial:
    return Trial(
        name=name,
        params=EngineParams(**changed),
        clusters=2,
        outlier_share=0.0,
        quality=merit,
        silhouette=merit,
        points_per_second=1000.0,
        processing_ms=0.5,
        meets_targets=meets,
    )


def blobs() -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=(1500, 2)) + 40.0 * rng.integers(3, size=(1500, 1))


def test_the_grid_is_5_by_5_by_6_beside_defaults_and_presets() -> None:
    # The defaults are in the grid, and are tried once.
    assert len(candidates(quick=False)) == 5 * 5 * 6 + len(PRESETS)


def test_the_quick_grid_is_3_by_3_by_2() -> None:
    assert len(candidates(quick=True)) == 3 * 3 * 2 + len(PRESETS)


@pytest.mark.parametrize("quick", [True, False])
def test_the_grid_has_every_value_of_an_axis_equally_often(quick: bool) -> None:
    grid = [p for name, p in candidates(quick=quick) if name in ("grid", DEFAULTS)]
    for axis in ("base_threshold", "learning_rate", "max_clusters"):
        values = [getattr(params, axis) for params in grid]
        assert len({values.count(value) for value in values}) == 1


def test_a_trial_measures() -> None:
    tried = try_out("x", EngineParams(), blobs(), Targets())
    assert (3, True, True) == (
        tried.clusters,
        tried.silhouette > 0.9,
        tried.points_per_second > 0 < tried.processing_ms,
    )


@pytest.mark.parametrize(
    ("targets", "met"),
    [
        (Targets(), True),
        (Targets(min_quality=0.9), True),
        (Targets(min_quality=1.1), False),
        (Targets(max_processing_ms=1e-9), False),
        (Targets(min_points_per_second=1e12), False),
    ],
)
def test_every_target_counts(targets: Targets, met: bool) -> None:
    assert try_out("x", EngineParams(), blobs(), targets).meets_targets == met


def test_the_best_meets_the_targets() -> None:
    trials = [trial("a", 0.9, meets=False), trial("b", 0.5), trial("c", 0.6)]
    assert best_of(trials).name == "c"


def test_where_none_meets_the_targets_the_best_is_of_all() -> None:
    trials = [trial("a", 0.5, meets=False), trial("b", 0.6, meets=False)]
    assert best_of(trials).name == "b"


def test_of_equal_ones_the_first_is_best() -> None:
    assert best_of([trial("a", 0.701), trial("b", 0.704)]).name == "a"


def test_the_defaults_are_kept_unless_something_is_clearly_better() -> None:
    trials = [trial(DEFAULTS, 0.60), trial("grid", 0.61, learning_rate=0.2)]
    assert recommend(trials).startswith("Keep the defaults")


def test_what_is_clearly_better_is_recommended() -> None:
    trials = [trial(DEFAULTS, 0.60), trial("grid", 0.7, learning_rate=0.2)]
    assert recommend(trials) == "Use learning_rate=0.2."


def test_defaults_that_miss_the_targets_are_not_recommended() -> None:
    slow, fast = trial(DEFAULTS, 0.7, meets=False), trial("grid", 0.7, max_clusters=5)
    assert recommend([slow, fast]) == "Use max_clusters=5."


def test_where_none_meets_the_targets_the_sentence_says_so() -> None:
    assert recommend([trial(DEFAULTS, 0.5, meets=False)]) == (
        "No configuration meets the targets; the best of them has quality 0.50,"
        " 1,000 points/s and 0.500 ms a point."
    )


def test_changes_are_those_from_the_defaults() -> None:
    assert changes(EngineParams(max_clusters=7)) == {"max_clusters": 7}


def test_a_trial_goes_into_json() -> None:
    told = trial("a", 0.5).as_dict()
    names = {field.name for field in dataclasses.fields(Trial)}
    assert (names, EngineParams().as_dict()) == (told.keys(), told["params"])
