"""Numbers that both kernels follow point by point, kept in one array of their owner."""

from __future__ import annotations

from typing import Any

__all__ = ["Field"]


class Field:
    """A float of an object that lives in its array `values`.

    Args:
        index: place in the array, the same one in `native/score.h`.
    """

    def __init__(self, index: int) -> None:
        self._index = index

    def __get__(self, owner: Any, _: type | None = None) -> float:
        """Return the number."""
        return float(owner.values[self._index])

    def __set__(self, owner: Any, value: float) -> None:
        """Set the number."""
        owner.values[self._index] = value
