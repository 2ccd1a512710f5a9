from __future__ import annotations

import struct
import zlib
from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from properties import examples

from ncs_protocol import DEFAULT_LIMITS, MSGPACK, NcsError, check_metadata, pack, to_ns
from ncs_protocol.messages import Points
from ncs_streamer.entry import ENTRY_FORMAT, Entry, decode_entry, encode_entry
from ncs_streamer.sealed import DamagedError
from ncs_streamer.state_hash import Checkpoint

pytestmark = pytest.mark.unit

MANY = examples(100)
INT64 = st.integers(-(2**63), 2**63 - 1)

texts = st.text('ab1 \0\n"\\ä\N{GRINNING FACE}', max_size=8)
values = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)
blocks = st.sampled_from(["<f4", "<f8"]).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=2, max_dims=2))
)
entries = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["begin", "points", "reset", "configure"]),
        "ingest_ns": INT64,
    },
    optional={
        "producer": texts,
        "producer_epoch": INT64,
        "seq": INT64,
        "first_seq": INT64,
        "points": blocks,
        "timestamps": st.lists(INT64, max_size=4),
        "event_time": INT64,
        "metadata": st.dictionaries(texts, values, max_size=3),
        "params": st.dictionaries(texts, values, max_size=3),
        "epoch": texts,
        "applied": st.builds(
            Checkpoint, INT64, st.binary(min_size=16, max_size=16), texts
        ),
    },
).map(lambda fields: Entry(**fields))  # type: ignore[arg-type]

WHOLE = encode_entry(
    Entry(
        kind="points",
        ingest_ns=1_700_000_000_000_000_000,
        producer="p",
        seq=7,
        points=np.arange(6, dtype="f4").reshape(2, 3),
        metadata={"site": "a"},
    )
)


def sealed(body: bytes) -> bytes:
    """Return a payload with the right format and checksum around any body."""
    return struct.pack(">BI", ENTRY_FORMAT, zlib.crc32(body, ENTRY_FORMAT)) + body


@given(entries)
@MANY
def test_an_entry_comes_back_equal(entry: Entry) -> None:
    found = decode_entry(encode_entry(entry))
    if entry.points is not None:
        assert found.points.tobytes() == entry.points.tobytes()
        assert found.points.shape == entry.points.shape
        assert found.points.dtype == entry.points.dtype
        found = msgspec.structs.replace(found, points=None)
        entry = msgspec.structs.replace(entry, points=None)
    assert found == entry


@given(entries)
@MANY
def test_an_entry_has_one_form(entry: Entry) -> None:
    payload = encode_entry(entry)
    assert encode_entry(decode_entry(payload)) == payload


def test_the_layout_is_the_documented_one() -> None:
    body = WHOLE[5:]
    assert WHOLE[:5] == struct.pack(">BI", 3, zlib.crc32(body, 3))
    fields = msgpack.unpackb(body)
    assert [*fields] == ["kind", "ingest_ns", "producer", "seq", "points", "metadata"]


def test_the_points_are_kept_as_the_packed_array_that_they_arrived_as() -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3)
    assert pack(array) in WHOLE


def test_the_points_come_back_without_a_copy_and_read_only() -> None:
    points = decode_entry(WHOLE).points
    assert (points.flags.owndata, points.flags.writeable) == (False, False)


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_any_changed_byte_is_noticed(change: int) -> None:
    for place in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[place] ^= change
        with pytest.raises(DamagedError):
            decode_entry(bytes(damaged))


def test_an_entry_that_is_cut_off_is_damaged() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(DamagedError):
            decode_entry(WHOLE[:length])


@given(st.binary(min_size=1, max_size=10))
@MANY
def test_an_entry_with_something_behind_it_is_damaged(more: bytes) -> None:
    with pytest.raises(DamagedError, match="checksum"):
        decode_entry(WHOLE + more)


@given(st.binary(max_size=50))
@MANY
def test_something_else_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_entry(data)


def test_a_format_that_changed_into_another_readable_one_is_noticed() -> None:
    for version in (1, 2):
        with pytest.raises(DamagedError, match="checksum"):
            decode_entry(bytes([version]) + WHOLE[1:])


def test_an_entry_of_several_frames_has_the_range_of_their_numbers() -> None:
    one = Entry(kind="points", ingest_ns=0, seq=7)
    assert (one.from_seq, one.frames) == (7, 1)
    three = Entry(kind="points", ingest_ns=0, first_seq=5, seq=7)
    assert (three.from_seq, three.frames) == (5, 3)


def test_a_part_of_an_entry_is_what_its_frame_was() -> None:
    points = np.arange(8.0).reshape(4, 2)
    whole = Entry(
        kind="points", ingest_ns=3, producer="p", first_seq=5, seq=6,
        points=points, timestamps=[1, 2, 3, 4], metadata={"site": "x"},
    )  # fmt: skip
    part = whole.part(1, 4, 6)
    np.testing.assert_array_equal(points[1:], part.block)
    assert msgspec.structs.replace(part, points=None) == Entry(
        kind="points", ingest_ns=3, producer="p", seq=6,
        timestamps=[2, 3, 4], metadata={"site": "x"},
    )  # fmt: skip


@pytest.mark.parametrize("version", [0, 4, 255])
def test_another_format_is_told_with_all_numbers(version: int) -> None:
    other = bytes([version]) + WHOLE[1:]
    with pytest.raises(DamagedError, match=rf"format {version}, .* reads 1, 2, 3"):
        decode_entry(other)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\xc0", b"\x80", msgpack.packb({"kind": "dance", "ingest_ns": 1})],
    ids=["nothing", "no MessagePack", "null", "an empty map", "an unknown kind"],
)
def test_a_whole_payload_that_is_no_entry_is_damaged(body: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_entry(sealed(body))


def test_an_entry_without_points_counts_none() -> None:
    assert Entry(kind="reset", ingest_ns=0).count == 0


def test_an_entry_with_points_counts_them() -> None:
    assert decode_entry(WHOLE).count == 2


# Whatever passes the checks at the door can be journaled: an entry that cannot be
# written would stop the committer, and with it every stream.


@pytest.mark.parametrize("value", [5e10, -5e10, 99_999_999_999, 9.3e9])
def test_a_time_is_refused_or_can_be_written(value: float) -> None:
    try:
        time = to_ns(value)
    except NcsError:
        return
    entry = Entry(kind="points", ingest_ns=0, event_time=time, timestamps=[time])
    assert decode_entry(encode_entry(entry)) == entry


METADATA: dict[str, Any] = {
    "a timestamp of another aeon": msgpack.Timestamp(2**62, 0),
    "a timestamp": msgpack.Timestamp(1_700_000_000, 5),
    "bytes": b"\xff\0",
    "the largest integer": 2**64 - 1,
    "the smallest integer": -(2**63),
    "infinity": float("inf"),
}


@pytest.mark.parametrize("value", METADATA.values(), ids=METADATA)
def test_metadata_are_refused_or_come_back_equal(value: Any) -> None:
    frame = msgpack.packb({"type": "points", "seq": 1, "metadata": {"a": value}})
    try:
        message = MSGPACK.decode_client(frame)
        assert isinstance(message, Points)
        assert message.metadata is not None
        check_metadata(message.metadata, DEFAULT_LIMITS)
    except NcsError:
        return
    entry = Entry(kind="points", ingest_ns=0, metadata=message.metadata)
    assert decode_entry(encode_entry(entry)) == entry
