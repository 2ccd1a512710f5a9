"""What a gateway spools is what a session would send."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_client import RefusedError
from ncs_client.payload import frame_of, payload_of
from ncs_protocol import MSGPACK, NcsError, ScaledArray, as_block, pack, pack_rows
from ncs_protocol.messages import Points

pytestmark = pytest.mark.unit

values = st.floats(-1e6, 1e6)
blocks = st.integers(1, 4).flatmap(
    lambda d: st.lists(st.lists(values, min_size=d, max_size=d), min_size=1, max_size=5)
)


def sent(points: Any, seq: int = 1, **more: Any) -> Points:
    """Return the message that the server gets."""
    payload = payload_of(points, "s", more.get("timestamps"), more.get("metadata"))
    message = MSGPACK.decode_client(frame_of(payload, seq, "7"))
    assert isinstance(message, Points)
    return message


@given(blocks, st.integers(1, 2**63 - 1))
def test_lists_arrive_as_the_float64_that_they_are(
    rows: list[list[float]], seq: int
) -> None:
    message = sent(rows, seq)
    assert message.array is not None
    assert np.float64 == message.array.dtype
    assert rows == message.array.tolist()
    assert (seq, "7", "s") == (message.seq, message.id, message.stream)
    assert pack_rows(rows) == pack(np.array(rows))


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i4", "u1"])
def test_arrays_arrive_as_they_are(kind: str) -> None:
    array = np.arange(6).reshape(3, 2).astype(kind)
    message = sent(array)
    assert message.array is not None
    assert array.tolist() == message.array.tolist()
    assert message.array.dtype.kind == "f"


def test_scaled_integers_arrive_as_what_they_stand_for() -> None:
    message = sent(ScaledArray(np.array([[1, 2]], np.int16), 0.5, 1.0))
    assert message.array is not None
    assert [[1.5, 2.0]] == message.array.tolist()


def test_times_and_metadata_go_along() -> None:
    times = np.array([1.5, 2.5])
    message = sent([[1.0], [2.0]], timestamps=times, metadata={"line": 3})
    assert [1.5, 2.5] == message.timestamps
    assert {"line": 3} == message.metadata


BAD: dict[str, tuple[Any, str]] = {
    "no point": ([], "no_points"),
    "no coordinate": ([[]], "empty_point"),
    "ragged": ([[1.0, 2.0], [1.0]], "ragged_points"),
    "NaN": ([[1.0], [math.nan]], "not_finite"),
    "infinite": ([[math.inf]], "not_finite"),
    "too far": ([[1.0], [2e6]], "out_of_range"),
    "NaN in an array": (np.array([[1.0], [np.nan]]), "not_finite"),
    "too far in an array": (np.array([[1.0], [-2e6]]), "out_of_range"),
    "too many points": ([[1.0]] * 10_001, "too_many_points"),
    "too many dimensions": ([[1.0] * 1001], "too_many_dimensions"),
    "too many elements": ([[1.0] * 11] * 9999, "too_many_elements"),
    "too many elements in an array": (np.ones((9999, 11)), "too_many_elements"),
}


@pytest.mark.parametrize(("points", "code"), BAD.values(), ids=BAD)
def test_a_bad_batch_is_refused_as_the_server_would(points: Any, code: str) -> None:
    with pytest.raises(RefusedError) as ours:
        payload_of(points, "s", None, None)
    with pytest.raises(NcsError) as theirs:
        as_block(points)
    assert code == ours.value.code == theirs.value.code.wire
    assert ours.value.index == theirs.value.index


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"timestamps": [1.0]}, "invalid_timestamp"),
        ({"timestamps": [1e13, 1.0]}, "invalid_timestamp"),
        ({"metadata": {"a": "x" * 5000}}, "metadata_too_large"),
    ],
)
def test_what_goes_along_is_checked(more: dict[str, Any], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        sent([[1.0], [2.0]], **more)
    assert code == refused.value.code


@pytest.mark.parametrize("points", [[["x"]], [[None]], 5, [1.0, 2.0]])
def test_what_is_no_number_is_a_type_error(points: Any) -> None:
    with pytest.raises(TypeError):
        payload_of(points, "s", None, None)
