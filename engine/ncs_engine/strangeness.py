"""Likelihood: whether points are as strange on average as in the long run.

It sees a cluster shift or widen in place, and needs no cluster for it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import Field
from .memory import FAST_POINTS, SLOW_POINTS, TRUSTED_POINTS, rate, sizes

__all__ = ["NO_POINTS", "Sample", "Strangeness"]

_DEVIATIONS = 6.0
_PAST = 256  # points, to compare a sample with
_LOOKS_MEMORY = 32.0
_LOOKS_BEFORE_TRUST = 4
_OUTLYING = 9.0  # times the usual: a change counts no more


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """How strange the points since the last look are, see `outliers.Background`."""

    points: float
    mean: float
    square: float
    """Mean of the squares."""
    correlation: float
    """Between neighbouring points in the stream, 0 .. 1."""


NO_POINTS = Sample(0.0, 0.0, 0.0, 0.0)


class Strangeness:
    """Recent and long-run average of how strange points are.

    Attributes:
        recent: average over the recent points.
        past: average over the long run.
        square: average square over the long run.
        fresh: points in `recent`.
        points: points in `past`.
        wander: squared deviation of a sample from the past, on average over about 32 of
            them, in units of what it would be by chance: 1 if points are independent.
        looks: samples in it.
    """

    _SCALARS = ("recent", "past", "square", "fresh", "points", "wander", "looks")

    recent, past, square, fresh, points, wander, looks = (Field(i) for i in range(7))

    def __init__(self) -> None:
        self.values: NDArray[np.float64] = np.zeros(len(self._SCALARS))

    @property
    def _variance(self) -> float:
        return self.square - self.past * self.past

    def take(self, sample: Sample) -> None:
        """Follow a block."""
        if not sample.points:
            return
        self._follow_wander(sample)
        self.fresh += sample.points
        self.points += sample.points
        fast = rate(sample.points, self.fresh, FAST_POINTS)
        slow = rate(sample.points, self.points, SLOW_POINTS)
        self.recent += fast * (sample.mean - self.recent)
        self.past += slow * (sample.mean - self.past)
        self.square += slow * (sample.square - self.square)

    def _follow_wander(self, sample: Sample) -> None:
        variance = self._variance
        if variance <= 1e-12 or self.points < _PAST:
            return
        chance = variance * sizes(sample.points, self.points)
        ratio = (sample.mean - self.past) ** 2 / chance
        if self.looks >= _LOOKS_BEFORE_TRUST:
            ratio = min(ratio, _OUTLYING * max(1.0, self.wander))
        self.looks += 1.0
        self.wander += (ratio - self.wander) / min(self.looks, _LOOKS_MEMORY)

    def distance(self, correlation: float) -> float:
        """Return the share of points that fall elsewhere, or 0 if it may be chance.

        Two normal distributions whose means are e standard deviations apart differ by
        2 Phi(e / 2) - 1 < 0.4 e in total variation. By chance e is 6 times the root of
        1 / n + 1 / m, times (1 + r) / (1 - r) for a series whose neighbours
        correlate by r, less than once in 10^8. Noise hides a slow swing from r, but not
        from `wander`: the larger of the two counts.
        """
        if self._variance <= 1e-12 or self.points < TRUSTED_POINTS:
            return 0.0
        apart = abs(self.recent - self.past) / math.sqrt(self._variance)
        inflation = (1.0 + correlation) / max(1.0 - correlation, 1e-3)
        chance = sizes(self.fresh, self.points) * max(inflation, self.wander)
        return (
            min(1.0, 0.4 * apart) if apart >= _DEVIATIONS * math.sqrt(chance) else 0.0
        )

    def begin(self) -> None:
        """Let the recent average begin anew."""
        self.fresh = 0.0

    def settle(self) -> None:
        """Let the past begin anew: a change may come and go."""
        self.points = 0.0

    def state(self) -> dict[str, float]:
        """Return what `restore` takes, as plain JSON values."""
        return {name: getattr(self, name) for name in self._SCALARS}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave; an older snapshot lacks some of it."""
        for name, value in state.items():
            setattr(self, name, float(value))
