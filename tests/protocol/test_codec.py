from __future__ import annotations

import struct
from typing import Any

import msgpack
import msgspec
import numpy as np
import pytest

from ncs_protocol import CODECS, JSON, MSGPACK, Code, Codec, Limits, pack
from ncs_protocol.messages import Ack, Ping, Points, Pong

from .frames import code_of, points, raw, refusal

pytestmark = pytest.mark.unit

each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)

PING: dict[str, Any] = {"type": "ping", "id": "a"}
PONG: dict[str, Any] = {"type": "pong", "server_time": 1.0}


class Body(msgspec.Struct, forbid_unknown_fields=True):
    points: list[list[float]]


def test_the_subprotocols_are_the_documented_ones() -> None:
    assert [*CODECS] == ["ncs.v1+json", "ncs.v1+msgpack"]


@each_codec
def test_a_codec_is_found_by_its_subprotocol(codec: Codec) -> None:
    assert CODECS[codec.subprotocol] is codec


def test_json_frames_are_text_and_msgpack_frames_binary() -> None:
    assert (JSON.binary, MSGPACK.binary) == (False, True)


@pytest.mark.parametrize("read", [MSGPACK.decode_client, MSGPACK.decode_server])
def test_msgpack_in_a_text_frame_is_a_wrong_frame_type(read: Any) -> None:
    assert code_of(lambda: read('{"type":"ping"}')) is Code.WRONG_FRAME_TYPE


# Size


@each_codec
def test_a_frame_of_exactly_the_limit_is_read(codec: Codec) -> None:
    frame = raw(codec, PING)
    limits = Limits(max_frame_bytes=len(frame))
    assert codec.decode_client(frame, limits) == Ping(id="a")


@each_codec
def test_a_frame_one_byte_over_the_limit_is_too_large(codec: Codec) -> None:
    frame = raw(codec, PING)
    limits = Limits(max_frame_bytes=len(frame) - 1)
    assert code_of(lambda: codec.decode_client(frame, limits)) is Code.FRAME_TOO_LARGE


@each_codec
def test_a_body_of_exactly_the_limit_is_read(codec: Codec) -> None:
    body = raw(codec, {"points": [[1.0]]})
    limits = Limits(max_frame_bytes=len(body))
    assert codec.decode_as(body, Body, limits) == Body([[1.0]])


@each_codec
def test_a_body_one_byte_over_the_limit_is_too_large(codec: Codec) -> None:
    body = raw(codec, {"points": [[1.0]]})
    limits = Limits(max_frame_bytes=len(body) - 1)
    assert code_of(lambda: codec.decode_as(body, Body, limits)) is Code.FRAME_TOO_LARGE


def test_the_size_of_a_text_frame_is_counted_in_bytes() -> None:
    text = raw(JSON, {"type": "ping", "id": "ä" * 64}).decode()
    limits = Limits(max_frame_bytes=len(text))
    assert code_of(lambda: JSON.decode_client(text, limits)) is Code.FRAME_TOO_LARGE


@each_codec
def test_what_a_server_sends_is_not_limited(codec: Codec) -> None:
    frame = raw(codec, {**PONG, "id": "x" * Limits().max_frame_bytes})
    assert isinstance(codec.decode_server(frame), Pong)


# Fields


@each_codec
def test_an_unknown_field_of_a_client_is_refused_by_name(codec: Codec) -> None:
    error = refusal(lambda: codec.decode_client(raw(codec, {**PING, "idd": "b"})))
    assert error.code is Code.INVALID_MESSAGE
    assert "idd" in error.detail


@each_codec
def test_an_unknown_field_within_a_position_is_refused(codec: Codec) -> None:
    since = {"epoch": "e", "offsets": {}, "offset": 1}
    frame = raw(codec, {"type": "subscribe", "id": "a", "since": since})
    assert code_of(lambda: codec.decode_client(frame)) is Code.INVALID_MESSAGE


@each_codec
def test_an_unknown_field_of_a_body_is_refused(codec: Codec) -> None:
    body = raw(codec, {"points": [[1.0]], "pionts": 1})
    assert code_of(lambda: codec.decode_as(body, Body)) is Code.INVALID_MESSAGE


@each_codec
def test_an_unknown_field_of_a_server_is_ignored(codec: Codec) -> None:
    frame = raw(codec, {**PONG, "moon_phase": 0.5})
    assert codec.decode_server(frame) == Pong(server_time=1.0)


@each_codec
def test_an_unknown_field_deep_in_a_server_message_is_ignored(codec: Codec) -> None:
    results = {"outliers": 0, "clusters": [1], "colour": "red"}
    ack = {"type": "ack", "stream": "s", "seq": 1, "offset": 1, "model_version": 1}
    frame = raw(codec, {**ack, "accepted": 1, "credit": 1, "results": results})
    message = codec.decode_server(frame)
    assert isinstance(message, Ack)
    assert message.results is not None
    assert message.results.clusters == [1]


@each_codec
def test_the_last_of_two_equal_keys_holds(codec: Codec) -> None:
    twice = {
        JSON.subprotocol: b'{"type":"ping","id":"a","id":"b"}',
        MSGPACK.subprotocol: b"\x83\xa4type\xa4ping\xa2id\xa1a\xa2id\xa1b",
    }
    assert codec.decode_client(twice[codec.subprotocol]) == Ping(id="b")


@each_codec
def test_a_missing_field_is_told_by_name(codec: Codec) -> None:
    error = refusal(lambda: codec.decode_client(raw(codec, {"type": "points"})))
    assert (error.code, "seq" in error.detail) == (Code.INVALID_MESSAGE, True)


@each_codec
@pytest.mark.parametrize("seq", [0, -1, 2**63, 1.0, "1", True, None])
def test_a_seq_is_a_positive_whole_number_of_63_bits(codec: Codec, seq: Any) -> None:
    frame = raw(codec, {"type": "points", "seq": seq, "points": [[1]]})
    assert code_of(lambda: codec.decode_client(frame)) is Code.INVALID_MESSAGE


@each_codec
@pytest.mark.parametrize("seq", [1, 2**63 - 1])
def test_the_first_and_the_last_seq_are_read(codec: Codec, seq: int) -> None:
    frame = raw(codec, {"type": "points", "seq": seq, "points": [[1]]})
    assert codec.decode_client(frame) == Points(seq=seq, points=[[1.0]])


# Types


@each_codec
def test_an_unknown_type_is_told_by_name(codec: Codec) -> None:
    error = refusal(lambda: codec.decode_client(raw(codec, {"type": "pnig"})))
    assert (error.code, "pnig" in error.detail) == (Code.UNKNOWN_TYPE, True)


@each_codec
@pytest.mark.parametrize("kind", ["ack", "welcome", "cluster_update"])
def test_a_client_may_not_send_what_servers_send(codec: Codec, kind: str) -> None:
    frame = raw(codec, {"type": kind})
    assert code_of(lambda: codec.decode_client(frame)) is Code.UNKNOWN_TYPE


@each_codec
@pytest.mark.parametrize("kind", ["hello", "points", "subscribe"])
def test_a_server_may_not_send_what_clients_send(codec: Codec, kind: str) -> None:
    frame = raw(codec, {"type": kind})
    assert code_of(lambda: codec.decode_server(frame)) is Code.UNKNOWN_TYPE


@each_codec
@pytest.mark.parametrize("value", [[], 1, "ping", None, True, {}, {"type": 5}, [PING]])
def test_what_is_no_message_is_invalid(codec: Codec, value: Any) -> None:
    frame = raw(codec, value)
    assert code_of(lambda: codec.decode_client(frame)) is Code.INVALID_MESSAGE


@each_codec
@pytest.mark.parametrize("data", [b"", b"\xc1", b"\xff\xfe", b"\x80\x80"])
def test_bytes_that_are_not_of_the_form_are_malformed(
    codec: Codec, data: bytes
) -> None:
    assert code_of(lambda: codec.decode_client(data)) is Code.MALFORMED_FRAME


@each_codec
def test_two_messages_in_one_frame_are_malformed(codec: Codec) -> None:
    frame = raw(codec, PING) * 2
    assert code_of(lambda: codec.decode_client(frame)) is Code.MALFORMED_FRAME


@pytest.mark.parametrize("key", [1, 1.5, None, True, b"type"])
def test_a_msgpack_key_is_a_string(key: Any) -> None:
    frame = msgpack.packb({"type": "points", "seq": 1, "metadata": {key: 1}})
    code = code_of(lambda: MSGPACK.decode_client(frame))
    assert code in (Code.MALFORMED_FRAME, Code.INVALID_MESSAGE)


def test_an_unknown_ext_type_is_malformed_by_number() -> None:
    frame = msgpack.packb({**PING, "id": msgpack.ExtType(0x11, b"")})
    error = refusal(lambda: MSGPACK.decode_client(frame))
    assert (error.code, "17" in error.detail) == (Code.MALFORMED_FRAME, True)


@pytest.mark.parametrize("value", [5, "???", [1, 2], {"a": 1}, "AAAA", "ä"])
def test_an_array_in_json_is_base64_of_a_payload(value: Any) -> None:
    frame = raw(JSON, {"type": "points", "seq": 1, "array": value})
    assert code_of(lambda: JSON.decode_client(frame)) is Code.BAD_ARRAY


@pytest.mark.parametrize("value", [5, "AAAA", [1, 2], b"\x01\x01\x00\x00"])
def test_an_array_in_msgpack_is_the_ext_type(value: Any) -> None:
    frame = raw(MSGPACK, {"type": "points", "seq": 1, "array": value})
    assert code_of(lambda: MSGPACK.decode_client(frame)) is Code.BAD_ARRAY


def test_an_array_is_no_key() -> None:
    ext = msgpack.packb(msgpack.ExtType(0x10, pack(np.ones(2))))
    frame = b"\x81" + ext + b"\x01"
    assert code_of(lambda: MSGPACK.decode_client(frame)) is Code.MALFORMED_FRAME


def test_a_seq_of_400_digits_is_refused() -> None:
    frame = b'{"type":"points","seq":' + b"9" * 400 + b"}"
    assert code_of(lambda: JSON.decode_client(frame)) is Code.MALFORMED_FRAME


def test_a_timestamp_beyond_64_bits_is_no_seq() -> None:
    ext = b"\xc7\x0c\xff" + struct.pack(">Iq", 0, 2**62)
    frame = b"\x82\xa4type\xa6points\xa3seq" + ext
    assert code_of(lambda: MSGPACK.decode_client(frame)) is Code.INVALID_MESSAGE


# Whose message it was


@each_codec
def test_a_refused_message_is_told_by_its_id(codec: Codec) -> None:
    error = refusal(lambda: codec.decode_client(raw(codec, {**PING, "x": 1})))
    assert error.id == "a"


@each_codec
def test_a_refused_batch_is_told_by_its_seq_and_stream(codec: Codec) -> None:
    frame = points(codec, [["a"]], stream="s", seq=7)
    error = refusal(lambda: codec.decode_client(frame))
    assert (error.id, error.seq, error.stream) == (None, 7, "s")


@each_codec
def test_a_batch_with_a_damaged_array_is_told_by_its_seq_and_stream(
    codec: Codec,
) -> None:
    array: Any = "AAAA" if codec is JSON else msgpack.ExtType(0x10, b"\0\0\0")
    frame = raw(codec, {"type": "points", "seq": 7, "stream": "s", "array": array})
    error = refusal(lambda: codec.decode_client(frame))
    assert (error.code, error.seq, error.stream) == (Code.BAD_ARRAY, 7, "s")


@each_codec
@pytest.mark.parametrize(
    "field",
    [{"id": "x" * 65}, {"seq": 0}, {"seq": 2**63}, {"stream": "x" * 129}, {"id": 5}],
    ids=str,
)
def test_a_field_that_does_not_fit_is_not_echoed(
    codec: Codec, field: dict[str, Any]
) -> None:
    error = refusal(lambda: codec.decode_client(raw(codec, {"type": "?", **field})))
    assert (error.id, error.seq, error.stream) == (None, None, None)


@each_codec
@pytest.mark.parametrize("length", [300, 100_000])
def test_the_detail_stays_short_whatever_was_sent(codec: Codec, length: int) -> None:
    frame = raw(codec, {"type": "ping", "x" * length: 1})
    assert len(refusal(lambda: codec.decode_client(frame)).detail) <= 300
