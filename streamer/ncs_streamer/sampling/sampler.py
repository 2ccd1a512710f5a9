"""One kind of sample of one stream: so many points, shown along such axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ncs_protocol.messages import PointsSample, Sample
from ncs_protocol.points import Block

from .projection import ChosenDimensions, MainAxes, Projector, project
from .reservoir import Reservoir, Taken

__all__ = ["Sampler"]

_FITTED_ROWS = 64
"""Of a sample, for its axes: more would cost more and tell little."""


class Sampler:
    """See the module. All methods belong to the thread that has the model's turn.

    Args:
        options: what the readers asked for.
        seed: of the choice.
    """

    def __init__(self, options: Sample, seed: int) -> None:
        self._options = options
        self._chance = np.random.default_rng(seed)
        self._reservoir: Reservoir | None = None
        self._projector: Projector | None = None

    def learned(
        self,
        points: Block,
        cluster_ids: NDArray[np.int64],
        is_outlier: NDArray[np.bool_],
    ) -> None:
        """Let points (n, d) come by that the engine has learned, with what it said."""
        dimension = points.shape[1]
        if self._reservoir is None or self._reservoir.dimension != dimension:
            self._begin(dimension)
        assert self._reservoir is not None
        self._reservoir.add(points, cluster_ids, is_outlier)

    def forget(self) -> None:
        """Drop what came by: the model was thrown away, and the ids with it.

        The axes stay, if what follows has as many dimensions.
        """
        if self._reservoir is not None:
            self._reservoir.take()

    def take(self) -> PointsSample | None:
        """Return a sample of what came by since the last call, None if nothing did."""
        if self._reservoir is None or not self._reservoir.seen:
            return None
        assert self._projector is not None
        taken = self._reservoir.take()
        self._projector.learn(_fitted(taken))
        projection = self._projector.projection
        return PointsSample(
            points=project(projection, taken.points),
            cluster_ids=taken.cluster_ids,
            is_outlier=taken.is_outlier.view(np.uint8),
            learned=taken.seen,
            ratio=len(taken.points) / taken.seen,
            projection_version=projection.version,
            projection=projection,
        )

    def _begin(self, dimension: int) -> None:
        version = 1
        if self._projector is not None:
            version += self._projector.projection.version
        axes = self._options.dimensions
        if isinstance(axes, int):
            self._projector = MainAxes(dimension, axes, version)
        else:
            self._projector = ChosenDimensions(dimension, axes, version)
        self._reservoir = Reservoir(self._options.max_points, dimension, self._chance)


def _fitted(taken: Taken) -> NDArray[np.float64]:
    """Return the rows to fit the axes to: not the outliers, if there are others."""
    inside = ~taken.is_outlier
    rows = taken.points[inside] if inside.any() else taken.points
    return rows[:_FITTED_ROWS]
