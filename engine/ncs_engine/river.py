"""The engine for river: points as dicts of features, matched by name.

    from ncs_engine.river import NCSClusterer
    model = NCSClusterer()
    model.learn_one({"temperature": 20.5, "pressure": 1.01})
    model.predict_one({"pressure": 1.02, "temperature": 20.4})  # 0

river is optional. With it the class is a `river.base.Clusterer`, for pipelines and
`river.evaluate`; without it, it has the same methods and can be cloned. pandas is
needed only by `predict_many`.

What is told beside the cluster id (outlier score, changes, drift) is left to `engine`.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .engine import Engine
from .errors import NCSProcessingError
from .params import MAX_CLUSTERS, EngineParams
from .result import OUTLIER

__all__ = ["NCSClusterer"]


class _Standalone:
    """What of river's base class works without river."""

    def _get_params(self) -> dict[str, Any]:
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    def clone(
        self,
        new_params: dict[str, Any] | None = None,
        include_attributes: bool = False,
    ) -> Any:
        """Return one with the same parameters that has learned nothing.

        Args:
            new_params: parameters to change.
            include_attributes: whether to keep what was learned.
        """
        params = self._get_params()
        clone = type(self)(**(params | (new_params or {})))
        if include_attributes:
            for name in vars(self).keys() - params.keys():
                setattr(clone, name, copy.deepcopy(getattr(self, name)))
        return clone


if TYPE_CHECKING:
    _Base = _Standalone
else:
    try:
        from river.base import Clusterer as _Base
    except ModuleNotFoundError:
        _Base = _Standalone


class NCSClusterer(_Base):
    """NeuroCluster's streaming clusterer.

    The first point learned says which features there are. Later on a feature that is
    missing counts as its mean so far, and one that is new is ignored: the number of
    dimensions of the model is fixed.

    Args:
        base_threshold: see `EngineParams.base_threshold`, as for all of them.
        learning_rate: see there.
        max_clusters: see there.
        metric: see there.
        outlier_threshold: see there.
        memory_limit_mb: see there.

    Raises:
        ValueError: for a value outside its range.

    Attributes:
        engine: the engine behind it.
        features: names of the features in the order of its coordinates; empty before
            the first point.
    """

    def __init__(
        self,
        base_threshold: float = 0.71,
        learning_rate: float = 0.06,
        max_clusters: int = MAX_CLUSTERS,
        metric: Literal["euclidean", "cosine"] = "euclidean",
        outlier_threshold: float = 0.5,
        memory_limit_mb: float = 64.0,
    ) -> None:
        self.base_threshold = base_threshold
        self.learning_rate = learning_rate
        self.max_clusters = max_clusters
        self.metric = metric
        self.outlier_threshold = outlier_threshold
        self.memory_limit_mb = memory_limit_mb
        self.engine = Engine(
            EngineParams(
                base_threshold=base_threshold,
                learning_rate=learning_rate,
                max_clusters=max_clusters,
                metric=metric,
                outlier_threshold=outlier_threshold,
                memory_limit_mb=memory_limit_mb,
                enable_drift_detection=False,  # nobody would hear of it
            )
        )
        self.features: list[Hashable] = []
        self._means: list[float] = []
        self._counts: list[int] = []

    @property
    def n_clusters(self) -> int:
        """Clusters now."""
        return self.engine.cluster_count

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learn a point. A point without any feature is passed over.

        Raises:
            NCSProcessingError: a ValueError, for a value that is no finite number.
        """
        features = self.features
        if not features:
            self._name_features(x)
        try:
            if self.features:
                self.engine.learn_one(self._row(x))
        except NCSProcessingError:
            self.features = features
            raise
        self._remember(x)

    def predict_one(self, x: Mapping[Any, Any]) -> int:
        """Return the id of the cluster that the point would fall into; -1 for none.

        Raises:
            NCSProcessingError: a ValueError, for a value that is no finite number.
        """
        if not self.features:
            return OUTLIER
        return int(self.engine.predict(self._row(x)[None]).cluster_ids[0])

    def learn_many(self, X: Any) -> None:
        """Learn the rows of a pandas DataFrame, as `learn_one` does one by one.

        Raises:
            NCSProcessingError: a ValueError, for a value that is no finite number. Rows
                before it are learned.
        """
        for row in X.to_dict("records"):
            self.learn_one(row)

    def predict_many(self, X: Any) -> Any:
        """Return a pandas Series with `predict_one` of the rows of a DataFrame.

        Raises:
            NCSProcessingError: a ValueError, for a value that is no finite number.
        """
        import pandas

        ids = np.full(len(X), OUTLIER, dtype=np.int64)
        if self.features and len(X):
            rows = np.array([self._row(row) for row in X.to_dict("records")])
            ids = self.engine.predict(rows).cluster_ids
        return pandas.Series(ids, index=X.index, name="cluster")

    def _name_features(self, x: Mapping[Any, Any]) -> None:
        """Fix the features, in an order that does not depend on that of the dict."""
        self.features = sorted(x, key=lambda name: (str(type(name)), str(name)))
        self._means = [0.0] * len(self.features)
        self._counts = [0] * len(self.features)

    def _row(self, x: Mapping[Any, Any]) -> NDArray[np.float64]:
        """Return float64 (d,)."""
        known = zip(self.features, self._means, strict=True)
        try:
            return np.array([float(x.get(name, mean)) for name, mean in known])
        except (TypeError, ValueError) as error:
            raise NCSProcessingError(f"a feature is no number: {error}") from None

    def _remember(self, x: Mapping[Any, Any]) -> None:
        for i, name in enumerate(self.features):
            if name in x:
                self._counts[i] += 1
                self._means[i] += (float(x[name]) - self._means[i]) / self._counts[i]
