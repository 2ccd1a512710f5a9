"""Batches of which every single point tells whose it is and which.

What a server has applied is read off the points themselves, and not off the names that
it keeps them under: a point that is there twice, or in another's batch, shows.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

__all__ = ["DIMENSION", "Batches", "Mark", "mark_of"]

DIMENSION = 4
_NUMBERS = 2.0**32
_REGIME_BATCHES = 60  # after which the points move, so that clusters come and go
_REGIMES = 12

Block = np.ndarray[Any, np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """Which point it is."""

    producer: int
    number: int
    """Of the producer's points, from 0."""


@dataclasses.dataclass(frozen=True, slots=True)
class Batches:
    """What one producer sends; the same batch however often it is asked for.

    Args:
        seed: of the run.
        producer: number of the producer, below 1024.
        size: points of a batch.
    """

    seed: int
    producer: int
    size: int

    def block(self, seq: int) -> Block:
        """Return batch `seq`, counted from 1: float64 (size, DIMENSION).

        The first coordinate is the mark, exact in a double; the others are a blob.
        """
        rng = np.random.default_rng((self.seed, self.producer, seq))
        regime = seq // _REGIME_BATCHES % _REGIMES
        block = rng.normal(10.0 * regime, 1.0, (self.size, DIMENSION))
        block[:, 1] += 20.0 * rng.integers(0, 3, self.size)
        numbers = np.arange((seq - 1) * self.size, seq * self.size)
        block[:, 0] = self.producer + numbers / _NUMBERS
        return block

    def seq_of(self, mark: Mark) -> int:
        """Return the batch that a point belongs to."""
        return mark.number // self.size + 1


def mark_of(point: Block) -> Mark:
    """Return which point it is."""
    producer, fraction = divmod(float(point[0]), 1.0)
    return Mark(int(producer), round(fraction * _NUMBERS))
