"""Where points are shown: axes that stay as they are until others are clearly better.

Axes that were fitted anew for every sample would turn a little each time, and flip and
swap now and then, though the data stand still. So a projection holds until new rows,
which neither it nor its rival was fitted to, show that the rival keeps more of them:
by a margin, and by more than chance would give. The new axes are then turned within
their own plane to lie as near to the old ones as they can: the orthogonal Procrustes
problem (P. Schoenemann, 1966), mirror images included.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ncs_protocol.messages import Projection

from .pca import OnlinePca

__all__ = ["ChosenDimensions", "MainAxes", "Projector", "project"]

_MARGIN = 0.02
"""Of the variance that the present axes keep."""
_DEVIATIONS = 5.0
"""Standard errors that a rival has to be ahead; it is compared again and again."""
_CONTEST_ROWS = 1024
"""Rows after which a comparison counts half."""
_DISTORTED = 2.0
"""How far the axes may be stretched or squeezed by features that vary more or less."""
_FAR = 100.0
"""Spreads that the data may lie off the centre: float32 has seven digits."""

Floats = NDArray[np.float64]


class Projector(Protocol):
    """Gives the axes of one kind of sample."""

    projection: Projection
    """Replaced and never changed; its version rises each time."""

    def learn(self, rows: Floats) -> None:
        """Take some rows (n, d) of a sample, n at least 1."""


def project(projection: Projection, points: Floats) -> NDArray[np.float32]:
    """Return the coordinates, float32 (n, axes), of points (n, d)."""
    mean, components = np.asarray(projection.mean), np.asarray(projection.components)
    # By the very float32 that readers get: they place centroids in the same picture.
    coordinates = (points - mean.astype(np.float64)) @ components.T.astype(np.float64)
    return coordinates.astype(np.float32)


class ChosenDimensions:
    """Dimensions as they are.

    Args:
        dimension: d.
        chosen: which are shown; the axis of one that the points do not have is 0.
        version: of the projection.
    """

    def __init__(self, dimension: int, chosen: tuple[int, ...], version: int) -> None:
        components = np.zeros((len(chosen), dimension), np.float32)
        for axis, index in enumerate(chosen):
            if index < dimension:
                components[axis, index] = 1.0
        self.projection = Projection(
            version=version,
            method="dimensions",
            mean=np.zeros(dimension, np.float32),
            components=components,
        )

    def learn(self, rows: Floats) -> None:
        """See `Projector`."""


class MainAxes:
    """The main axes of the data; see the module.

    Args:
        dimension: d.
        axes: 2 or 3; with fewer in the data the last ones are 0.
        version: of the first projection.
    """

    def __init__(self, dimension: int, axes: int, version: int) -> None:
        self._axes = axes
        self._pca = OnlinePca(dimension)
        self._contest = _Contest()
        self.projection = Projection(
            version=version,
            method="pca",
            mean=np.zeros(dimension, np.float32),
            components=np.zeros((axes, dimension), np.float32),
        )

    def learn(self, rows: Floats) -> None:
        """See `Projector`."""
        standard = self._pca.standardised(rows)
        _, present = self._present()
        self._contest.add(_kept(standard, present), _kept(standard, self._rival))
        self._pca.learn(rows)
        lengths, present = self._present()
        if (
            self._contest.is_won
            or len(self._rival) > len(present)  # what was constant is not any more
            or (np.abs(np.log(lengths)) > np.log(_DISTORTED)).any()
            or self._is_far_off(present)
        ):
            self._replace()

    @property
    def _rival(self) -> Floats:
        """The best axes by now: at most `axes` orthonormal rows."""
        return self._pca.directions[: self._axes]

    def _present(self) -> tuple[Floats, Floats]:
        """The plane of the axes that are shown: orthonormal rows, and how long the axes
        are along them, 1 when they were made."""
        shown = np.asarray(self.projection.components) * self._pca.scale
        _, lengths, plane = np.linalg.svd(shown, full_matrices=False)
        used = lengths > 1e-9 * lengths[0]
        return lengths[used], plane[used]

    def _is_far_off(self, present: Floats) -> bool:
        centre = self._pca.standardised(np.asarray(self.projection.mean)[np.newaxis])
        return bool(_kept(centre, present)[0] > _FAR**2 * len(self._pca.mean))

    def _replace(self) -> None:
        rival, scale = self._rival, self._pca.scale
        shown = np.asarray(self.projection.components) * scale
        target = np.zeros((self._axes, len(scale)))
        target[: len(rival)] = rival
        if shown.any():
            left, _, right = np.linalg.svd(shown @ target.T)
            target = left @ right @ target
        else:
            target *= _signs(target)[:, np.newaxis]
        components = np.divide(
            target, scale, out=np.zeros_like(target), where=scale > 0
        )
        self.projection = Projection(
            version=self.projection.version + 1,
            method="pca",
            mean=self._pca.mean.astype(np.float32),
            components=components.astype(np.float32),
        )
        self._contest = _Contest()


class _Contest:
    """Whether the rival axes keep more of the data than the present ones."""

    def __init__(self) -> None:
        self._sums = np.zeros(5)
        # of weights, their squares, leads, their squares, what the present axes keep

    def add(self, present: Floats, rival: Floats) -> None:
        """Take the squared lengths, (n,), that both keep of the same rows."""
        lead = rival - present
        keep = 0.5 ** (len(lead) / _CONTEST_ROWS)
        new = [len(lead), len(lead), lead.sum(), (lead**2).sum(), present.sum()]
        self._sums = self._sums * [keep, keep**2, keep, keep, keep] + new

    @property
    def is_won(self) -> bool:
        """Whether the rival is ahead by the margin, and not by chance."""
        weight, squares, lead, lead_squares, kept = self._sums
        if not weight:
            return False
        lead, kept = lead / weight, kept / weight
        variance = max(0.0, lead_squares / weight - lead**2)
        error = np.sqrt(variance * squares) / weight
        return bool(lead > _MARGIN * kept and lead > _DEVIATIONS * error)


def _kept(rows: Floats, plane: Floats) -> Floats:
    """Return the squared lengths of rows (n, d) in a plane of orthonormal rows."""
    kept: Floats = ((rows @ plane.T) ** 2).sum(axis=1)
    return kept


def _signs(axes: Floats) -> Any:
    """Return -1 for each axis whose largest part is negative, otherwise 1."""
    largest = np.abs(axes).argmax(axis=1)
    return np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)
