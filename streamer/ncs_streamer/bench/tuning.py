"""Trying out engine parameters on a stream: a grid, what each gives, which is best.

The defaults need no tuning for most streams, and this says so where it is true: who
asks for a recommendation gets the defaults unless something is clearly better.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_engine import OUTLIER, PRESETS, EngineParams, NeuroClusterStreamer, preset

from .scores import silhouette

__all__ = [
    "DEFAULTS",
    "Targets",
    "Trial",
    "best_of",
    "candidates",
    "changes",
    "recommend",
    "try_out",
]

DEFAULTS = "defaults"
"""Name of the candidate that changes nothing."""

_THRESHOLDS = (0.5, 0.6, 0.71, 0.8, 0.9)
_LEARNING_RATES = (0.01, 0.03, 0.06, 0.1, 0.2)
_MAX_CLUSTERS = (5, 10, 20, 50, 100, 1000)
_QUICK = ((0.6, 0.71, 0.8), (0.03, 0.06, 0.1), (20, 1000))

_JUDGED = 1000  # last points, of which the silhouette is taken
_TIMED = 1000  # last points, at most, that are learned and timed one by one
_CLEARLY = 0.02  # of silhouette or quality: less is no reason to leave the defaults


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a configuration has to reach."""

    min_quality: float = 0.0
    max_processing_ms: float = math.inf
    """Mean time for a single point."""
    min_points_per_second: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one configuration gave."""

    name: str
    """`defaults`, the name of a preset, or `grid`."""
    params: EngineParams
    clusters: int
    outlier_share: float
    """[0, 1], at arrival."""
    quality: float
    """`clustering_quality` at the end, [0, 1]."""
    silhouette: float
    """Of the last 1,000 points under the final model, without outliers, [-1, 1]."""
    points_per_second: float
    processing_ms: float
    """Mean time of `process_data_point`."""
    meets_targets: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return values | {"params": self.params.as_dict()}


def candidates(*, quick: bool) -> list[tuple[str, EngineParams]]:
    """Return (name, parameters): defaults, presets and the grid of 5 x 5 x 6.

    With `quick` the grid is 3 x 3 x 2.
    """
    named = [(DEFAULTS, EngineParams()), *((name, preset(name)) for name in PRESETS)]
    axes = _QUICK if quick else (_THRESHOLDS, _LEARNING_RATES, _MAX_CLUSTERS)
    grid = [
        EngineParams(base_threshold=threshold, learning_rate=rate, max_clusters=most)
        for threshold, rate, most in itertools.product(*axes)
    ]
    return named + [("grid", params) for params in grid if params != EngineParams()]


def try_out(
    name: str, params: EngineParams, points: NDArray[np.float64], targets: Targets
) -> Trial:
    """Let a new engine learn a stream and measure it.

    Args:
        name: see `Trial.name`.
        params: `batch_size` points are learned at a time.
        points: float64 (n, d), n >= 10; the last fifth, 1,000 points at most, is
            learned point by point.
        targets: what has to be reached.
    """
    streamer = NeuroClusterStreamer(clock=time.perf_counter, **params.as_dict())
    bulk = len(points) - min(_TIMED, len(points) // 5)
    began = time.perf_counter()
    for start in range(0, bulk, params.batch_size):
        streamer.learn(points[start : min(bulk, start + params.batch_size)])
    rate = bulk / (time.perf_counter() - began)
    for point in points[bulk:]:
        streamer.process_data_point(point)
    spent_ms = 1000.0 * sum(streamer.processing_times) / (len(points) - bulk)
    told = streamer.get_statistics()
    quality = float(told["clustering_quality"])
    return Trial(
        name=name,
        params=params,
        clusters=streamer.cluster_count,
        outlier_share=told["outliers"] / len(points),
        quality=quality,
        silhouette=_silhouette(streamer, points),
        points_per_second=rate,
        processing_ms=spent_ms,
        meets_targets=quality >= targets.min_quality
        and spent_ms <= targets.max_processing_ms
        and rate >= targets.min_points_per_second,
    )


def _silhouette(streamer: NeuroClusterStreamer, points: NDArray[np.float64]) -> float:
    ids = streamer.predict(points[-_JUDGED:]).cluster_ids
    spread = points.std(axis=0)
    scaled = points[-_JUDGED:] / np.where(spread > 0.0, spread, 1.0)
    known = ids != OUTLIER
    return silhouette(scaled[known], ids[known])


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the best: of those that meet the targets, or of all if none does.

    The higher mean of silhouette and quality, in steps of 0.01; of equal ones the first
    that was tried, so the defaults before a preset and a preset before the grid.
    """
    fit = [trial for trial in trials if trial.meets_targets]
    return max(fit or trials, key=lambda trial: round(_merit(trial), 2))


def recommend(trials: Sequence[Trial]) -> str:
    """Return one sentence: what to do."""
    best = best_of(trials)
    defaults = next(trial for trial in trials if trial.name == DEFAULTS)
    if not best.meets_targets:
        return (
            "No configuration meets the targets; the best of them has quality"
            f" {best.quality:.2f}, {best.points_per_second:,.0f} points/s and"
            f" {best.processing_ms:.3f} ms a point."
        )
    if defaults.meets_targets and _merit(best) - _merit(defaults) < _CLEARLY:
        return "Keep the defaults: nothing that was tried is clearly better."
    changed = ", ".join(f"{k}={v}" for k, v in changes(best.params).items())
    return f"Use {changed}."


def changes(params: EngineParams) -> dict[str, Any]:
    """Return the parameters that are not at their default."""
    defaults = EngineParams().as_dict()
    return {k: v for k, v in params.as_dict().items() if v != defaults[k]}


def _merit(trial: Trial) -> float:
    return (trial.silhouette + trial.quality) / 2
