from __future__ import annotations

import copy
import json
import pickle
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Engine, EngineParams
from ncs_engine.snapshot import FORMAT_VERSION, decode_snapshot, encode_snapshot

from .make_snapshot_fixture import CENTRES, DATA
from .streams import MANY, blobs, gaussian

FIXTURE = DATA / "snapshot_v1.bin"

pytestmark = pytest.mark.unit

MAGIC, VERSION, CHECKSUM, HEAD_LENGTH = (slice(i, i + 4) for i in (0, 4, 8, 12))
HEAD = 16

STATE: dict[str, Any] = {"a": 1, "b": [1.5, None, "x"], "c": {"d": True}}
ARRAYS = {
    "one": np.arange(5.0),
    "two": np.arange(6, dtype=np.int64).reshape(2, 3),
    "none": np.zeros((0, 3)),
    "strided": np.arange(12.0).reshape(3, 4)[:, ::2],
}


def learned() -> Engine:
    engine = Engine()
    engine.learn(blobs(0, 200)[0])
    return engine


SNAPSHOT = learned().snapshot()
FRESH_SNAPSHOT = Engine().snapshot()


def with_checksum(data: bytes) -> bytes:
    """Return `data` with the checksum that it ought to have."""
    checksum = struct.pack("<I", zlib.crc32(data[HEAD:]))
    return data[: CHECKSUM.start] + checksum + data[CHECKSUM.stop :]


def test_the_state_comes_back() -> None:
    state, _ = decode_snapshot(encode_snapshot(STATE, {}))
    assert state == STATE


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_with_its_shape(name: str) -> None:
    _, arrays = decode_snapshot(encode_snapshot(STATE, ARRAYS))
    assert arrays[name].tolist() == ARRAYS[name].tolist()


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_with_its_type(name: str) -> None:
    _, arrays = decode_snapshot(encode_snapshot(STATE, ARRAYS))
    assert arrays[name].dtype == ARRAYS[name].dtype


def test_arrays_are_little_endian_whatever_they_were() -> None:
    big = {"big": np.array([1.0, 2.0], dtype=">f8")}
    _, arrays = decode_snapshot(encode_snapshot({}, big))
    assert (arrays["big"].dtype.str, arrays["big"].tolist()) == ("<f8", [1.0, 2.0])


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_snapshot({"a": float("nan")}, {})


def test_the_layout_is_the_documented_one() -> None:
    data = encode_snapshot(STATE, {"one": ARRAYS["one"]})
    (length,) = struct.unpack("<I", data[HEAD_LENGTH])
    head = json.loads(data[HEAD : HEAD + length])
    assert head == {"state": STATE, "arrays": [["one", "<f8", [5]]]}
    assert data[HEAD + length :] == ARRAYS["one"].tobytes()


def test_a_snapshot_begins_with_magic_and_version() -> None:
    assert SNAPSHOT[:8] == b"NCSE" + struct.pack("<I", FORMAT_VERSION)


def test_a_snapshot_is_json_and_numbers_and_nothing_else() -> None:
    (length,) = struct.unpack("<I", SNAPSHOT[HEAD_LENGTH])
    index = json.loads(SNAPSHOT[HEAD : HEAD + length])["arrays"]
    assert {dtype for _, dtype, _ in index} == {"<f4", "<f8", "<i4", "<i8"}
    numbers = sum(
        np.dtype(dtype).itemsize * int(np.prod(shape)) for _, dtype, shape in index
    )
    assert len(SNAPSHOT) == HEAD + length + numbers


@pytest.mark.parametrize("dtype", ["|O", "|V8,O"])
def test_an_array_of_objects_is_refused(dtype: str) -> None:
    data = encode_snapshot({}, {"evil": np.zeros(4)})
    forged = data.replace(b'"<f8"', f'"{dtype}"'.encode())
    length = struct.unpack("<I", data[HEAD_LENGTH])[0] + len(forged) - len(data)
    forged = forged[:12] + struct.pack("<I", length) + forged[HEAD:]
    with pytest.raises((ValueError, TypeError)):
        decode_snapshot(with_checksum(forged))


@given(st.integers(0, len(SNAPSHOT) - 1), st.integers(1, 255))
@MANY
def test_any_changed_byte_is_noticed(place: int, change: int) -> None:
    damaged = bytearray(SNAPSHOT)
    damaged[place] ^= change
    with pytest.raises(ValueError, match=r".+"):
        Engine.restore(bytes(damaged))


@pytest.mark.parametrize("place", range(HEAD))
def test_any_flipped_bit_before_the_head_is_noticed(place: int) -> None:
    for bit in range(8):
        damaged = bytearray(SNAPSHOT)
        damaged[place] ^= 1 << bit
        with pytest.raises(ValueError, match=r".+"):
            Engine.restore(bytes(damaged))


@pytest.mark.parametrize("place", range(HEAD_LENGTH.start))
def test_any_flipped_byte_of_a_fresh_snapshot_is_noticed(place: int) -> None:
    damaged = bytearray(FRESH_SNAPSHOT)
    damaged[place] ^= 0xFF
    with pytest.raises(ValueError, match="snapshot"):
        Engine.restore(bytes(damaged))


@pytest.mark.parametrize("place", [12, 13, 14, 15])
def test_a_changed_head_length_of_a_fresh_snapshot_is_noticed(place: int) -> None:
    damaged = bytearray(FRESH_SNAPSHOT)
    damaged[place] ^= 0x80
    with pytest.raises(ValueError, match="snapshot"):
        Engine.restore(bytes(damaged))


@given(st.integers(0, len(SNAPSHOT) - 1))
@MANY
def test_a_truncated_snapshot_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        Engine.restore(SNAPSHOT[:length])


@given(st.binary(min_size=1, max_size=20))
@MANY
def test_a_snapshot_with_something_behind_it_is_refused(more: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        Engine.restore(SNAPSHOT + more)


@given(st.binary(max_size=100))
@MANY
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an engine snapshot"):
        Engine.restore(data)


def test_another_magic_is_refused() -> None:
    with pytest.raises(ValueError, match="not an engine snapshot"):
        Engine.restore(b"NCSX" + SNAPSHOT[4:])


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, 2**32 - 1])
def test_another_version_is_refused_with_both_numbers(version: int) -> None:
    other = SNAPSHOT[:4] + struct.pack("<I", version) + SNAPSHOT[8:]
    with pytest.raises(ValueError, match=rf"format {version}, .* reads"):
        Engine.restore(other)


def test_restoring_leaves_the_bytes_alone() -> None:
    data = bytearray(SNAPSHOT)
    Engine.restore(data).learn(gaussian(0, 50, 3))  # type: ignore[arg-type]
    assert data == SNAPSHOT


def test_engines_of_one_snapshot_share_nothing() -> None:
    one, other = Engine.restore(SNAPSHOT), Engine.restore(SNAPSHOT)
    one.learn(gaussian(0, 300, 3))
    assert other.snapshot() == SNAPSHOT


def test_a_snapshot_is_not_changed_by_what_the_engine_learns_later() -> None:
    engine = learned()
    before = engine.snapshot()
    engine.learn(gaussian(0, 300, 3))
    assert before == SNAPSHOT


def test_a_fresh_engine_comes_back_fresh() -> None:
    engine = Engine.restore(FRESH_SNAPSHOT)
    assert (engine.points_learned, engine.dimension, engine.clusters()) == (0, None, [])


def test_the_parameters_come_back() -> None:
    params = EngineParams(metric="cosine", max_clusters=3, memory_limit_mb=0.1)
    assert Engine.restore(Engine(params).snapshot()).params == params


def test_ids_go_on_after_a_reset_and_a_restore() -> None:
    engine = learned()
    highest = max(change.cluster_id for change in engine.reset())
    restored = Engine.restore(engine.snapshot())
    assert restored.learn([[1.0, 2.0]]).cluster_ids[0] > highest


def test_the_stored_snapshot_is_of_the_format_version_before_this() -> None:
    stored = struct.unpack("<I", FIXTURE.read_bytes()[VERSION])
    assert stored == (FORMAT_VERSION - 1,)


def test_the_stored_snapshot_still_says_where_points_belong() -> None:
    engine = Engine.restore(FIXTURE.read_bytes())
    assert engine.predict(CENTRES).cluster_ids.tolist() == [12, 11, 0, 3, 9]


def test_the_stored_snapshot_still_knows_an_outlier() -> None:
    engine = Engine.restore(FIXTURE.read_bytes())
    assert engine.predict([[500.0, -500.0, 500.0]]).is_outlier.tolist() == [True]


def test_the_stored_snapshot_still_has_learned_its_points() -> None:
    engine = Engine.restore(FIXTURE.read_bytes())
    assert engine.points_learned == 1000


def test_the_stored_snapshot_can_go_on_learning() -> None:
    engine = Engine.restore(FIXTURE.read_bytes())
    points, _ = blobs(1, 300)
    assert not engine.learn(points).is_outlier.any()


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_a_copy_goes_on_like_the_original(twin: Any) -> None:
    engine = learned()
    other = twin(engine)
    points = blobs(5, 300)[0]
    ids = engine.learn(points).cluster_ids.tolist()
    assert other.learn(points).cluster_ids.tolist() == ids


def test_a_copy_does_not_follow_the_original() -> None:
    engine = learned()
    other = copy.copy(engine)
    engine.learn(blobs(5, 300)[0])
    assert other.snapshot() == SNAPSHOT


def test_a_snapshot_from_before_a_parameter_takes_its_default() -> None:
    state, arrays = decode_snapshot(SNAPSHOT)
    for name in ("quality_check_interval", "auto_scaling", "batch_size"):
        del state["params"][name]
    older = Engine.restore(encode_snapshot(state, arrays))
    assert older.params == EngineParams()


def test_a_snapshot_knows_that_no_room_can_be_made() -> None:
    # Else it would be tried again after a restore, at another point than without one.
    engine = learned()
    model = engine._model
    assert model is not None
    for crowded in (False, True):
        model._crowded = crowded
        restored = Engine.restore(engine.snapshot())._model
        assert restored is not None
        assert restored._crowded is crowded
