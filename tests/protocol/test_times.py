from __future__ import annotations

import math
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_protocol import MSGPACK, Code, NcsError, to_ns
from ncs_protocol.messages import Points

from .frames import code_of, points, refusal
from .strategies import MANY

pytestmark = pytest.mark.unit

NS = 1_000_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1, NS),
        (1_700_000_000, 1_700_000_000 * NS),
        (1_700_000_000.5, 1_700_000_000 * NS + NS // 2),
        (0.000000001, 1),
        (-1, -NS),
        (-1.5, -3 * NS // 2),
        (9_199_999_999, 9_199_999_999 * NS),
        (-9_199_999_999, -9_199_999_999 * NS),
    ],
)
def test_a_small_number_is_seconds(value: float, expected: int) -> None:
    assert to_ns(value) == expected


@pytest.mark.parametrize("value", [10**15, 1_700_000_000 * NS, 2**63 - 1])
def test_a_large_whole_number_is_nanoseconds(value: int) -> None:
    assert to_ns(value) == value


@pytest.mark.parametrize(
    "value",
    [
        9_200_000_000, 9.2e9, -9.2e9, 10**12, 10**15 - 1, 2**63, 2**64, -(10**15),
        1e15, 1.7e18, 1e300, -1e300, math.nan, math.inf, -math.inf,
    ],
)  # fmt: skip
def test_what_lies_between_or_beyond_is_an_invalid_timestamp(value: float) -> None:
    assert code_of(lambda: to_ns(value)) is Code.INVALID_TIMESTAMP


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["above", "below"])
def test_a_whole_number_of_400_digits_is_an_invalid_timestamp(value: int) -> None:
    assert code_of(lambda: to_ns(value)) is Code.INVALID_TIMESTAMP


def test_the_refusal_tells_the_value_and_what_is_taken() -> None:
    error = refusal(lambda: to_ns(10**12))
    assert error.detail == (
        "1000000000000 is neither epoch seconds (below 9.2e9) nor integer epoch"
        " nanoseconds (from 1e15)"
    )


def test_the_refusal_stays_short() -> None:
    assert len(refusal(lambda: to_ns(10**300)).detail) < 200


@given(st.floats() | st.floats(-1e11, 1e11) | st.integers(-(2**70), 2**70))
@MANY
def test_any_number_is_64_bits_of_nanoseconds_or_refused(value: float) -> None:
    try:
        nanoseconds = to_ns(value)
    except NcsError as error:
        assert error.code is Code.INVALID_TIMESTAMP
    else:
        assert type(nanoseconds) is int
        assert -(2**63) <= nanoseconds < 2**63


@given(st.floats(-9.1e9, 9.1e9))
@MANY
def test_seconds_keep_their_microseconds(seconds: float) -> None:
    assert abs(to_ns(seconds) / NS - seconds) < 1e-6


# The timestamp extension of MessagePack (type -1)


def event_time(value: Any) -> Any:
    message = MSGPACK.decode_client(points(MSGPACK, [[1]], event_time=value))
    assert isinstance(message, Points)
    return message.event_time


@pytest.mark.parametrize(
    ("seconds", "nanoseconds", "size"),
    [(0, 0, 4), (2**32 - 1, 0, 4), (1_700_000_000, 5, 8), (2**34, 999_999_999, 12)],
)
def test_an_extension_of_each_size_becomes_nanoseconds(
    seconds: int, nanoseconds: int, size: int
) -> None:
    stamp = msgpack.Timestamp(seconds, nanoseconds)
    assert len(stamp.to_bytes()) == size
    assert event_time(stamp) == seconds * NS + nanoseconds


def test_an_extension_of_today_is_a_time() -> None:
    assert to_ns(event_time(msgpack.Timestamp(1_700_000_000, 5))) == (
        1_700_000_000 * NS + 5
    )


def test_the_extension_is_taken_for_every_point() -> None:
    stamps = [msgpack.Timestamp(1_700_000_000 + i, i) for i in range(3)]
    frame = points(MSGPACK, [[1], [2], [3]], timestamps=stamps)
    message = MSGPACK.decode_client(frame)
    assert isinstance(message, Points)
    assert message.timestamps == [(1_700_000_000 + i) * NS + i for i in range(3)]


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
def test_an_extension_of_another_aeon_is_an_invalid_timestamp(seconds: int) -> None:
    value = event_time(msgpack.Timestamp(seconds, 0))
    assert code_of(lambda: to_ns(value)) is Code.INVALID_TIMESTAMP


@pytest.mark.parametrize(
    "payload", [b"", bytes(3), bytes(5), bytes(13), b"\xff" * 8, b"\xff" * 12], ids=repr
)
def test_a_damaged_extension_is_malformed(payload: bytes) -> None:
    head = bytes([0xC7, len(payload), 0xFF])
    frame = b"\x81\xaaevent_time" + head + payload
    assert code_of(lambda: MSGPACK.decode_client(frame)) is Code.MALFORMED_FRAME


@pytest.mark.parametrize("value", ["2024-01-01", True, None, [1], b"1"])
def test_a_time_for_a_point_is_a_number(value: Any) -> None:
    frame = points(MSGPACK, [[1]], timestamps=[value])
    assert code_of(lambda: MSGPACK.decode_client(frame)) is Code.INVALID_MESSAGE
