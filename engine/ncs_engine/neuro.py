"""The documented face: one object, one call a point.

`NeuroClusterStreamer` is what the guides show. It is an `Engine` behind a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .engine import Engine
from .params import EngineParams
from .result import Cluster, LearnResult

__all__ = ["NeuroClusterStreamer"]


class NeuroClusterStreamer:
    """Cluster a stream point by point; safe to call from several threads.

    Args:
        base_threshold: see `EngineParams.base_threshold`.
        learning_rate: see `EngineParams.learning_rate`.
        max_clusters: see `EngineParams.max_clusters`.
        performance_mode: accepted because the guides pass it; there is one mode and it
            is the fast one.
        **params: any other field of `EngineParams`.

    Raises:
        ValueError: for an unknown parameter or a value outside its range.
    """

    DEFAULT_THRESHOLD = 0.71
    MAX_CLUSTERS = 1000

    def __init__(
        self,
        base_threshold: float = DEFAULT_THRESHOLD,
        learning_rate: float = 0.06,
        max_clusters: int = MAX_CLUSTERS,
        performance_mode: bool = True,
        **params: Any,
    ) -> None:
        self.performance_mode = performance_mode
        self._lock = threading.Lock()
        self._engine = Engine(
            EngineParams().replace(
                base_threshold=base_threshold,
                learning_rate=learning_rate,
                max_clusters=max_clusters,
                **params,
            )
        )

    def process_data_point(self, point: ArrayLike) -> tuple[int, bool, float]:
        """Learn one point.

        Args:
            point: float (d,), finite.

        Returns:
            (cluster id or -1, whether it is an outlier, outlier score in [0, 1]).

        Raises:
            ValueError: if `point` is not 1-dimensional, not finite, or of another
                dimension than the first one.
        """
        row = point if type(point) is np.ndarray else np.asarray(point, np.float64)
        if row.ndim != 1:
            raise ValueError("Point must be 1-dimensional array")
        with self._lock:
            return self._engine.learn_one(row)

    def learn(self, points: NDArray[Any] | Sequence[Any]) -> LearnResult:
        """Learn float (n, d); see `Engine.learn`."""
        with self._lock:
            return self._engine.learn(points)

    def get_statistics(self) -> dict[str, Any]:
        """Return `Engine.statistics`."""
        with self._lock:
            return self._engine.statistics()

    @property
    def clusters(self) -> list[Cluster]:
        """The clusters now, by ascending id."""
        with self._lock:
            return self._engine.clusters()

    @property
    def cluster_count(self) -> int:
        """Number of clusters now."""
        return self._engine.cluster_count

    @property
    def time_step(self) -> int:
        """Number of points learned."""
        return self._engine.points_learned

    @property
    def is_ready(self) -> bool:
        """Whether it has learned a point."""
        return self._engine.points_learned > 0
