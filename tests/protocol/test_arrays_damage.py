from __future__ import annotations

import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_protocol import Code, NcsError, ScaledArray, pack, unpack

from .frames import refusal
from .strategies import MANY

pytestmark = pytest.mark.unit

F4, F8, I2, U1 = 1, 2, 4, 6
SCALED = 1
MOST = 2**32 - 1


def payload(
    code: int, shape: tuple[int, ...], data: bytes = b"", *, flags: int = 0
) -> bytes:
    head = struct.pack(f"<BBBx{len(shape)}I", code, len(shape), flags, *shape)
    return head + bytes(-len(head) % 8) + data


def scaled(scale: float, offset: float) -> bytes:
    head = struct.pack("<BBBxI", I2, 1, SCALED, 1)
    return head + struct.pack("<dd", scale, offset) + b"\1\0"


WHOLE = pack(np.arange(6, dtype="<f4").reshape(2, 3))
DAMAGED = {
    "nothing": (b"", "0 bytes are too short"),
    "three bytes": (b"\1\1\0", "3 bytes are too short"),
    "dtype 0": (payload(0, (1,), bytes(4)), "unknown dtype 0"),
    "dtype 8": (payload(8, (1,), bytes(4)), "unknown dtype 8"),
    "dtype 255": (payload(255, (1,), bytes(4)), "unknown dtype 255"),
    "no dimension": (payload(F8, (), bytes(8)), "0 dimensions, expected 1 to 4"),
    "five dimensions": (payload(F4, (1,) * 5, bytes(4)), "5 dimensions"),
    "255 dimensions": (b"\1\xff\0\0" + bytes(1100), "255 dimensions"),
    "an unknown flag": (payload(I2, (1,), bytes(2), flags=2), "unknown flags 0x2"),
    "every flag": (payload(I2, (1,), bytes(2), flags=255), "unknown flags 0xff"),
    "a scale on floats": (payload(F4, (1,), bytes(20), flags=1), "flags 0x1 for float"),
    "the fourth byte": (b"\1\1\0\1" + bytes(8), "unknown flags"),
    "no shape": (b"\1\1\0\0", "cut off within the head"),
    "half a shape": (b"\1\2\0\0" + bytes(4), "cut off within the head"),
    "no padding": (b"\1\2\0\0" + bytes(8), "cut off within the head"),
    "no scale": (b"\4\1\1\0" + bytes(4), "cut off within the head"),
    "half a scale": (b"\4\1\1\0" + bytes(4 + 15), "cut off within the head"),
    "no data": (WHOLE[:16], r"0 bytes of data, shape \[2, 3\] of float32 takes 24"),
    "a byte too few": (WHOLE[:-1], "23 bytes of data"),
    "a byte too many": (WHOLE + b"\0", "25 bytes of data"),
    "data for no point": (payload(F4, (0, 3), bytes(4)), "4 bytes of data, .* takes 0"),
    "the largest shape": (payload(F8, (MOST,) * 4), rf"takes {MOST**4 * 8}"),
    "a shape beyond int64": (payload(U1, (MOST, MOST, 2)), rf"takes {MOST**2 * 2}"),
    "a product that wraps": (payload(U1, (2**31, 2**31, 4)), f"takes {2**64}"),
    "a scale of zero": (scaled(0.0, 1.0), "scale 0.0"),
    "a scale of NaN": (scaled(math.nan, 1.0), "scale nan"),
    "an infinite scale": (scaled(math.inf, 1.0), "scale inf"),
    "an offset of NaN": (scaled(1.0, math.nan), "offset nan"),
    "an infinite offset": (scaled(1.0, -math.inf), "offset -inf"),
    "nothing, of a shape that numpy refuses": (
        payload(F4, (0, MOST, MOST, MOST)),
        "shape",
    ),
}


@pytest.mark.parametrize(("data", "message"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_a_bad_array_that_tells_what_does_not_fit(
    data: bytes, message: str
) -> None:
    with pytest.raises(NcsError, match=rf"^bad_array: packed array: .*{message}"):
        unpack(data)


def test_a_payload_that_is_cut_off_is_a_bad_array() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(NcsError, match=r"^bad_array"):
            unpack(WHOLE[:length])


@pytest.mark.parametrize("shape", [(MOST,), (MOST, MOST), (2**20, 2**20, 1, 1)])
def test_a_huge_shape_does_not_allocate(shape: tuple[int, ...]) -> None:
    data = payload(F8, shape, bytes(64))
    tracemalloc.start()
    try:
        refusal(lambda: unpack(data))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


sizes = st.sampled_from([0, 0, 1, 2, 3, 255, 2**31, MOST])
near_payloads = st.builds(
    lambda head, shape, rest: bytes(head) + struct.pack("<4I", *shape) + rest,
    st.tuples(
        st.integers(0, 7), st.integers(0, 5), st.integers(0, 2), st.integers(0, 1)
    ),
    st.tuples(sizes, sizes, sizes, sizes),
    st.integers(0, 40).map(bytes) | st.binary(max_size=40),
)


@given(st.binary(max_size=60) | near_payloads)
@MANY
def test_any_bytes_are_an_array_or_a_bad_array(data: bytes) -> None:
    try:
        unpack(data)
    except NcsError as error:
        assert error.code is Code.BAD_ARRAY


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
@MANY
def test_a_changed_byte_gives_an_array_or_a_bad_array(place: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[place] ^= change
    try:
        unpack(bytes(data))
    except NcsError as error:
        assert error.code is Code.BAD_ARRAY


SCALED_WHOLE = pack(ScaledArray(np.arange(6, dtype="i2"), 0.5, 1.0))


@given(st.integers(0, len(SCALED_WHOLE) - 1), st.integers(1, 255))
@MANY
def test_a_changed_byte_of_a_scaled_payload_gives_an_array_or_a_bad_array(
    place: int, change: int
) -> None:
    data = bytearray(SCALED_WHOLE)
    data[place] ^= change
    try:
        unpack(bytes(data))
    except NcsError as error:
        assert error.code is Code.BAD_ARRAY
