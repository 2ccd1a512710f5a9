"""How many points a batch has: by the documented formula, or by what was measured.

Small batches pay for a request each, large ones wait for each other; where between the
two a server is fastest depends on dimensions, line and machine. `Measured` doubles the
size as long as that gives clearly more points a second.
"""

from __future__ import annotations

import dataclasses

from ncs_protocol import DEFAULT_LIMITS

__all__ = ["Fixed", "Measured", "formula", "largest"]

_FEWEST = 100
_BYTES_A_NUMBER = 8
_BYTES_A_POINT = 64
_TRIES = 3  # batches of one size, of which the best counts
_CLEARLY = 1.15


def formula(
    points: int, dimensions: int, batch_size: int, memory_limit_mb: float
) -> int:
    """Return the documented size of a batch.

    It is what fits into the memory, divided by a tenth of the dimensions if there are
    more than ten, and at most `batch_size` and `points`; but at least 100. The limits
    of a server hold as well.
    """
    fits = memory_limit_mb * 2**20 / (dimensions * _BYTES_A_NUMBER + _BYTES_A_POINT)
    by_memory = int(fits / max(1.0, dimensions / 10))
    size = max(_FEWEST, min(by_memory, batch_size, points))
    return min(size, largest(dimensions))


def largest(dimensions: int) -> int:
    """Return how many points a request may have."""
    by_elements = DEFAULT_LIMITS.max_elements // max(1, dimensions)
    return max(1, min(DEFAULT_LIMITS.max_points, by_elements))


@dataclasses.dataclass(slots=True)
class Fixed:
    """Batches of one size."""

    size: int

    def add(self, points: int, seconds: float) -> None:
        """Take note of a batch that was sent."""


@dataclasses.dataclass(slots=True)
class Measured:
    """Batches as large as makes them fastest.

    Attributes:
        size: of the next batch.
        most: no batch is larger.
        is_settled: whether the size does not change any more.
    """

    most: int
    size: int = 0
    is_settled: bool = False
    _rates: list[float] = dataclasses.field(default_factory=list)
    _best: float = 0.0

    def __post_init__(self) -> None:
        self.size = min(_FEWEST, self.most)
        self.is_settled = self.size == self.most

    def add(self, points: int, seconds: float) -> None:
        """Take note of a batch that was sent; one of another size says nothing."""
        if self.is_settled or points != self.size:
            return
        self._rates.append(points / max(seconds, 1e-9))
        if len(self._rates) < _TRIES:
            return
        rate = max(self._rates)
        self._rates.clear()
        if rate < self._best * _CLEARLY:
            self.size = min(self.size, self._before())
            self.is_settled = True
        elif self.size == self.most:
            self.is_settled = True
        else:
            self._best = rate
            self.size = min(2 * self.size, self.most)

    def _before(self) -> int:
        """Return the size that was tried before this one."""
        size = min(_FEWEST, self.most)
        while 2 * size < self.size:
            size *= 2
        return size
