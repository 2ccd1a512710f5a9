"""Streams of points for the tests of projections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "blobs", "gaussian", "steady", "turning"]

Floats = NDArray[np.float64]
ROWS = 64
Source = Callable[[np.random.Generator], Floats]


def steady(source: Source, blocks: int, seed: int = 0) -> Iterator[Floats]:
    """Yield so many blocks of a source."""
    chance = np.random.default_rng(seed)
    for _ in range(blocks):
        yield source(chance)


def gaussian(dimension: int, seed: int) -> Source:
    """Return a Gaussian of random shape and place, in features of all sizes."""
    shape = np.random.default_rng(seed)
    mix = shape.normal(size=(dimension, dimension))
    scale = 10.0 ** shape.uniform(-3, 3, dimension)
    centre = shape.normal(size=dimension) * 5 * scale
    return lambda chance: centre + scale * (chance.normal(size=(ROWS, dimension)) @ mix)


def blobs(dimension: int, seed: int, count: int = 6) -> Source:
    """Return a mixture of so many blobs."""
    centres = 4 * np.random.default_rng(seed).normal(size=(count, dimension))

    def source(chance: np.random.Generator) -> Floats:
        noise: Floats = chance.normal(size=(ROWS, dimension))
        return centres[chance.integers(0, count, ROWS)] + noise

    return source


def turning(blocks: int, seed: int = 0) -> Iterator[Floats]:
    """Yield points of 10 features that lie in a plane, which turns by 90 degrees.

    It stands still for the first fifth and for the last two.
    """
    chance = np.random.default_rng(seed)
    one, other = np.zeros((2, 10)), np.zeros((2, 10))
    one[0, :5] = one[1, 5:] = 1.0
    other[0, :4] = other[1, 5:9] = [1.0, -1.0, 1.0, -1.0]
    for block in range(blocks):
        angle = np.clip(block / blocks * 5 - 1, 0, 2) / 2 * np.pi / 2
        plane = np.cos(angle) * one + np.sin(angle) * other
        noise = 0.3 * chance.normal(size=(ROWS, 10))
        yield chance.normal(size=(ROWS, 2)) @ plane + noise
