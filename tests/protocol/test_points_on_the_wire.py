"""What codec and `as_block` make together of the points of a frame."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest

from ncs_protocol import (
    CODECS,
    JSON,
    MSGPACK,
    Block,
    Code,
    Codec,
    as_block,
    pack,
)
from ncs_protocol.messages import Points

from .frames import points, refusal

pytestmark = pytest.mark.unit

each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


def block_of(codec: Codec, frame: bytes) -> Block:
    """Return what a server makes of a frame."""
    message = codec.decode_client(frame)
    assert isinstance(message, Points)
    given = message.points if message.array is None else message.array
    assert given is not None
    return as_block(given)


def code_of(codec: Codec, frame: bytes) -> Code:
    return refusal(lambda: block_of(codec, frame)).code


def json_points(text: bytes) -> bytes:
    return b'{"type":"points","seq":1,"points":' + text + b"}"


def packed(array: Any) -> bytes:
    message = Points(seq=1, array=array)
    return MSGPACK.encode(message)


@each_codec
@pytest.mark.parametrize(
    "value",
    [True, False, "a", "1", "", None, [1], [], {}, {"x": 1}],
    ids=repr,
)
def test_a_coordinate_is_a_number(codec: Codec, value: Any) -> None:
    frame = points(codec, [[1.0, 2.0], [1.0, value]])
    assert code_of(codec, frame) is Code.INVALID_MESSAGE


@each_codec
def test_the_coordinate_that_is_none_is_told_by_its_place(codec: Codec) -> None:
    frame = points(codec, [[1.0], ["a"]])
    assert "points" in refusal(lambda: block_of(codec, frame)).detail


@each_codec
@pytest.mark.parametrize("value", [[1, 2, 3], [["a", "b", "c"]], {}, "x", 5, [{}]])
def test_points_are_lists_of_lists(codec: Codec, value: Any) -> None:
    assert code_of(codec, points(codec, value)) is Code.INVALID_MESSAGE


@each_codec
@pytest.mark.parametrize(
    ("value", "code"), [([], Code.NO_POINTS), ([[]], Code.EMPTY_POINT)], ids=str
)
def test_points_have_to_be_there(codec: Codec, value: Any, code: Code) -> None:
    assert code_of(codec, points(codec, value)) is code


@each_codec
def test_ragged_points_are_told_in_the_documented_words(codec: Codec) -> None:
    error = refusal(lambda: block_of(codec, points(codec, [[1, 2], [3]])))
    assert error.code is Code.RAGGED_POINTS
    assert (error.index, error.detail) == (1, "Point 1 has 1 dimensions, expected 2")


@each_codec
def test_whole_numbers_are_taken_as_floats(codec: Codec) -> None:
    block = block_of(codec, points(codec, [[1, -2], [3, 1_000_000]]))
    assert block.dtype == np.float64
    assert block.tolist() == [[1, -2], [3, 1e6]]


@each_codec
@pytest.mark.parametrize(
    "value", [1e20, -1e20, 1_000_001, 2**63, 2**64 - 1, -(2**63), 1.7e308]
)
def test_a_large_number_is_out_of_range(codec: Codec, value: float) -> None:
    error = refusal(lambda: block_of(codec, points(codec, [[0], [value]])))
    assert (error.code, error.index) == (Code.OUT_OF_RANGE, 1)


@pytest.mark.parametrize("text", [b"18446744073709551616", b"1" + b"0" * 300])
def test_a_whole_number_beyond_64_bits_in_json_is_out_of_range(text: bytes) -> None:
    assert code_of(JSON, json_points(b"[[" + text + b"]]")) is Code.OUT_OF_RANGE


@pytest.mark.parametrize(
    "text", [b"NaN", b"Infinity", b"-Infinity", b"nan", b"1e400", b"1" + b"0" * 400]
)
def test_json_knows_no_number_that_is_not_finite(text: bytes) -> None:
    assert code_of(JSON, json_points(b"[[" + text + b"]]")) is Code.MALFORMED_FRAME


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_msgpack_that_is_not_finite_is_refused_by_the_point(value: float) -> None:
    frame = points(MSGPACK, [[0.0, 0.0], [0.0, value]])
    error = refusal(lambda: block_of(MSGPACK, frame))
    assert (error.code, error.index) == (Code.NOT_FINITE, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_short_msgpack_float_that_is_not_finite_is_refused(value: float) -> None:
    frame = msgpack.packb(
        {"type": "points", "seq": 1, "points": [[value]]}, use_single_float=True
    )
    assert code_of(MSGPACK, frame) is Code.NOT_FINITE


@each_codec
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_packed_points_that_are_not_finite_are_refused(
    codec: Codec, value: float, dtype: str
) -> None:
    array = np.array([[0, 0], [0, value]], dtype)
    error = refusal(lambda: block_of(codec, codec.encode(Points(seq=1, array=array))))
    assert (error.code, error.index) == (Code.NOT_FINITE, 1)


@each_codec
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_packed_floats_arrive_as_they_are(codec: Codec, dtype: str) -> None:
    array = np.array([[0.1, 0.2]], dtype)
    block = block_of(codec, codec.encode(Points(seq=1, array=array)))
    assert (block.dtype, block.tolist()) == (array.dtype, array.tolist())


def test_packed_floats_are_not_copied_after_the_frame_is_parsed() -> None:
    message = MSGPACK.decode_client(packed(np.ones((3, 2), "f4")))
    assert isinstance(message, Points)
    assert message.array is not None
    assert np.shares_memory(as_block(message.array), message.array)


@each_codec
@pytest.mark.parametrize("shape", [(3,), (1, 2, 3)], ids=str)
def test_packed_points_have_two_dimensions(
    codec: Codec, shape: tuple[int, ...]
) -> None:
    frame = codec.encode(Points(seq=1, array=np.zeros(shape)))
    assert code_of(codec, frame) is Code.BAD_ARRAY


@each_codec
@pytest.mark.parametrize(
    ("count", "dimension", "code"),
    [
        (10_000, 1, None),
        (10_001, 1, Code.TOO_MANY_POINTS),
        (1, 1_000, None),
        (1, 1_001, Code.TOO_MANY_DIMENSIONS),
        (1_000, 100, None),
        (1_000, 101, Code.TOO_MANY_ELEMENTS),
    ],
)
def test_each_limit_is_told_by_its_own_code(
    codec: Codec, count: int, dimension: int, code: Code | None
) -> None:
    frame = points(codec, [[0] * dimension] * count)
    if code is None:
        assert block_of(codec, frame).shape == (count, dimension)
    else:
        assert code_of(codec, frame) is code


def test_an_ext_array_in_the_place_of_the_list_is_refused() -> None:
    ext = msgpack.ExtType(0x10, pack(np.ones((2, 2))))
    assert code_of(MSGPACK, points(MSGPACK, ext)) is Code.INVALID_MESSAGE
