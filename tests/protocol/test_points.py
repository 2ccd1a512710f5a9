from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from ncs_protocol import Block, Code, Limits, NcsError, as_block, suspicion

from .frames import code_of, refusal
from .strategies import MANY

pytestmark = pytest.mark.unit


def both(points: list[list[float]]) -> list[Any]:
    """Return the points as lists and as an array."""
    return [points, np.array(points)]


# From lists and arrays to a block


def test_lists_become_float64() -> None:
    block = as_block([[1.0, 2.0], [3.0, 4.0]])
    assert block.dtype == np.float64
    assert block.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_whole_numbers_become_floats() -> None:
    assert as_block([[1, 2]]).dtype == np.float64


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_float_array_is_not_copied(dtype: str) -> None:
    array = np.ones((3, 2), dtype)
    block = as_block(array)
    assert (block.dtype, np.shares_memory(block, array)) == (array.dtype, True)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("f2", "f4"), ("i1", "f8"), ("u1", "f8"), ("i2", "f8"), ("i4", "f8"),
        ("i8", "f8"), ("u8", "f8"), (">f4", "f4"), (">f8", "f8"), (">i2", "f8"),
        (np.longdouble, "f8"),
    ],
)  # fmt: skip
def test_another_number_becomes_the_float_that_holds_it(
    dtype: Any, expected: str
) -> None:
    block = as_block(np.array([[1, 2], [3, 100]], dtype))
    assert (block.dtype, block.tolist()) == (np.dtype(expected), [[1, 2], [3, 100]])


@pytest.mark.parametrize(
    "array", [np.ones((4, 6))[:, ::2], np.asfortranarray(np.ones((4, 3)))]
)
def test_a_block_is_contiguous_whatever_came(array: NDArray[Any]) -> None:
    assert as_block(array).flags.c_contiguous


@pytest.mark.parametrize("dtype", ["?", "c16", "O", "S1", "U1", "M8[s]", "f8,f8"])
def test_what_is_no_number_is_a_bad_array(dtype: str) -> None:
    array: Any = np.zeros((2, 2), dtype)
    assert code_of(lambda: as_block(array)) is Code.BAD_ARRAY


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3), (0,)], ids=str)
def test_an_array_that_is_not_two_dimensional_is_a_bad_array(
    shape: tuple[int, ...],
) -> None:
    error = refusal(lambda: as_block(np.zeros(shape)))
    assert error.code is Code.BAD_ARRAY
    assert error.detail.endswith(f"got shape {list(shape)}")


# Shape


@pytest.mark.parametrize("points", [[], np.zeros((0, 3)), np.zeros((0, 0))], ids=str)
def test_no_point_is_refused(points: Any) -> None:
    assert code_of(lambda: as_block(points)) is Code.NO_POINTS


@pytest.mark.parametrize(
    ("points", "index"), [([[]], 0), ([[1.0], []], 1), (np.zeros((3, 0)), 0)], ids=str
)
def test_a_point_without_coordinates_is_refused_by_its_index(
    points: Any, index: int
) -> None:
    error = refusal(lambda: as_block(points))
    assert (error.code, error.index) == (Code.EMPTY_POINT, index)
    assert error.detail == "Point must contain at least 1 dimension"


def test_ragged_points_are_told_in_the_documented_words() -> None:
    error = refusal(lambda: as_block([[1.0, 2.0], [3.0]]))
    assert error.code is Code.RAGGED_POINTS
    assert error.detail == "Point 1 has 1 dimensions, expected 2"


def test_the_first_ragged_point_is_told() -> None:
    error = refusal(lambda: as_block([[1, 2], [3, 4], [5, 6, 7], [8]]))
    assert (error.index, error.detail) == (2, "Point 2 has 3 dimensions, expected 2")


# Values


@pytest.mark.parametrize("value", [1e6, -1e6, 0.0, -0.0, 5e-324, 1, -1_000_000])
def test_a_value_within_the_limit_passes(value: float) -> None:
    for points in both([[value]]):
        assert as_block(points)[0, 0] == value


@pytest.mark.parametrize(
    "value", [np.nextafter(1e6, 2e6), 1_000_001, -1_000_001, 1e20, 1.7e308, 2**64]
)
def test_a_value_beyond_the_limit_is_out_of_range(value: float) -> None:
    for points in both([[float(value)]]):
        assert code_of(lambda p=points: as_block(p)) is Code.OUT_OF_RANGE  # type: ignore[misc]


def test_the_limit_holds_for_float32() -> None:
    as_block(np.full((1, 1), 1e6, "f4"))
    beyond = np.full((1, 1), np.nextafter(np.float32(1e6), np.float32(2e6)))
    assert code_of(lambda: as_block(beyond)) is Code.OUT_OF_RANGE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_a_value_that_is_not_finite_is_refused(value: float, dtype: str) -> None:
    array = np.array([[0.0, value]], dtype)
    assert code_of(lambda: as_block(array)) is Code.NOT_FINITE
    assert code_of(lambda: as_block(array.tolist())) is Code.NOT_FINITE


def test_a_longdouble_beyond_float64_is_not_finite() -> None:
    array = np.array([[np.finfo(np.longdouble).max]])
    assert code_of(lambda: as_block(array)) in (Code.NOT_FINITE, Code.OUT_OF_RANGE)


@pytest.mark.parametrize("digits", [20, 400])
def test_a_whole_number_of_many_digits_is_out_of_range(digits: int) -> None:
    assert code_of(lambda: as_block([[10**digits]])) is Code.OUT_OF_RANGE


def test_the_first_offending_point_is_told_with_its_coordinate() -> None:
    for points in both([[0, 0], [0, 2e6], [np.nan, 0]]):
        error = refusal(lambda p=points: as_block(p))  # type: ignore[misc]
        assert (error.code, error.index) == (Code.OUT_OF_RANGE, 1)
        assert error.detail.startswith("Point 1 has 2e+06 at coordinate 1; the limit")


def test_of_one_point_the_first_coordinate_is_told() -> None:
    error = refusal(lambda: as_block([[0, 0], [np.nan, 2e6]]))
    assert (error.code, error.index) == (Code.NOT_FINITE, 1)


# Limits, each at its boundary


def test_as_many_points_as_the_limit_pass() -> None:
    for points in both([[0.0]] * 3):
        assert len(as_block(points, Limits(max_points=3))) == 3


def test_one_point_more_is_too_many_points() -> None:
    for points in both([[0.0]] * 4):
        error = refusal(lambda p=points: as_block(p, Limits(max_points=3)))  # type: ignore[misc]
        assert error.code is Code.TOO_MANY_POINTS
        assert error.detail == "4 points in one batch, the limit is 3"


def test_as_many_dimensions_as_the_limit_pass() -> None:
    for points in both([[0.0] * 3]):
        assert as_block(points, Limits(max_dimensions=3)).shape == (1, 3)


def test_one_dimension_more_is_too_many_dimensions() -> None:
    for points in both([[0.0] * 4]):
        error = refusal(lambda p=points: as_block(p, Limits(max_dimensions=3)))  # type: ignore[misc]
        assert (error.code, error.index) == (Code.TOO_MANY_DIMENSIONS, 0)
        assert error.detail == "Point 0 has 4 dimensions, the limit is 3"


def test_as_many_elements_as_the_limit_pass() -> None:
    for points in both([[0.0] * 3] * 4):
        assert as_block(points, Limits(max_elements=12)).size == 12


def test_one_element_more_is_too_many_elements() -> None:
    for points in both([[0.0] * 3] * 4):
        error = refusal(lambda p=points: as_block(p, Limits(max_elements=11)))  # type: ignore[misc]
        assert error.code is Code.TOO_MANY_ELEMENTS
        assert "12 elements, the limit is 11" in error.detail


@pytest.mark.parametrize(
    ("count", "dimension", "code"),
    [
        (10_000, 10, None),
        (10_000, 11, Code.TOO_MANY_ELEMENTS),
        (10_001, 1, Code.TOO_MANY_POINTS),
        (100, 1_000, None),
        (101, 1_000, Code.TOO_MANY_ELEMENTS),
        (1, 1_001, Code.TOO_MANY_DIMENSIONS),
    ],
)
def test_the_documented_limits_hold(
    count: int, dimension: int, code: Code | None
) -> None:
    points = np.zeros((count, dimension), "f4")
    if code is None:
        assert as_block(points).shape == (count, dimension)
    else:
        assert code_of(lambda: as_block(points)) is code


numbers = st.floats() | st.integers(-(2**70), 2**70)
any_lists = st.lists(st.lists(numbers, max_size=4), max_size=4)
any_arrays = npst.arrays(
    npst.scalar_dtypes(), npst.array_shapes(min_dims=0, max_dims=3, min_side=0)
)


@given(any_lists | any_arrays)
@MANY
def test_any_points_are_a_checked_block_or_refused(points: Any) -> None:
    limits = Limits(max_points=3, max_dimensions=3, max_elements=8)
    try:
        block = as_block(points, limits)
    except NcsError:
        return
    assert block.dtype in (np.float32, np.float64)
    assert block.flags.c_contiguous
    assert block.shape[0] in (1, 2, 3)
    assert block.shape[1] in (1, 2, 3)
    assert (np.abs(block) <= 1e6).all()


# Suspicion


def varied(dimension: int) -> Block:
    return np.arange(1.0, dimension + 1).reshape(1, -1)


@pytest.mark.parametrize("dimension", [1, 3, 100])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_up_to_100_dimensions_nothing_is_suspicious(
    dimension: int, value: float
) -> None:
    assert suspicion(np.full((2, dimension), value)) is None


def test_equal_coordinates_are_suspicious_from_101_dimensions() -> None:
    block = np.concatenate([varied(101), np.full((1, 101), 5.0)])
    assert suspicion(block) == (1, "all coordinates equal")


def test_a_point_of_varied_coordinates_is_not_suspicious() -> None:
    assert suspicion(varied(1000)) is None


@pytest.mark.parametrize(("zeros", "found"), [(190, False), (191, True)])
def test_more_than_95_percent_zeros_are_suspicious(zeros: int, found: bool) -> None:
    block = varied(200)
    block[0, :zeros] = 0
    assert suspicion(block) == ((0, "more than 95 % zeros") if found else None)


def test_the_first_suspicious_point_is_told() -> None:
    block = np.concatenate([varied(200), np.zeros((2, 200))])
    assert suspicion(block) == (1, "all coordinates equal")
