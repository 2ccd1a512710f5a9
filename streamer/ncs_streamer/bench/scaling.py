"""Running scalers: what a peer that does not scale its features is given.

Each point is scaled by what was seen up to and including it, so nothing of the future
is in it. NCS gets the points as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["running_standard", "running_unit"]


def running_standard(points: NDArray[Any]) -> NDArray[np.float64]:
    """Return float64 (n, d): less the running mean, over the running deviation.

    Sums are taken of differences to the first point, so that a large offset costs no
    digits. A feature that has not varied yet is 0.

    Args:
        points: float (n, d). Not modified.
    """
    shifted = np.asarray(points, dtype=np.float64) - points[:1]
    seen = np.arange(1, len(shifted) + 1)[:, None]
    mean = np.cumsum(shifted, axis=0) / seen
    variance = np.cumsum(shifted**2, axis=0) / seen - mean**2
    # Below this share of the mean square a variance is rounding.
    varied = variance > 1e-12 * mean**2
    deviation = np.sqrt(np.where(varied, variance, 1.0))
    return np.where(varied, (shifted - mean) / deviation, 0.0)


def running_unit(points: NDArray[Any]) -> NDArray[np.float64]:
    """Return float64 (n, d) in [0, 1]: the place between running minimum and maximum.

    Args:
        points: float (n, d). Not modified.
    """
    values = np.asarray(points, dtype=np.float64)
    low = np.minimum.accumulate(values, axis=0)
    span = np.maximum.accumulate(values, axis=0) - low
    unit = np.zeros_like(span)
    np.divide(values - low, span, out=unit, where=span > 0)
    return unit
