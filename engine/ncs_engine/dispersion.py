"""How much more shares of points vary than of independent points, in a given stream.

Two blocks of points next to each other, or next but one, differ by chi-square over its
degrees of freedom of 1 on average, if points are independent; the long-run means here
are g1 and g2. Let shares of blocks have v times the variance and correlate by r, r^2,
... with those of the next blocks. Then g1 = v (1 - r) and g2 = v (1 - r^2), so that
r = g2 / g1 - 1, and averages over many blocks vary by v (1 + r) / (1 - r).

Neighbours tell it, and not the past, because a change that lasts is between two blocks
only. What comes and goes in periods of thousands of points is not seen by them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dispersion"]

_MEMORY = 32.0  # pairs of blocks
_AT_FIRST = 4.0
_KNOWN = 6.0  # pairs; before them nothing is known
_OUTLYING = 4.0  # standard deviations: a pair across a change counts no more
_SURE = 2.6  # standard errors, from which on it is not chance
_CARE = 0.25
_MOST = 0.95  # correlation


class Dispersion:
    """The measure of one set of cells.

    Args:
        values: INOUT, float64 (5,): mean and variance of both pairs, number of them.
            Zeros are a new one.
    """

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._values = values

    @property
    def is_known(self) -> bool:
        """Whether enough blocks were compared."""
        return bool(self._values[4] >= _KNOWN)

    def learn(self, freedom: float, near: float, far: float | None) -> None:
        """Take a block.

        Args:
            freedom: degrees of freedom.
            near: chi-square, divided by them, against the block before.
            far: against the one before that, if there is one.
        """
        values = self._values
        if not values[1]:
            values[:4] = 1.0, 2.0 / freedom, 1.0, 2.0 / freedom
        rate = 1.0 / min(float(values[4]) + _AT_FIRST, _MEMORY)
        known = self.is_known
        for i, ratio in ((0, near), (2, far)):
            if ratio is None:
                continue
            mean, variance = values[i : i + 2].tolist()
            gap = ratio - mean
            if known:
                gap = min(gap, _OUTLYING * math.sqrt(variance))
            values[i] = mean + rate * gap
            values[i + 1] = variance + rate * (gap * gap - variance)
        values[4] += far is not None

    def correct(self, freedom: float, like: float) -> tuple[float, float]:
        """Return (by what to divide chi-square, degrees of freedom that it has then).

        After Rao and Scott (JASA 1981) and Satterthwaite (1946). What may be chance
        corrects nothing; what is not corrects as much as it may be. As long as too
        little is known, chi-square is worth nothing.

        Args:
            freedom: of independent points.
            like: those by the variance of chi-square of such points.
        """
        if not self.is_known:
            return math.inf, like
        near, v1, far, v2, pairs = self._values.tolist()
        n = max(1.0, min(pairs, _MEMORY))
        error = math.sqrt((v1 / (near * near) + v2 / (far * far)) / n)
        r = far / near - 1.0
        r = min(_MOST, r) if r > _SURE * error else 0.0
        if r == 0.0 and near <= 1.0 + _SURE * math.sqrt(2.0 / freedom / n):
            return 1.0, like
        near += _SURE * math.sqrt(v1 / n)
        lasting = (1.0 + r) / (1.0 - r)
        varied = max(1.0, near / (1.0 - r))
        return varied * lasting, min(like, _CARE * 2.0 * near * near / v1) / lasting
