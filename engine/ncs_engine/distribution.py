"""Distribution: whether points fall into the cells of a histogram as they did.

Clusters may keep their shares and yet change within: turn, widen, move a little, trade
places. A chi-square test of two samples sees it, between the last 256 or 768 points
and what came before them, over 128 cells and over 32 that are four of them each.

The test takes points for independent. Those of slow series are not; how much more their
shares vary is measured on neighbouring blocks of points, which a change that lasts
hardly touches, and the test is corrected by it as those of surveys are.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from .dispersion import Dispersion
from .fields import Field, Whole
from .histogram import CELLS, Histogram
from .ledger import add_up
from .recent import RecentPoints
from .standardizer import Standardizer

__all__ = ["NO_SHIFT", "Distribution", "Shift"]

_BLOCK = 256  # points
_WINDOWS = (1, 3)  # blocks
_KEPT = max(_WINDOWS)
_PAST = 4 * _BLOCK  # points from which on there is a past to compare with
_PAST_MEMORY = 8192.0  # points
_COARSE = (16, 4, 2)  # coarse cells: the same ring of four neighbouring boxes
_FAR = _KEPT - 1  # blocks apart
_FOR_CELLS = 256  # points
_ALL = CELLS + CELLS // _COARSE[1]
_LEAST_SHARE = 0.01
_DENSER = 1.0  # standard deviations: the cells of a cluster's points, on average
_TINY = 1e-300  # so that nothing is divided by 0
_USEFUL = 0.25  # of the cells: if points fall into fewer, they are of the past

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """Points fall elsewhere than they did."""

    share: float
    """Of the points, at least; 0 if nothing was found."""
    clusters: tuple[int, ...]
    """Those in which they fall now."""


NO_SHIFT = Shift(0.0, ())


class Distribution:
    """Counts points per cell and tests them; the cells are built of 256 points.

    Args:
        histogram: INOUT, the cells.

    Attributes:
        past: float64 (160,), points per cell and coarse cell, older ones forgotten.
        recent: int32 (3, 160), of the last full blocks, the youngest last.
        block: int32 (128,), of the block that is being filled.
        usual: float64 (2, 5), see `Dispersion`: of the fine and of the coarse cells.
        values: float64 (5,), the numbers below.
        at: number of points learned at the last `take`.
        gathered: points for the cells, which are not there before 256.
        full: full blocks since there are cells.
        held: how many of `recent` are not in `past` yet.
        share: see `Shift`.
    """

    ARRAYS = ("past", "recent", "block", "usual")
    _SCALARS = ("at", "gathered", "full", "held")

    at, gathered, full, held = (Whole(i) for i in range(4))
    share = Field(4)

    def __init__(self, histogram: Histogram) -> None:
        self.histogram = histogram
        self.past = np.zeros(_ALL)
        self.recent = np.zeros((_KEPT, _ALL), dtype=np.int32)
        self.block = np.zeros(CELLS, dtype=np.int32)
        self.usual = np.zeros((2, 5))
        self.values: Floats = np.zeros(5)

    @staticmethod
    def bytes(dimension: int) -> int:
        """Return the bytes of all arrays, those of the histogram too."""
        return (8 + 4 * _KEPT) * _ALL + 4 * CELLS + 80 + Histogram.bytes(dimension)

    def begin(self) -> None:
        """Forget the past; the cells are built anew of the next points."""
        self.past[:], self.recent[:], self.block[:] = 0.0, 0, 0
        self.gathered = self.full = self.held = 0
        self.share = 0.0

    def has_cells(self) -> bool:
        """Whether there are cells."""
        return self.gathered >= _FOR_CELLS

    def take(
        self, recent: RecentPoints, at: int, scaler: Standardizer, sensitivity: float
    ) -> bool:
        """Take the points since the last time; return whether something was found.

        Args:
            recent: read only; of more new points than it has, the last ones are taken.
            at: number of points learned.
            scaler: read only.
            sensitivity: see `EngineParams.drift_sensitivity`.
        """
        new, self.at = min(at - self.at, recent.capacity), at
        if new <= 0:
            return self.share > 0.0
        if not self.has_cells():
            self.gathered += new
            if self.has_cells():
                self.histogram.build(recent.last_points(_FOR_CELLS), scaler)
            return False
        self.block += self.histogram.count(recent.last_points(new))
        if self.block.sum() >= _BLOCK:
            self._close(_enough(sensitivity))
        return self.share > 0.0

    def shift(self, recent: RecentPoints) -> Shift:
        """Return what was found."""
        if not self.share:
            return NO_SHIFT
        points, ids = recent.last(recent.capacity)
        window = self.recent[:, :CELLS].sum(axis=0, dtype=np.float64)
        past = self.past[:CELLS]
        expected = past * (window.sum() / past.sum())
        denser = (window - expected) / np.sqrt(np.maximum(window + expected, 1.0))
        of_point, cluster = denser[self.histogram.cells(points)], np.array(ids)
        known = np.unique(cluster[cluster >= 0]).tolist()
        where = [c for c in known if of_point[cluster == c].mean() >= _DENSER]
        return Shift(self.share, tuple(where))

    def _close(self, enough: float) -> None:
        """Take the block, compare it with the past, and let it become that."""
        leaves = self._push()
        ratios, freedoms, likes = _chi_squares(self.past, self.recent).tolist()
        for level, usual in enumerate(self.usual):
            dispersion = Dispersion(usual)
            ratio, freedom, like = ratios[level], freedoms[level], likes[level]
            for i, blocks in enumerate(_WINDOWS):
                if self.held < blocks or _normal_deviate(ratio[i], like[i]) <= enough:
                    continue
                factor, own = dispersion.correct(freedom[i], like[i])
                if _normal_deviate(ratio[i] / factor, own) > enough:
                    window = self.recent[-blocks:].sum(axis=0, dtype=np.float64)
                    moved = _total_variation(window, self.past, factor)
                    self.share = max(self.share, moved, _LEAST_SHARE)
            if self.full > 1 and not self.share:
                far = ratio[3] if self.full > _FAR else None
                dispersion.learn(freedom[2], ratio[2], far)
        if not self.share:
            self._pass(leaves)

    def _push(self) -> NDArray[np.int32]:
        """Put the block into `recent`; return what has to go into `past`."""
        oldest: NDArray[np.int32] = self.recent[0].copy()
        self.recent[:-1] = self.recent[1:]
        self.recent[-1, :CELLS] = self.block
        self.recent[-1, CELLS:] = self.block.reshape(_COARSE).sum(axis=1).ravel()
        self.block[:] = 0
        self.full += 1
        if add_up(self.past[:CELLS]) < _PAST:
            oldest[:] = self.recent[-1]
        elif self.held < _KEPT:
            self.held += 1
            oldest[:] = 0
        return oldest

    def _pass(self, block: NDArray[np.int32]) -> None:
        """Let a block become the past."""
        self.past += block
        cells = self.past[:CELLS]
        total = add_up(cells)
        if total > _PAST_MEMORY:
            self.past *= _PAST_MEMORY / total
            total = _PAST_MEMORY
        if total * total < _USEFUL * CELLS * add_up(np.square(cells)):
            self.begin()

    def state(self) -> dict[str, int]:
        """Return what `restore` takes besides the arrays, as plain JSON values."""
        return {name: getattr(self, name) for name in self._SCALARS}

    def restore(self, state: dict[str, int]) -> None:
        """Take over what `state` gave; nothing is there in an older snapshot."""
        for name, value in state.items():
            setattr(self, name, int(value))


def _enough(sensitivity: float) -> float:
    """Return the z-score from which on it is no chance: 4.7 - 2 `drift_sensitivity`."""
    return 4.7 - 2.0 * sensitivity


def _normal_deviate(ratio: float, freedom: float) -> float:
    """Return how unlikely chi-square over its degrees of freedom is, as a z-score.

    After Wilson and Hilferty (PNAS 1931).
    """
    spread = 2.0 / (9.0 * max(freedom, 0.5))
    # Where all is as before, rounding may leave a little less than 0.
    root = max(ratio, 0.0) ** (1 / 3)
    return float((root - (1.0 - spread)) / math.sqrt(spread))


def _total_variation(first: Floats, second: Floats, factor: float) -> float:
    """Return the share of points in other cells, less what is so by chance."""
    first, second = first[:CELLS], second[:CELLS]
    n, m = add_up(first), add_up(second)
    apart = add_up(np.abs(first / n - second / m))
    share = (first + second) / (n + m)
    noise = add_up(np.sqrt(2 / math.pi * factor * share * (1.0 - share)))
    return 0.5 * (apart - noise * math.sqrt(1.0 / n + 1.0 / m))


def _chi_squares(past: Floats, recent: NDArray[np.int32]) -> Floats:
    """Compare blocks of points by chi-square, over 128 cells and 32 coarse ones.

    Four comparisons: the last block with the past, the last three with it, the last one
    with the one before, and with that one's. With n and m points, of which r and s are
    in a cell, chi-square is (n + m)^2 / (n m) (sum of r^2 / (r + s) - n^2 / (n + m)).

    Args:
        past: float64 (160,), points per cell and coarse cell.
        recent: int32 (3, 160), of the last blocks, the youngest last.

    Returns:
        float64 (3, 2, 4), by kind of cells and comparison: chi-square over its degrees
        of freedom; these; and those of the chi-square distribution which has its
        variance, that is more where cells have few points (Haldane 1940).
    """
    oldest, before, last = recent.astype(np.float64)
    first = np.stack([last, oldest + before + last, last, last])
    second = np.stack([past, past, before, oldest])
    n = np.cumsum(first[:, :CELLS], axis=1)[:, -1] + _TINY
    m = np.cumsum(second[:, :CELLS], axis=1)[:, -1] + _TINY
    both = first + second
    filled = both > 0.0
    part = np.divide(1.0, both, out=np.zeros_like(both), where=filled)
    whole = (n + m) / n * (n + m) / m
    told = np.empty((3, 2, len(first)))
    for level, cells in enumerate((slice(CELLS), slice(CELLS, None))):
        terms = first[:, cells] * first[:, cells] * part[:, cells]
        # One after the other, as the compiled loop adds them.
        squares = np.cumsum(terms, axis=1)[:, -1]
        few = np.cumsum(part[:, cells], axis=1)[:, -1]
        freedom = np.maximum(filled[:, cells].sum(axis=1) - 1.0, 1.0)
        sparse = np.maximum(1.0 + 0.5 * (whole - 6.0) * few / freedom, 1.0)
        told[0, level] = whole * (squares - n * n / (n + m)) / freedom
        told[1, level], told[2, level] = freedom, freedom / sparse
    return told
