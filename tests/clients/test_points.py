"""Points as programs have them: lists, arrays, and tables that nobody imported."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_client.points import as_point, as_points, count_of
from ncs_protocol import ScaledArray

pytestmark = pytest.mark.unit

FRAME = pd.DataFrame(
    {
        "id": ["p", "q"],
        "x": [1, 2],
        "y": [1.5, 2.5],
        "on": [True, False],
        "at": pd.to_datetime(["2026-01-01", "2026-01-02"]),
        "gap": pd.array([1, None], dtype="Int64"),
        "small": np.array([1.0, 2.0], np.float32),
    }
)
TABLE = pa.table({"id": ["p", "q"], "x": [1, 2], "y": [1.5, 2.5], "gap": [1, None]})


def values(points: Any, columns: Any = None) -> Any:
    found = as_points(points, columns)
    assert not isinstance(found, ScaledArray)
    return found if isinstance(found, list) else found.tolist()


@given(st.lists(st.lists(st.floats(allow_nan=False), max_size=4), max_size=5))
def test_lists_stay_what_they_are(rows: list[list[float]]) -> None:
    assert rows == as_points(rows)
    assert rows == as_points(tuple(map(tuple, rows)))
    assert rows == as_points(map(np.array, rows))


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", ">f8"])
def test_floating_arrays_are_not_touched(kind: str) -> None:
    array = np.arange(6).reshape(3, 2).astype(kind)
    assert as_points(array) is array


@pytest.mark.parametrize("kind", ["i8", "i4", "u1", "longdouble"])
def test_other_numbers_become_float64(kind: str) -> None:
    found = as_points(np.arange(6).reshape(3, 2).astype(kind))
    assert isinstance(found, np.ndarray)
    assert np.float64 == found.dtype
    assert [[0, 1], [2, 3], [4, 5]] == found.tolist()


def test_scaled_integers_go_through() -> None:
    scaled = ScaledArray(np.zeros((3, 2), np.int16), 0.5)
    assert as_points(scaled) is scaled
    assert 3 == count_of(scaled)


@pytest.mark.parametrize(
    "table",
    [FRAME, TABLE, TABLE.to_batches()[0], {"x": [1, 2], "y": (1.5, 2.5)}],
    ids=["pandas", "arrow table", "arrow batch", "dict"],
)
def test_named_columns_of_a_table_are_the_dimensions_in_that_order(table: Any) -> None:
    assert [[1.5, 1.0], [2.5, 2.0]] == values(table, ["y", "x"])
    assert [[1.0], [2.0]] == values(table, ["x"])


def test_all_columns_count_unless_some_are_named() -> None:
    assert [[1.0, 1.5], [2.0, 2.5]] == values(FRAME[["x", "y"]])
    with pytest.raises(TypeError, match="column 'id' holds"):
        as_points(FRAME)


@pytest.mark.parametrize(
    "column",
    [FRAME["x"], FRAME["small"], TABLE["x"], TABLE["x"].chunk(0)],
    ids=["series", "float32 series", "chunked array", "arrow array"],
)
def test_a_column_alone_is_points_of_one_dimension(column: Any) -> None:
    assert [[1.0], [2.0]] == values(column)


def test_float32_columns_stay_float32() -> None:
    found = as_points(FRAME, ["small", "small"])
    assert isinstance(found, np.ndarray)
    assert np.float32 == found.dtype


@pytest.mark.parametrize("table", [FRAME, TABLE], ids=["pandas", "arrow"])
def test_what_is_missing_becomes_nan_which_a_server_refuses(table: Any) -> None:
    found = as_points(table, ["gap"])
    assert [1.0] == found[0]
    assert np.isnan(found[1][0])


@pytest.mark.parametrize(
    ("points", "columns", "said"),
    [
        (FRAME, ["id"], "column 'id' holds"),
        (FRAME, ["on"], "column 'on' holds bool"),
        (FRAME, ["at"], "column 'at' holds datetime64"),
        (TABLE, ["id"], "column 'id' holds"),
        (FRAME, "x", "a list of names"),
        (FRAME[[]], None, "no column"),
        (pd.concat([FRAME["x"]] * 2, axis=1), ["x"], "has 2 dimensions"),
        ([[1.0]], ["x"], "columns are those of a table"),
        (np.array([["1.5"]]), None, "not numbers"),
        (np.array([[True]]), None, "holds bool"),
        ([1.0, 2.0], None, "a point is a list of numbers, not 1.0"),
        (["12"], None, "a point is a list of numbers"),
        ([b"12345678"], None, "a point is a list of numbers"),
        ("12", None, "a point is a list of numbers"),
        ([["1.5"]], None, "must be real number"),
        ([[None]], None, "must be real number"),
        ([[True]], None, "truth value"),
        ([{"x": 1.0}], None, "must be real number"),
    ],
)
def test_what_is_no_number_is_said_so(points: Any, columns: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        as_points(points, columns)


def test_a_column_that_is_not_there_is_named() -> None:
    for table in (FRAME, TABLE):
        with pytest.raises(KeyError, match="nowhere"):
            as_points(table, ["nowhere"])


@pytest.mark.parametrize(
    "point",
    [[1, 2.5], (1, 2.5), np.array([1, 2.5]), FRAME[["x", "y"]].iloc[0] + [0, 1]],
)
def test_one_point_is_a_batch_of_one(point: Any) -> None:
    found = as_point(point)
    assert not isinstance(found, ScaledArray)
    assert [[1.0, 2.5]] == (found if isinstance(found, list) else found.tolist())


@pytest.mark.parametrize("point", [5, "12", [[1.0]], np.eye(2), FRAME.iloc[0]])
def test_what_is_not_one_point_is_refused(point: Any) -> None:
    with pytest.raises(TypeError):
        as_point(point)


def test_lists_need_no_numpy_and_tables_no_pandas() -> None:
    program = (
        "import sys; from ncs_client.points import as_points; as_points([[1.0]]);"
        "assert 'numpy' not in sys.modules; as_points({'x': [1.0]});"
        "assert not {'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
