"""The two memories of drift: of late, and in the long run, both counted in points."""

from __future__ import annotations

import math

__all__ = ["FAST_POINTS", "SLOW_POINTS", "TRUSTED_POINTS", "rate", "sizes"]

FAST_POINTS = 600.0
SLOW_POINTS = 8000.0
TRUSTED_POINTS = 1000
"""Points from which on the past is known well enough to compare."""


def rate(block: float, points: float, memory: float) -> float:
    """Return the share that a block gets; at first, all points count equally.

    Args:
        block: its points.
        points: points so far, with them.
        memory: points.
    """
    return max(1.0 - math.exp(-block / memory), block / points)


def sizes(recent: float, past: float) -> float:
    """Return 1 / n + 1 / m for averages of so many points, or as many as they keep."""
    return 1.0 / max(1.0, min(recent, FAST_POINTS)) + 1.0 / min(past, SLOW_POINTS)
