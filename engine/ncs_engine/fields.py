"""Numbers that both kernels follow point by point, kept in arrays of their owner."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

__all__ = ["Field", "Row", "Whole"]


class Field:
    """A float of an object that lives in its array `values`.

    Args:
        index: place in the array, the same one in `native/score.h` or `ledger.h`.
    """

    def __init__(self, index: int) -> None:
        self._index = index

    def __get__(self, owner: Any, _: type | None = None) -> float:
        """Return the number."""
        return float(owner.values[self._index])

    def __set__(self, owner: Any, value: float) -> None:
        """Set the number."""
        owner.values[self._index] = value


class Whole(Field):
    """The same of a whole number, below 2^53."""

    def __get__(self, owner: Any, _: type | None = None) -> int:
        """Return the number."""
        return int(owner.values[self._index])


class Row:
    """A row of a table of an object, as a view.

    Args:
        table: name of the table, (rows, n).
        index: number of the row, the same one in `native/ledger.h`.
    """

    def __init__(self, table: str, index: int) -> None:
        self._table = table
        self._index = index

    def __get__(self, owner: Any, _: type | None = None) -> NDArray[Any]:
        """Return the row."""
        row: NDArray[Any] = getattr(owner, self._table)[self._index]
        return row

    def __set__(self, owner: Any, value: Any) -> None:
        """Write all of the row."""
        getattr(owner, self._table)[self._index] = value
