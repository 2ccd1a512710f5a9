"""Online standardisation: every feature in units of its own recent spread.

The mapping moves only between density steps, over exactly the points since the last
one, so that it does not depend on how points were grouped into calls. Whoever keeps
coordinates across a move maps them with `remap`, which is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernel

__all__ = ["Standardizer", "unit_vectors"]

_FORGET_ROWS = 16_384.0


class Standardizer:
    """Forgetting mean and variance per feature, in blocks after Chan et al. (1983).

    Attributes:
        shift: float64 (d,), subtracted first.
        scale: float64 (d,), 1 / standard deviation; 0 for a constant feature.
        mean: float64 (d,) over the points seen, older ones forgotten.
        var: float64 (d,).
        rows: how many points `mean` and `var` stand for.
    """

    ARRAYS = ("shift", "scale", "mean", "var")

    def __init__(self, dimension: int, *, identity: bool = False) -> None:
        self.identity = identity
        self.shift = np.zeros(dimension)
        self.scale = np.ones(dimension)
        self.mean = np.zeros(dimension)
        self.var = np.zeros(dimension)
        self.rows = 0.0

    def observe(self, block: NDArray[np.float64]) -> None:
        """Take float64 (n, d) raw points into mean and variance; `shift` stays.

        Values beyond 10 robust standard deviations of their block count as much as one
        at that limit, so that a single wrong reading does not blind a feature.
        """
        kept = min(self.rows, _FORGET_ROWS)
        kernel.active.observe(block, kept, self.mean, self.var)
        self.rows = kept + len(block)

    def move(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Adopt what was observed; return (factor, offset) for `remap`, both (d,).

        A constant feature's old coordinates carry nothing, so their factor is 0.
        """
        if self.identity:
            return np.ones_like(self.scale), np.zeros_like(self.scale)
        factor, offset = np.empty_like(self.scale), np.empty_like(self.scale)
        kernel.active.move(self.mean, self.var, self.shift, self.scale, factor, offset)
        return factor, offset

    def apply(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Return float (n, d) standardised, as float64."""
        return (points - self.shift) * self.scale

    def invert(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return raw float64 (n, d); a constant feature comes back as its mean."""
        known = self.scale > 0
        raw = np.zeros_like(points)
        np.divide(points, self.scale, out=raw, where=known)
        raw += self.shift
        return raw


def unit_vectors(block: NDArray[Any]) -> NDArray[np.float64]:
    """Return float (n, d) with every row at length 1, as float64; zeros stay zeros."""
    block = np.asarray(block, dtype=np.float64)
    total = np.zeros(len(block))
    for column in block.T:  # one fixed order of additions, see `microclusters`
        total += column * column
    norm = np.sqrt(total)[:, None]
    unit = np.zeros_like(block)
    np.divide(block, norm, out=unit, where=norm > 0)
    return unit
