"""Any bytes give a message or an `NcsError`, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_protocol import CODECS, JSON, MSGPACK, Codec, NcsError, pack
from ncs_protocol.messages import ClientMessage, ServerMessage

from .strategies import (
    CLIENT_KINDS,
    MANY,
    SERVER_KINDS,
    client_messages,
    plain_values,
    server_messages,
    texts,
)

pytestmark = pytest.mark.unit

each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


class Body(msgspec.Struct):
    points: list[list[float]] | None = None
    array: Any = None
    timestamps: list[int | float] | None = None
    metadata: dict[str, Any] | None = None


def read(kind: Any, decode: Callable[[], Any]) -> None:
    """Decode something; anything but a message or an `NcsError` fails the test."""
    try:
        message = decode()
    except NcsError as error:
        assert len(error.detail) <= 300
    else:
        assert isinstance(message, kind)


def read_all(codec: Codec, frame: bytes) -> None:
    read(ClientMessage, lambda: codec.decode_client(frame))
    read(ServerMessage, lambda: codec.decode_server(frame))
    read(Body, lambda: codec.decode_as(frame, Body))


edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "cut", "repeat"]),
        st.integers(0, 2**16),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=4,
)


def edited(frame: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    data = bytearray(frame)
    for kind, place, value in edits:
        if not data:
            break
        at = place % len(data)
        match kind:
            case "flip":
                data[at] ^= value
            case "insert":
                data.insert(at, value)
            case "delete":
                del data[at]
            case "cut":
                del data[at:]
            case "repeat":
                data[at:at] = data[at : at + value]
    return bytes(data)


@each_codec
@given(frame=st.binary(max_size=60))
@MANY
def test_any_bytes_are_a_message_or_refused(codec: Codec, frame: bytes) -> None:
    read_all(codec, frame)


@each_codec
@given(text=texts)
@MANY
def test_any_text_is_a_message_or_refused(codec: Codec, text: str) -> None:
    read(ClientMessage, lambda: codec.decode_client(text))
    read(ServerMessage, lambda: codec.decode_server(text))


@each_codec
@given(message=client_messages() | server_messages(), edits=edits)
@MANY
def test_a_damaged_frame_is_a_message_or_refused(
    codec: Codec, message: Any, edits: list[tuple[str, int, int]]
) -> None:
    read_all(codec, edited(codec.encode(message), edits))


@each_codec
@given(value=plain_values)
@MANY
def test_any_value_is_a_message_or_refused(codec: Codec, value: Any) -> None:
    read_all(codec, orjson.dumps(value) if codec is JSON else msgpack.packb(value))


TAGS = [kind.__struct_config__.tag for kind in (*CLIENT_KINDS, *SERVER_KINDS)]
FIELDS = sorted(
    {
        field.encode_name
        for kind in (*CLIENT_KINDS, *SERVER_KINDS)
        for field in msgspec.structs.fields(kind)
    }
)
packed_arrays = st.sampled_from([np.ones((2, 3), "f4"), np.zeros((0, 2))])
strange_values = st.recursive(
    plain_values
    | st.binary(max_size=8)
    | st.builds(msgpack.Timestamp, st.integers(-(2**63), 2**63 - 1), st.just(7))
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=24))
    | packed_arrays.map(lambda array: msgpack.ExtType(0x10, pack(array))),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2)
    ),
    max_leaves=5,
)


@given(
    tag=st.sampled_from(TAGS),
    fields=st.dictionaries(st.sampled_from(FIELDS), strange_values, max_size=5),
)
@MANY
def test_any_fields_in_msgpack_are_a_message_or_refused(
    tag: str, fields: dict[str, Any]
) -> None:
    read_all(MSGPACK, msgpack.packb({"type": tag, **fields}))


@given(
    tag=st.sampled_from(TAGS),
    fields=st.dictionaries(st.sampled_from(FIELDS), plain_values, max_size=5),
)
@MANY
def test_any_fields_in_json_are_a_message_or_refused(
    tag: str, fields: dict[str, Any]
) -> None:
    read_all(JSON, orjson.dumps({"type": tag, **fields}))


@each_codec
@given(message=client_messages(), cut=st.floats(0, 0.999))
@MANY
def test_a_frame_that_is_cut_off_is_refused(
    codec: Codec, message: Any, cut: float
) -> None:
    frame = codec.encode(message)
    with pytest.raises(NcsError):
        codec.decode_client(frame[: int(cut * len(frame))])


@pytest.mark.parametrize("kind", [*CLIENT_KINDS, *SERVER_KINDS])
def test_an_array_in_the_place_of_any_field_is_a_message_or_refused(kind: Any) -> None:
    array = msgpack.ExtType(0x10, pack(np.ones((2, 3))))
    for field in msgspec.structs.fields(kind):
        fields = {"type": kind.__struct_config__.tag, field.encode_name: array}
        read_all(MSGPACK, msgpack.packb(fields))


def test_an_array_within_a_position_is_refused() -> None:
    since = {"epoch": "e", "offsets": msgpack.ExtType(0x10, pack(np.ones(2)))}
    frame = {"type": "subscribe", "id": "a", "since": since}
    read_all(MSGPACK, msgpack.packb(frame))
