from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from ncs_protocol import EXT_NDARRAY, Code, ScaledArray, pack, unpack

from .frames import code_of
from .strategies import DTYPES, MANY, arrays

pytestmark = pytest.mark.unit

SHAPES = [(5,), (2, 3), (2, 3, 4), (2, 1, 3, 2)]
EMPTY = [(0,), (0, 3), (3, 0), (0, 0), (2, 0, 4), (1, 2, 3, 0)]
SCALABLE = ("<i2", "i1", "u1")

each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_scalable = pytest.mark.parametrize("dtype", SCALABLE)


def counting(dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def address(data: NDArray[Any]) -> int:
    place: int = data.__array_interface__["data"][0]
    return place


def test_the_ext_type_is_the_documented_one() -> None:
    assert EXT_NDARRAY == 0x10


@each_dtype
def test_values_come_back(dtype: str) -> None:
    for shape in SHAPES:
        array = counting(dtype, shape)
        assert unpack(pack(array)).tolist() == array.tolist()


@each_dtype
def test_type_and_shape_come_back(dtype: str) -> None:
    for shape in SHAPES:
        found = unpack(pack(counting(dtype, shape)))
        assert (found.dtype.str, found.shape) == (np.dtype(dtype).str, shape)


@each_dtype
@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_an_empty_array_keeps_its_shape(dtype: str, shape: tuple[int, ...]) -> None:
    assert unpack(pack(np.empty(shape, dtype))).shape == shape


@given(arrays)
@MANY
def test_any_array_comes_back_to_the_bit(array: NDArray[Any]) -> None:
    assert unpack(pack(array)).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308]
)
def test_a_strange_float_comes_back_to_the_bit(value: float) -> None:
    array = np.array([value])
    assert unpack(pack(array)).tobytes() == array.tobytes()


BASE = np.arange(48.0).reshape(6, 8)
UNUSUAL = {
    "every second row": BASE[::2],
    "every second column": BASE[:, ::2],
    "backwards": BASE[::-1, ::-1],
    "a column": BASE[:, 3:4],
    "transposed": BASE.T,
    "Fortran order": np.asfortranarray(BASE),
    "big-endian": BASE.astype(">f8"),
    "big-endian and transposed": BASE.astype(">f4").T,
    "big-endian integers": BASE.astype(">i2"),
    "broadcast": np.broadcast_to(np.arange(3.0), (4, 3)),
}


@pytest.mark.parametrize("array", UNUSUAL.values(), ids=UNUSUAL)
def test_the_layout_in_memory_does_not_matter(array: NDArray[Any]) -> None:
    assert unpack(pack(array)).tolist() == array.tolist()


@pytest.mark.parametrize("array", UNUSUAL.values(), ids=UNUSUAL)
def test_what_comes_back_is_little_endian_and_contiguous(array: NDArray[Any]) -> None:
    found = unpack(pack(array))
    assert found.dtype.byteorder in "<=|"
    assert found.flags.c_contiguous


def test_the_layout_of_a_payload_is_the_documented_one() -> None:
    payload = pack(np.array([[1.5, 2.5]], "<f4"))
    head = bytes([1, 2, 0, 0]) + struct.pack("<II", 1, 2)
    assert payload == head + bytes(4) + struct.pack("<ff", 1.5, 2.5)


def test_the_layout_of_a_scaled_payload_is_the_documented_one() -> None:
    payload = pack(ScaledArray(np.array([3, -3], "<i2"), 0.5, 7.0))
    head = bytes([4, 1, 1, 0]) + struct.pack("<I", 2) + struct.pack("<dd", 0.5, 7.0)
    assert payload == head + struct.pack("<hh", 3, -3)


@each_dtype
def test_the_data_begin_at_a_multiple_of_eight(dtype: str) -> None:
    for shape in SHAPES:
        payload = pack(counting(dtype, shape))
        begin = address(unpack(payload)) - address(np.frombuffer(payload, "u1"))
        assert begin % 8 == 0


@each_scalable
def test_scaled_data_begin_at_a_multiple_of_eight(dtype: str) -> None:
    for shape in SHAPES:
        array = counting(dtype, shape)
        assert (len(pack(ScaledArray(array, 1.0))) - array.nbytes) % 8 == 0


@each_dtype
def test_unpacking_makes_a_view_and_no_copy(dtype: str) -> None:
    for shape in SHAPES:
        payload = pack(counting(dtype, shape))
        found = unpack(payload)
        assert not found.flags.owndata
        assert np.shares_memory(found, np.frombuffer(payload, "u1"))


def test_a_view_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        unpack(pack(np.ones((2, 2))))[0, 0] = 5.0


# Scaled integers


@each_scalable
def test_scaled_integers_become_what_they_stand_for(dtype: str) -> None:
    for shape in SHAPES:
        array = counting(dtype, shape)
        found = unpack(pack(ScaledArray(array, 0.25, -3.0)))
        assert found.tolist() == (array * 0.25 - 3.0).tolist()


@each_scalable
def test_scaled_integers_become_float32(dtype: str) -> None:
    assert unpack(pack(ScaledArray(np.ones(3, dtype), 0.5))).dtype == np.float32


@each_scalable
def test_a_scale_without_offset_leaves_zero_at_zero(dtype: str) -> None:
    assert unpack(pack(ScaledArray(np.zeros(2, dtype), 0.1))).tolist() == [0, 0]


def test_scaled_integers_may_be_big_endian_in_memory() -> None:
    values = np.array([1, -300], ">i2")
    assert unpack(pack(ScaledArray(values, 2.0))).tolist() == [2.0, -600.0]


def test_scaled_integers_may_be_none() -> None:
    assert unpack(pack(ScaledArray(np.zeros((0, 3), "i2"), 1.0))).shape == (0, 3)


def test_the_extremes_of_int16_can_be_scaled() -> None:
    values = np.array([-32768, 32767], "i2")
    assert unpack(pack(ScaledArray(values, 2.0, 1.0))).tolist() == [-65535, 65535]


@pytest.mark.parametrize("scale", [1e308, -1e308])
def test_a_scale_that_overflows_gives_infinity_and_no_warning(scale: float) -> None:
    values = np.array([300, -300], "i2")
    found = unpack(pack(ScaledArray(values, scale, scale)))
    assert np.isinf(found).all()


# What cannot be packed


@pytest.mark.parametrize(
    "dtype", ["i8", "u2", "u4", "u8", "?", "c8", "O", "S3", "M8[s]", "f2,f2"]
)
def test_another_type_cannot_be_packed(dtype: str) -> None:
    assert code_of(lambda: pack(np.zeros(3, dtype))) is Code.BAD_ARRAY


def test_five_dimensions_cannot_be_packed() -> None:
    assert code_of(lambda: pack(np.zeros((1, 1, 1, 1, 1)))) is Code.BAD_ARRAY


def test_no_dimension_cannot_be_packed() -> None:
    assert code_of(lambda: pack(np.array(1.0))) is Code.BAD_ARRAY


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", "i4"])
def test_only_small_integers_can_be_scaled(dtype: str) -> None:
    scaled = ScaledArray(np.zeros(3, dtype), 0.5)
    assert code_of(lambda: pack(scaled)) is Code.BAD_ARRAY
