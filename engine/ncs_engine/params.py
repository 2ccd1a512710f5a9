"""The engine's parameters: what each does, its range and a default that works.

Two of them change no result and say so: `auto_scaling` and `batch_size`, which the
documented presets set. The defaults need no tuning per data set. Parameters may be
changed while the engine runs (`Engine.configure`); the change holds from the next point
on.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

__all__ = ["MAX_CLUSTERS", "EngineParams"]

MAX_CLUSTERS = 1000
"""Hard ceiling on the number of clusters that an engine reports."""

_RANGES: dict[str, tuple[float, float]] = {
    "base_threshold": (0.05, 0.99),
    "learning_rate": (0.0, 1.0),
    "max_clusters": (1, MAX_CLUSTERS),
    "outlier_threshold": (0.05, 0.99),
    "drift_sensitivity": (0.0, 1.0),
    "memory_limit_mb": (0.05, 65536.0),
    "quality_check_interval": (0, 1_000_000),
    "batch_size": (1, 1_000_000),
}
_WHOLE = ("max_clusters", "quality_check_interval", "batch_size")
_SWITCHES = ("enable_drift_detection", "auto_scaling")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineParams:
    """Parameters of one engine.

    Raises:
        ValueError: if a value is outside its range; the message names parameter, value
            and range.
    """

    base_threshold: float = 0.71
    """Similarity from which two crowds of points are one cluster: its square root is
    how high the density between them has to be, as a share of the lower peak. Higher
    keeps more of them apart. For the first 32 points: the relative similarity from
    which a point joins a cluster. [0.05, 0.99]"""
    learning_rate: float = 0.06
    """Share by which a mature micro-cluster's centre follows each point it takes; young
    ones follow faster (1 / points so far). [0, 1]"""
    max_clusters: int = MAX_CLUSTERS
    """At most this many clusters are reported. [1, 1000]"""
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """`euclidean` standardises every feature online, so units do not matter; `cosine`
    compares directions, for embeddings. Fixed by the first point."""
    outlier_threshold: float = 0.5
    """Outlier score from which a point is called an outlier. At 0.5 and above only the
    distance to the clusters makes a point one; below, points of clusters that are far
    from the middle of all data may be called so, too. [0.05, 0.99]"""
    enable_drift_detection: bool = True
    """Whether `learn` looks for drift."""
    drift_sensitivity: float = 0.5
    """0 reports when more than a third of the points fall elsewhere than they did, 1
    from a twentieth on. A run of strange points near each other is reported from a log
    likelihood ratio of 16 on, or of 6: at least 5 points, or 2. [0, 1]"""
    memory_limit_mb: float = 64.0
    """Lowers the number of micro-clusters, from 256 down to 16, to keep the engine's
    state below it. [0.05, 65536]"""
    quality_check_interval: int = 0
    """Points after which `clustering_quality` and the quality and health of every
    cluster are worked out anew, beside every density step; 0 for at those only. No
    label and no score depends on it. [0, 1000000]"""
    auto_scaling: bool = True
    """No effect: the model always follows the data and `memory_limit_mb` with its grain
    and the number of micro-clusters. The documented presets set it."""
    batch_size: int = 1000
    """Advice to whoever calls `learn`: points a call. No effect in the engine, whose
    results do not depend on how points are grouped. [1, 1000000]"""

    def __post_init__(self) -> None:
        """Check every range."""
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            if not numeric or not math.isfinite(value) or not low <= value <= high:
                raise ValueError(
                    f"{name} must be in [{low}, {high}], got {value!r:.60}"
                )
        for name in _WHOLE:
            if not isinstance(value := getattr(self, name), int):
                raise ValueError(f"{name} must be int, got {value!r:.60}")
        if self.metric not in ("euclidean", "cosine"):
            raise ValueError(
                f"metric must be euclidean or cosine, got {self.metric!r:.60}"
            )
        for name in _SWITCHES:
            if not isinstance(value := getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, got {value!r:.60}")

    def replace(self, /, **changes: Any) -> EngineParams:
        """Return a copy with some parameters changed.

        Raises:
            ValueError: for an unknown parameter or a value outside its range.
        """
        unknown = sorted(changes.keys() - self.as_dict().keys())
        if unknown:
            raise ValueError(f"unknown parameter {unknown[0]!r:.60}")
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Return name -> value."""
        return dataclasses.asdict(self)
