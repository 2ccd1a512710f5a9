"""Small frames that claim to be large: refused, in memory that is bounded."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from ncs_protocol import DEFAULT_LIMITS, EXT_NDARRAY, JSON, MSGPACK, Code

from .frames import code_of, peak_megabytes

pytestmark = pytest.mark.unit

LARGEST = DEFAULT_LIMITS.max_frame_bytes
MOST = 2**32 - 1
LONGEST = 2 * DEFAULT_LIMITS.max_points + 64  # what is read, to be told as too many
TOO_MUCH = (Code.MALFORMED_FRAME, Code.TOO_MANY_ELEMENTS)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def filled(frame: bytes) -> bytes:
    """Return the frame made as large as a frame may be, of nothing but null."""
    return frame.ljust(LARGEST, b"\xc0")


ARRAY32, MAP32 = b"\xdd", b"\xdf"
CLAIMS = {
    "an array of 2^32": ARRAY32 + u32(MOST),
    "a map of 2^32": MAP32 + u32(MOST),
    "a string of 2^32": b"\xdb" + u32(MOST),
    "bytes of 2^32": b"\xc6" + u32(MOST),
    "an ext of 2^32": b"\xc9" + u32(MOST) + bytes([EXT_NDARRAY]),
    "an ext of 2 MB that is not there": b"\xc9" + u32(LARGEST) + bytes([EXT_NDARRAY]),
    "an array of one element too many": ARRAY32 + u32(LONGEST + 1) + b"\xc0",
    "400 nested arrays of 2^32": (ARRAY32 + u32(MOST)) * 400,
    "400 nested arrays of the most": (ARRAY32 + u32(LONGEST)) * 400,
    "400 nested arrays of 10,000, filled": filled((ARRAY32 + u32(10_000)) * 400),
    "500 nested maps of the most": (b"\xde" + struct.pack(">H", LONGEST) + b"\xa0")
    * 500,
    "nested maps, filled": filled(b"\x81\xa0" * 1000),
    "arrays within arrays to the end": b"\x91" * LARGEST,
    "maps within maps to the end": b"\x81\xa0" * (LARGEST // 2),
    "an array of arrays of 2^32": b"\x9f" + (ARRAY32 + u32(MOST)) * 15,
}
each_claim = pytest.mark.parametrize("frame", CLAIMS.values(), ids=CLAIMS)


@each_claim
def test_a_claim_is_refused(frame: bytes) -> None:
    assert code_of(lambda: MSGPACK.decode_client(frame)) in TOO_MUCH


@each_claim
def test_a_claim_in_a_body_is_refused(frame: bytes) -> None:
    assert code_of(lambda: MSGPACK.decode_as(frame, dict)) in TOO_MUCH


@each_claim
def test_a_claim_of_a_server_is_refused(frame: bytes) -> None:
    assert code_of(lambda: MSGPACK.decode_server(frame)) in TOO_MUCH


@pytest.mark.parametrize("head", [b"\xc9", b"\xc6", b"\xdb"], ids=["ext", "bin", "str"])
def test_a_claim_of_more_bytes_than_there_are_is_malformed(head: bytes) -> None:
    frame = head + u32(MOST) + bytes([EXT_NDARRAY])
    assert code_of(lambda: MSGPACK.decode_client(frame)) is Code.MALFORMED_FRAME


@each_claim
def test_a_claim_takes_less_than_64_megabytes(frame: bytes) -> None:
    assert peak_megabytes(lambda: MSGPACK.decode_client(frame)) < 64


def test_1000_nested_arrays_of_the_most_take_less_than_170_megabytes() -> None:
    # What the parser's 1024 levels of 20,064 slots come to: the worst that there is.
    frame = (ARRAY32 + u32(LONGEST)) * 1000
    assert peak_megabytes(lambda: MSGPACK.decode_client(frame)) < 170


def test_a_full_frame_of_small_objects_takes_less_than_100_megabytes() -> None:
    head, element = b'{"points":[', b'{"":0},'
    frame = head + element * ((LARGEST - len(head) - 3) // len(element)) + b"0]}"
    assert peak_megabytes(lambda: JSON.decode_client(frame)) < 100


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'], ids=str)
@pytest.mark.parametrize("levels", [100_000, 300_000])
def test_json_that_is_nested_too_deep_is_malformed(opening: bytes, levels: int) -> None:
    frame = (opening * levels)[:LARGEST]
    assert code_of(lambda: JSON.decode_client(frame)) is Code.MALFORMED_FRAME


def test_json_that_is_closed_again_and_nested_too_deep_is_malformed() -> None:
    frame = b"[" * 100_000 + b"]" * 100_000
    assert code_of(lambda: JSON.decode_client(frame)) is Code.MALFORMED_FRAME


@pytest.mark.parametrize("opening", [b"[", b'{"a":'], ids=str)
def test_deep_json_takes_less_than_64_megabytes(opening: bytes) -> None:
    frame = (opening * LARGEST)[:LARGEST]
    assert peak_megabytes(lambda: JSON.decode_client(frame)) < 64


@pytest.mark.parametrize("read", [JSON.decode_client, JSON.decode_server])
def test_json_nested_as_deep_as_the_parser_goes_is_refused_as_a_message(
    read: Any,
) -> None:
    frame = b"[" * 1000 + b"]" * 1000
    assert code_of(lambda: read(frame)) is Code.INVALID_MESSAGE


@pytest.mark.parametrize("read", [MSGPACK.decode_client, MSGPACK.decode_server])
def test_msgpack_nested_as_deep_as_the_parser_goes_is_refused_as_a_message(
    read: Any,
) -> None:
    frame = b"\x91" * 1000 + b"\xc0"
    assert code_of(lambda: read(frame)) is Code.INVALID_MESSAGE


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_base64_bomb_declares_more_than_there_is(depth: int) -> None:
    head = struct.pack(f"<BBBx{depth}I", 1, depth, 0, *[MOST] * depth)
    text = base64.b64encode(head + bytes(-len(head) % 8))
    frame = b'{"type":"points","seq":1,"array":"' + text + b'"}'
    assert peak_megabytes(lambda: JSON.decode_client(frame)) < 1
