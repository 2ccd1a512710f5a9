"""Points in the shapes in which programs have them: lists, arrays, tables.

NumPy, pandas and PyArrow are not imported to find out what something is: an object is
taken for what it behaves like. So none of them has to be there, and a gateway that
pushes lists loads none of them.
"""

from __future__ import annotations

import array
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ncs_protocol import ScaledArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Rows",
    "as_point",
    "as_points",
    "count_of",
    "dimensions_of",
    "slice_of",
]

Rows: TypeAlias = "list[list[float]] | NDArray[Any] | ScaledArray"
"""n lists of d floats, or a floating array of shape (n, d), or a scaled one."""

_PACKABLE = ("f8", "f4", "f2")


def as_points(points: Any, columns: Sequence[str] | None = None) -> Rows:
    """Return points as they travel.

    Args:
        points: rows of numbers; an array of shape (n, d); a table (a pandas or Polars
            DataFrame, a PyArrow Table or RecordBatch, a dict of columns), each row of
            which is a point; or one column (a Series, a PyArrow array), whose points
            have one dimension. Missing values become NaN, which a server refuses.
        columns: the columns of a table that are the dimensions, in this order; None for
            all.

    Raises:
        TypeError: if something in it is not a number. Truth values are not either.
        KeyError: if a column is not there.
    """
    names = _names_of(points)
    if names is not None:
        return _from_table(points, names if columns is None else columns)
    if columns is not None:
        raise TypeError("columns are those of a table, and these points are none")
    if isinstance(points, ScaledArray):
        return points
    if hasattr(points, "__array__"):
        return _from_array(points)
    return [_row(row) for row in points]


def as_point(point: Any) -> Rows:
    """Return one point as a batch of one: numbers, a 1-d array, or a row of a table."""
    if hasattr(point, "__array__"):
        return _floats(_values(point, "the point", 1).reshape(1, -1))
    return [_row(point)]


def count_of(points: Rows) -> int:
    """Return how many points there are."""
    return len(points.values if isinstance(points, ScaledArray) else points)


def slice_of(points: Rows, start: int, stop: int) -> Rows:
    """Return the points from `start` to before `stop`."""
    if isinstance(points, ScaledArray):
        return ScaledArray(points.values[start:stop], points.scale, points.offset)
    return points[start:stop]


def dimensions_of(points: Rows) -> int:
    """Return how many coordinates the first point has; there has to be one."""
    return len(points.values[0] if isinstance(points, ScaledArray) else points[0])


def _names_of(points: Any) -> list[Any] | None:
    """Return the names of a table's columns, None for what is no table."""
    if isinstance(points, Mapping):
        return list(points)
    for attribute in ("column_names", "columns"):  # of PyArrow; of pandas, Polars
        names = getattr(points, attribute, None)
        if names is not None:
            return list(names)
    return None


def _from_table(table: Any, names: Sequence[Any]) -> NDArray[Any]:
    import numpy as np

    if isinstance(names, str):
        raise TypeError(f"columns are a list of names, not {names!r}")
    if not names:
        raise TypeError("the table has no column")
    columns = [_values(table[name], f"column {name!r}", 1) for name in names]
    return _floats(np.column_stack(columns))


def _from_array(points: Any) -> NDArray[Any]:
    values = _values(points, "the array")
    if values.ndim == 1 and hasattr(points, "to_numpy"):  # a column of a table
        values = values.reshape(-1, 1)
    return _floats(values)


def _values(given: Any, what: str, ndim: int | None = None) -> NDArray[Any]:
    """Return the numbers in something that can be made an array of."""
    import numpy as np

    values = np.asarray(given)
    kind = getattr(getattr(given, "dtype", None), "kind", None)
    if values.dtype.kind == "O" and kind in ("f", "i", "u"):
        # Numbers of pandas' own kind, some of them missing.
        values = given.to_numpy(dtype="float64", na_value=math.nan)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{what} holds {values.dtype}, not numbers")
    if ndim not in (None, values.ndim):
        raise TypeError(f"{what} has {values.ndim} dimensions, not {ndim}")
    return values


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.dtype.str[1:] in _PACKABLE else values.astype("f8")


def _row(row: Any) -> list[float]:
    if isinstance(row, str | bytes | bytearray) or not hasattr(row, "__iter__"):
        raise TypeError(f"a point is a list of numbers, not {row!r:.40}")
    values = list(row)
    if bool in map(type, values):
        raise TypeError("a truth value is not a number")
    return array.array("d", values).tolist()
