"""The documented face: one object, one call a point.

`NeuroClusterStreamer` is what the guides show. It is an `Engine` behind a lock; what it
adds of its own is the measuring of times, by a clock that the caller gives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bounded import BoundedCollection
from .engine import Engine
from .errors import NCSProcessingError
from .params import MAX_CLUSTERS, EngineParams
from .result import Cluster, LearnResult

__all__ = ["NeuroClusterStreamer"]

_TIMES = 1000


class NeuroClusterStreamer:
    """Cluster a stream point by point; safe to call from several threads.

    Args:
        base_threshold: see `EngineParams.base_threshold`.
        learning_rate: see `EngineParams.learning_rate`.
        max_clusters: see `EngineParams.max_clusters`.
        performance_mode: accepted because the guides pass it; there is one mode and it
            is the fast one.
        clock: tells seconds, as `time.perf_counter` does; the engine reads no clock of
            its own, so without one nothing is measured.
        **params: any other field of `EngineParams`.

    Raises:
        ValueError: for an unknown parameter or a value outside its range.

    Attributes:
        DEFAULT_THRESHOLD: the default of `base_threshold`.
        MAX_CLUSTERS: the most that `max_clusters` can be, and its default.
        processing_times: seconds that each of the last 1,000 calls of
            `process_data_point` took, waiting for the lock included; empty without a
            clock.
    """

    DEFAULT_THRESHOLD = 0.71
    MAX_CLUSTERS = MAX_CLUSTERS

    def __init__(
        self,
        base_threshold: float = DEFAULT_THRESHOLD,
        learning_rate: float = 0.06,
        max_clusters: int = MAX_CLUSTERS,
        performance_mode: bool = True,
        *,
        clock: Callable[[], float] | None = None,
        **params: Any,
    ) -> None:
        self.performance_mode = performance_mode
        self.processing_times: BoundedCollection[float] = BoundedCollection(_TIMES)
        self._clock = clock
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
            NCSProcessingError: a ValueError; ``Point must be 1-dimensional array``, or
                as `Engine.learn` if it is not finite or of another dimension than the
                first one. Nothing is learned then.
        """
        began = self._clock() if self._clock else 0.0
        row = point if type(point) is np.ndarray else _array(point)
        if row.ndim != 1:
            raise NCSProcessingError("Point must be 1-dimensional array")
        with self._lock:
            told = self._engine.learn_one(row)
        if self._clock:
            self.processing_times.append(self._clock() - began)
        return told

    def learn(self, points: NDArray[Any] | Sequence[Any]) -> LearnResult:
        """Learn float (n, d); see `Engine.learn`."""
        with self._lock:
            return self._engine.learn(points)

    def predict(self, points: NDArray[Any] | Sequence[Any]) -> LearnResult:
        """Judge float (n, d) without learning; see `Engine.predict`."""
        with self._lock:
            return self._engine.predict(points)

    def configure(self, /, **changes: Any) -> EngineParams:
        """Change parameters from the next point on; see `Engine.configure`."""
        with self._lock:
            return self._engine.configure(**changes)

    def clear_cache(self) -> None:
        """Forget `processing_times`.

        The engine holds no cache: all of its memory is the model. No result changes.
        """
        self.processing_times.clear()

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
    def params(self) -> EngineParams:
        """The parameters in force."""
        return self._engine.params

    @property
    def clustering_quality(self) -> float:
        """Mean quality of the clusters in [0, 1], see `Engine.statistics`."""
        return float(self.get_statistics()["clustering_quality"])

    @property
    def global_stability(self) -> float:
        """Mean stability of the clusters in [0, 1], see `Engine.statistics`."""
        return float(self.get_statistics()["global_stability"])

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


def _array(point: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(point, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise NCSProcessingError(f"point is no array of numbers: {error}") from None
