"""The engine: points in, cluster ids and outlier scores out, the model kept on the way.

Two levels (see `model`): a bounded set of micro-clusters in an online-standardised
space takes the points one by one; the clusters that users see are the modes of the
density over the micro-clusters.

The engine reads no clock, does no I/O, starts no thread and draws no random number. It
is not safe for concurrent calls; `NeuroClusterStreamer` adds a lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import kernel
from .clusters import ClusterBook
from .errors import NCSProcessingError
from .model import Model
from .params import EngineParams
from .result import OUTLIER, Change, Cluster, LearnResult
from .snapshot import decode_snapshot, encode_snapshot

__all__ = ["Engine"]

_LARGEST = 1e100  # squares and their sums stay finite
_I8, _BOOL, _F4, _F8 = (np.dtype(name) for name in ("i8", "?", "f4", "f8"))


class Engine:
    """A streaming clusterer for dense vectors of one dimension.

    The result depends on the points and their order alone: not on how they are grouped
    into calls, and not on a snapshot and restore in between.

    Args:
        params: parameters; None takes the defaults, which need no tuning per data set.
        seed: for methods that sample; the present one does not, so every seed gives the
            same result.
    """

    def __init__(self, params: EngineParams | None = None, *, seed: int = 0) -> None:
        self._params = params or EngineParams()
        self._seed = seed
        self._book = ClusterBook()
        self._model: Model | None = None
        self._told = LearnResult(np.empty(1, _I8), np.empty(1, _BOOL), np.empty(1, _F4))

    @property
    def params(self) -> EngineParams:
        """The parameters in force."""
        return self._params

    @property
    def dimension(self) -> int | None:
        """Number of coordinates, fixed by the first point; None before it."""
        return None if self._model is None else self._model.dimension

    @property
    def points_learned(self) -> int:
        """Points learned since the engine was new or reset."""
        return 0 if self._model is None else self._model.learned

    @property
    def cluster_count(self) -> int:
        """Clusters now."""
        return len(self._book)

    @property
    def current_dynamic_threshold(self) -> float:
        """The threshold in force: `base_threshold` and at most 0.05 more or less."""
        if self._model is None:
            return self._params.base_threshold
        return self._model.vigilance.threshold

    @property
    def state_bytes(self) -> int:
        """Bytes that the arrays of the engine take."""
        return 0 if self._model is None else self._model.nbytes

    def learn(self, points: ArrayLike, event_time: object = None) -> LearnResult:
        """Label each point at arrival and learn from it before the next.

        O(n k d) with k <= 256 micro-clusters, plus a density step, O(k^2 d), every 256
        to 4,096 points (see `model`).

        Args:
            points: float (n, d), at most 1e100 in absolute value; n >= 0, d as at the
                first point. Not modified.
            event_time: accepted so that callers can pass it on; the model counts
                points and keeps no time.

        Raises:
            NCSProcessingError: a ValueError, if `points` is not 2-dimensional and
                finite, or of another dimension than the first point. Nothing is
                learned then.
        """
        block = self._checked(points)
        n = len(block)
        empty = np.empty
        result = LearnResult(empty(n, _I8), empty(n, _BOOL), empty(n, _F4), [], [], [])
        if n == 0:
            return result
        before = self.points_learned
        if self._learn(block, result):
            result.updated = self._book.ids()  # any of them may have changed
        elif n == 1:
            cluster = int(result.cluster_ids[0])
            result.updated = [] if cluster == OUTLIER else [cluster]
        else:
            result.updated = self._book.ledger.taken_since(before)
        return result

    def learn_one(self, point: ArrayLike) -> tuple[int, bool, float]:
        """Label one point and learn from it; cheaper than `learn`, and tells less.

        Args:
            point: float (d,), otherwise as `learn`.

        Returns:
            (cluster id or -1, whether it is an outlier, outlier score).

        Raises:
            NCSProcessingError: as `learn`.
        """
        row = point if type(point) is np.ndarray else np.asarray(point, _F8)
        told = self._told
        self._learn(self._checked(row[None]), told)
        if told.changes or told.drift:
            told.changes, told.drift = [], []
        return (
            int(told.cluster_ids[0]),
            bool(told.is_outlier[0]),
            float(told.outlier_scores[0]),
        )

    def _learn(self, block: NDArray[Any], result: LearnResult) -> bool:
        """Learn a block that is not empty; return whether all clusters may differ."""
        model = self._model
        if model is None:
            model = self._model = Model(block.shape[1], self._params, self._book)
        done, n, revision, checked = 0, len(block), model.revision, False
        if every := self._params.quality_check_interval:
            checked = self._learn_and_check(model, block, result, every)
        else:
            while done < n:
                done += model.learn_until_step(block, done, result)
        if model.warming_up:
            self._book.judge(model.micro)
        return checked or model.warming_up or model.revision > revision

    def _learn_and_check(
        self, model: Model, block: NDArray[Any], result: LearnResult, every: int
    ) -> bool:
        """Learn a block, work the quality out on the way; return whether it was.

        That is done at point counts, like density steps: never at a call boundary.
        """
        done, n, checked = 0, len(block), False
        while done < n:
            stop = min(n, done + every - model.learned % every)
            part = result.head(stop)
            while done < stop:
                done += model.learn_until_step(block[:stop], done, part)
            if model.learned % every == 0:
                self._book.judge(model.micro)
                checked = True
        return checked

    def predict(self, points: ArrayLike) -> LearnResult:
        """Say which cluster each point would fall into now, without learning it.

        Args:
            points: float (n, d), finite. Not modified.

        Raises:
            NCSProcessingError: as `learn`.
        """
        block = self._checked(points)
        n = len(block)
        result = LearnResult(
            np.full(n, OUTLIER, _I8), np.ones(n, _BOOL), np.ones(n, _F4)
        )
        if self._model is not None and n:
            self._model.judge(block, result)
        return result

    def clusters(self, ids: list[int] | None = None) -> list[Cluster]:
        """Return the clusters by ascending id, all or those of `ids` that exist."""
        if self._model is None:
            return []
        model = self._model
        return self._book.describe(model.micro, model.scaler, model.learned, ids)

    def statistics(self) -> dict[str, Any]:
        """Return the state of the engine in numbers.

        `num_clusters`, `total_points_processed`, `outliers`, `clustering_quality` and
        `global_stability` in [0, 1] (means over clusters, weighted by recent points),
        `current_dynamic_threshold`, `micro_clusters`, `state_bytes`, `dimension`.
        """
        clusters = self.clusters()
        quality = stability = total = 0.0
        if self._model is not None:
            weights = self._book.recent_weights(self._model.micro)
            for cluster in clusters:
                weight = weights[cluster.cluster_id]
                total += weight
                quality += weight * cluster.quality
                stability += weight * (1.0 - cluster.drift_coefficient)
        return {
            "num_clusters": len(clusters),
            "total_points_processed": self.points_learned,
            "outliers": self._book.outliers,
            "clustering_quality": quality / total if total else 0.0,
            "global_stability": stability / total if total else 0.0,
            "current_dynamic_threshold": self.current_dynamic_threshold,
            "micro_clusters": 0 if self._model is None else self._model.micro.count,
            "state_bytes": self.state_bytes,
            "dimension": self.dimension,
        }

    def configure(self, /, **changes: Any) -> EngineParams:
        """Change parameters from the next point on and return all of them.

        Raises:
            ValueError: for an unknown parameter, a value outside its range, or another
                metric once there are points. Nothing is changed then.
        """
        params = self._params.replace(**changes)
        if self._model is not None:
            if params.metric != self._params.metric:
                raise ValueError("metric is fixed by the first point; reset first")
            self._model.params = params
            self._model.step_requested = True
        self._params = params
        return params

    def reset(self) -> list[Change]:
        """Forget the points and free the dimension; return the clusters removed.

        Cluster ids go on where they were: an id is never given twice.
        """
        removed = self._book.clear(self.points_learned)
        self._model = None
        return removed

    def snapshot(self) -> bytes:
        """Return the whole state for `restore`: versioned, checksummed, no code."""
        state: dict[str, Any] = {
            "params": self._params.as_dict(),
            "seed": self._seed,
            "book": self._book.state(),
            "model": None,
        }
        arrays: dict[str, NDArray[Any]] = {}
        if self._model is not None:
            state["model"], arrays = self._model.state()
        return encode_snapshot(state, arrays)

    @classmethod
    def restore(cls, snapshot: bytes) -> Engine:
        """Return an engine that goes on bit for bit like the one that gave `snapshot`.

        Raises:
            ValueError: if the bytes are damaged or of an unknown format version.
        """
        state, arrays = decode_snapshot(snapshot)
        try:
            self = cls(EngineParams(**state["params"]), seed=int(state["seed"]))
            self._book = ClusterBook.restore(state["book"])
            values, params = state["model"], self._params
            if values is not None:
                self._model = Model.restore(values, arrays, params, self._book)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"engine snapshot lacks {error}") from None
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Let `copy` and `pickle` take the snapshot."""
        return Engine.restore, (self.snapshot(),)

    def _checked(self, points: ArrayLike) -> NDArray[Any]:
        """Return the points as float32 or float64 (n, d) in C order."""
        dimension = 0 if self._model is None else self._model.dimension
        if dimension and type(points) is np.ndarray:
            if kernel.active.fits(points, dimension, _LARGEST):
                return points
        block = _numbers(points)
        if block.ndim != 2 or (block.shape[1] == 0 and len(block)):
            raise NCSProcessingError(
                f"points must have shape (n, d), got {block.shape}"
            )
        if dimension and len(block) and block.shape[1] != dimension:
            raise NCSProcessingError(
                f"points have {block.shape[1]} dimensions, expected {dimension}"
            )
        block = np.ascontiguousarray(block)
        if not kernel.active.fits(block, block.shape[1], _LARGEST):
            raise NCSProcessingError(f"points must be finite and at most {_LARGEST:g}")
        return block


def _numbers(points: ArrayLike) -> NDArray[Any]:
    """Return float32 or float64, of any shape and order."""
    try:
        block = np.asarray(points)
        return block if block.dtype in (_F4, _F8) else block.astype(_F8)
    except (TypeError, ValueError) as error:  # text, or rows of unequal length
        raise NCSProcessingError(f"points are no array of numbers: {error}") from None
