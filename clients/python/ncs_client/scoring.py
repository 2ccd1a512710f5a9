"""How good a configuration of the engine is, by what a shadow engine made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from .results import ShadowOutcome

__all__ = [
    "CLEARLY",
    "Metrics",
    "best_of",
    "check_targets",
    "merit",
    "metrics_of",
    "score",
]

CLEARLY = 0.02
"""Of `merit`: less is no reason to change anything."""

_TARGETS = {
    "min_quality": ("algorithm_quality", 1),
    "max_processing_time": ("processing_time", -1),
    "min_throughput": ("throughput", 1),
}
"""Target -> what it is about, and whether more of that is better."""


class Metrics(TypedDict):
    """What a configuration gave."""

    processing_time: float
    """Seconds of the server's processor for all points."""
    cluster_count: int
    outlier_count: int
    algorithm_quality: float
    average_cluster_quality: float
    throughput: float
    """Points a second of the server's processor."""
    silhouette: float
    """Of the last 500 points, [-1, 1]."""


def metrics_of(outcome: ShadowOutcome, points: int) -> Metrics:
    """Return the metrics of a configuration that learned so many points."""
    qualities = [cluster.quality for cluster in outcome.cluster_summaries]
    rate = outcome.points_per_second
    return Metrics(
        processing_time=points / rate if rate else 0.0,
        cluster_count=outcome.clusters,
        outlier_count=round(points * outcome.outlier_rate),
        algorithm_quality=outcome.quality,
        average_cluster_quality=sum(qualities) / max(1, len(qualities)),
        throughput=rate,
        silhouette=outcome.silhouette,
    )


def merit(metrics: Metrics) -> float:
    """Return how good the clusters are: the mean of silhouette and quality."""
    return (metrics["silhouette"] + metrics["algorithm_quality"]) / 2


def check_targets(targets: Mapping[str, float]) -> None:
    """Refuse targets that nothing is known of.

    Raises:
        TypeError: naming the first one.
    """
    if unknown := targets.keys() - _TARGETS.keys():
        raise TypeError(f"there is no target {min(unknown)!r}")


def score(metrics: Metrics, targets: Mapping[str, float]) -> float:
    """Return the merit if all targets are met, else by how much they are missed.

    What is missed counts in shares of the target, below zero, so that whatever meets
    all targets is better than whatever does not.
    """
    values: Mapping[str, Any] = metrics
    missed = 0.0
    for name, target in targets.items():
        what, sign = _TARGETS[name]
        missed += max(0.0, sign * (target - values[what]) / (abs(target) or 1.0))
    return -missed if missed else max(0.0, merit(metrics))


def best_of(scores: Sequence[float]) -> int:
    """Return the index of the best, the first of equal ones in steps of 0.01."""
    return max(range(len(scores)), key=lambda index: round(scores[index], 2))
