"""The watch: looks every 256 points whether they are worth a density step of their own.

Between steps nothing else asks whether points still fall where they used to. A look
takes what was counted since the last one, in flat arrays, so that the compiled kernel
does it (`native/watch.c`) without coming back to Python.
"""

from __future__ import annotations

from .distribution import Distribution
from .drift import DriftDetector
from .outliers import Background
from .recent import RecentPoints
from .standardizer import Standardizer
from .strangeness import Sample

__all__ = ["LOOK_POINTS", "Watch"]

LOOK_POINTS = 256
"""Points between looks."""


class Watch:
    """Has what a look looks at; for the arguments see their classes."""

    def __init__(
        self,
        background: Background,
        recent: RecentPoints,
        scaler: Standardizer,
        distribution: Distribution,
        drift: DriftDetector,
    ) -> None:
        self.background = background
        self.recent = recent
        self.scaler = scaler
        self.distribution = distribution
        self.drift = drift

    def has_cells(self) -> bool:
        """Whether a look needs to make no cells, which only Python can."""
        return self.distribution.has_cells()

    def look(self, sensitivity: float) -> bool:
        """Return whether the points since the last look are worth a density step."""
        strange = self.sample()
        found = self.compare(sensitivity)
        return self.drift.look(sensitivity, strange) or found

    def compare(self, sensitivity: float) -> bool:
        """Return whether the points fall into other places than they did."""
        at = self.drift.ledger.at
        return self.distribution.take(self.recent, at, self.scaler, sensitivity)

    def sample(self) -> Sample:
        """Return how strange the points since the last look are; the next begins."""
        of = self.background
        points = of.points
        n = max(points, 1.0)
        sample = Sample(points, of.total / n, of.squares / n, of.correlation)
        of.begin()
        return sample
