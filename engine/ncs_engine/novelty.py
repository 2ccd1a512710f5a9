"""Novelty: whether strange points come in a run, and to the same places.

Lone outliers are no news about the stream, points of a mode that is new are. What tells
them apart before there is a cluster is whether they lie near each other.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .fields import Field

__all__ = ["STRAY_MEMORY", "Novelty"]

STRAY_MEMORY = 512
"""Points after which a place where a strange point came is of the past."""

_STRUCTURE_SHARE = 0.1  # of the points, in a novelty worth telling
_STRUCTURE_BY_CHANCE = 0.004  # at least, of the points of any stream
_STRUCTURE_MEMORY = 8192.0  # points
_BURST_SHARE = 0.5  # of the points, in a burst
_STRANGE_BY_CHANCE = 0.01  # at least, of the points of any stream
_DOUBT = 4.0  # points


class Novelty:
    """Finds a run of strange points that agree with each other; a CUSUM after Page.

    A strange point agrees when it would be none if the strangers of late were clusters.
    With p1 = 0.1 and p0 the long-run share of such points, 0.004 at least, every point
    adds log(p1 / p0) to the evidence if it agrees, log((1 - p1) / (1 - p0)) < 0 if not,
    and the evidence never falls below 0 (Page, Continuous inspection schemes,
    Biometrika 1954). By chance it reaches h about once in exp(h) points or more.

    Attributes:
        evidence: log likelihood ratio of the best run up to now.
        rate: p0, before its bound; forgets with about 8192 points.
        gain: what a point adds that agrees, as of the last `refresh`.
        loss: what one takes off that does not.
        span: points of that run.
        agreeing: those of them that agree.
    """

    ARRAYS = ("values",)

    evidence = Field(0)
    rate = Field(1)
    gain = Field(2)
    loss = Field(3)
    span = Field(4)
    agreeing = Field(5)

    def __init__(self) -> None:
        self.values: NDArray[np.float64] = np.zeros(6)
        self.refresh()

    def add(self, agrees: bool) -> None:
        """Take one point."""
        self.rate += (agrees - self.rate) / _STRUCTURE_MEMORY
        self.evidence += self.gain if agrees else -self.loss
        self.span += 1.0
        self.agreeing += agrees
        if self.evidence <= 0.0:
            self.forget()

    def forget(self) -> None:
        """Let a new run begin."""
        self.evidence = self.span = self.agreeing = 0.0

    @staticmethod
    def enough(sensitivity: float) -> float:
        """Return the evidence that is enough: 16 - 10 `drift_sensitivity`."""
        return 16.0 - 10.0 * sensitivity

    def is_found(self, sensitivity: float) -> bool:
        """Whether the evidence is enough."""
        return self.evidence >= self.enough(sensitivity)

    def share(self, sensitivity: float) -> float:
        """Return the share of agreeing points in a run that is found, 0 without one.

        As if four points before it had not agreed: a few points in a row are not all.
        """
        found = self.is_found(sensitivity)
        return self.agreeing / (self.span + _DOUBT) if found else 0.0

    @staticmethod
    def burst(strange: int, window: int, share: float, sensitivity: float) -> float:
        """Return the share of strange points in a burst that is no chance, or 0.

        They need not agree: where all modes are new at once, two points seldom fall
        into the same one at first. The evidence is the log likelihood ratio between one
        in two and the long-run share, and has to be as much as that of a run.

        Args:
            strange: strange points
            window: among so many.
            share: of strange points in the long run.
            sensitivity: see `enough`.
        """
        usual = min(max(share, _STRANGE_BY_CHANCE), _BURST_SHARE)
        evidence = strange * math.log(_BURST_SHARE / usual)
        evidence += (window - strange) * math.log((1 - _BURST_SHARE) / (1 - usual))
        found = evidence >= Novelty.enough(sensitivity)
        return strange / (window + _DOUBT) if found else 0.0

    def refresh(self) -> None:
        """Follow the long-run share."""
        usual = min(max(self.rate, _STRUCTURE_BY_CHANCE), 0.5 * _STRUCTURE_SHARE)
        self.gain = math.log(_STRUCTURE_SHARE / usual)
        self.loss = math.log((1.0 - usual) / (1.0 - _STRUCTURE_SHARE))
