"""Mean and variance of every feature, block by block, and the mapping made of them.

This is the reference of `native/moments.c`, bit for bit: sums go along the points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .quantiles import medians

__all__ = ["move", "observe"]

_WINSOR = 10.0
_CONSTANT_BELOW = 2e-7  # spread / |mean|: what float32 can still tell apart

Floats = NDArray[np.float64]


def observe(block: Floats, kept: float, mean: Floats, var: Floats) -> None:
    """Let mean and variance take a block, after Chan et al. (1983). O(n d).

    Values beyond 10 robust standard deviations of their block count as much as one at
    that limit, so that a single wrong reading does not blind a feature.

    Args:
        block: float64 (n, d), n >= 1.
        kept: how many points mean and variance stand for.
        mean: INOUT, float64 (d,).
        var: INOUT, float64 (d,).
    """
    middle = medians(block)
    reach = _WINSOR * 1.4826 * medians(np.abs(block - middle))
    reach[reach == 0.0] = np.inf  # mostly one value: the others are the variation
    block = np.minimum(np.maximum(block, middle - reach), middle + reach)
    count = float(len(block))
    own = np.cumsum(block, axis=0)[-1] / count
    own_var = np.cumsum(np.square(block - own), axis=0)[-1] / count
    total = kept + count
    delta = own - mean
    between = delta * delta * (kept * count / total)
    var[:] = (kept * var + count * own_var + between) / total
    mean += delta * (count / total)


def move(
    mean: Floats,
    var: Floats,
    shift: Floats,
    scale: Floats,
    factor: Floats,
    offset: Floats,
) -> None:
    """Make the mapping (x - shift) * scale of mean and variance; all float64 (d,).

    Args:
        mean: of every feature.
        var: of every feature.
        shift: INOUT.
        scale: INOUT, 0 for a constant feature.
        factor: OUT; an old coordinate times this
        offset: OUT; plus this is the new one.
    """
    spread = np.sqrt(var)
    constant = spread <= _CONSTANT_BELOW * np.abs(mean)
    before = scale.copy()
    scale[:], factor[:] = 0.0, 0.0
    np.divide(1.0, spread, out=scale, where=~constant & (spread > 1e-150))
    np.divide(scale, before, out=factor, where=before > 0)
    offset[:] = (shift - mean) * scale
    shift[:] = mean
