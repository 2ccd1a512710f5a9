"""Boxes that hold equally many points, however these lie and in whatever dimension.

This is the reference of `native/boxes.c`, bit for bit: sums go along the points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .quantiles import median

__all__ = ["cut_boxes"]

Floats = NDArray[np.float64]


def cut_boxes(
    z: Floats,
    feature: NDArray[np.int64],
    cut: Floats,
    middle: NDArray[np.float32],
    reach: Floats,
) -> None:
    """Cut points at medians, along the feature with the widest spread. O(n d).

    Args:
        z: float64 (n, d), standardised.
        feature: OUT, as the others an array of a `Histogram`.
        cut: OUT.
        middle: OUT.
        reach: OUT.
    """
    boxes = len(cut)
    node = np.ones(len(z), dtype=np.int64)
    feature[:], cut[:] = 0, 0.0
    for i in range(1, boxes):
        own = np.flatnonzero(node == i)
        if len(own):
            off = z[own] - _mean(z[own])
            feature[i] = widest = int(_sum(off * off).argmax())
            cut[i] = median(z[own, widest])
            node[own] = 2 * i + (z[own, widest] > cut[i])
    middle[:], reach[:] = 0.0, 0.0
    for box in range(boxes):
        own = np.flatnonzero(node == boxes + box)
        if len(own):
            middle[:, box] = _mean(z[own])
        if len(own) > 1:
            away = _sum(np.square(z[own] - middle[:, box].astype(np.float64)).T)
            # They are nearer, by that, than points which the middle is not of.
            reach[box] = median(away) / ((len(own) - 1.0) / (len(own) + 1.0))


def _sum(rows: Floats) -> Floats:
    """Return the sum of rows, one after the other."""
    total: Floats = np.cumsum(rows, axis=0)[-1] + 0.0  # no -0, as from 0 on
    return total


def _mean(rows: Floats) -> Floats:
    return _sum(rows) / len(rows)
