from __future__ import annotations

from typing import Any

import pytest
from event_source import parse
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_protocol import Code, NcsError
from ncs_protocol.messages import DELIVERY_CLASSES
from ncs_streamer.sse import SseWire, decode_position, encode_position

pytestmark = pytest.mark.unit

MANY = examples(200)
TOLD: Any = {"lossless": 3, "keyed": 12, "latest": 1, "sampled": 7}
offsets = st.fixed_dictionaries(
    dict.fromkeys(DELIVERY_CLASSES, st.integers(0, 2**63 - 1))
)
epochs = st.text("0123456789abcdefXYZ_-", min_size=1, max_size=64)


@given(epoch=epochs, told=offsets)
@MANY
def test_an_id_says_where_its_reader_stands(epoch: str, told: Any) -> None:
    position = decode_position(encode_position(epoch, told))
    assert (epoch, told) == (position.epoch, position.offsets)


@given(epoch=epochs, told=offsets)
@MANY
def test_an_id_fits_into_a_header(epoch: str, told: Any) -> None:
    id = encode_position(epoch, told)
    assert id.isascii() and id.isprintable() and " " not in id


def test_an_id_of_a_server_that_knew_fewer_classes_is_understood() -> None:
    position = decode_position("e1:5:6")
    assert {"lossless": 5, "keyed": 6} == position.offsets


@pytest.mark.parametrize(
    "id",
    [
        "e1",
        ":1:2:3:4",
        "e1:1:2:x:4",
        "e1:1::2",
        "e1:-1:2:3:4",
        "e1:9223372036854775808:0:0:0",
        "e1:1:2:3:4:5:6:7:8:9",
        "e 1:1:2:3:4",
        "e1:1:2:3:4 ",
        "e1:\u0661:2:3:4",
        "x" * 65 + ":1:2:3:4",
        "x" * 100_000,
        "\0:1",
    ],
    ids=lambda id: id[:20],
)
def test_anything_else_is_refused_and_named(id: str) -> None:
    with pytest.raises(NcsError) as caught:
        decode_position(id)
    assert Code.INVALID_MESSAGE is caught.value.code
    assert "header.Last-Event-ID" == caught.value.field
    assert len(caught.value.detail) < 200


@given(st.text(max_size=80))
@MANY
def test_any_text_is_a_position_or_refused(id: str) -> None:
    try:
        decode_position(id)
    except NcsError as error:
        assert Code.INVALID_MESSAGE is error.code


def test_a_frame_is_an_event_with_its_id() -> None:
    frame = SseWire("e1", chunked=False).frame(b'{"type":"pong"}', TOLD)
    assert b'id: e1:3:12:1:7\ndata: {"type":"pong"}\n\n' == frame.data
    assert 15 == frame.size
    said = parse(frame.data.decode().removesuffix("\n\n"))
    assert ("e1:3:12:1:7", '{"type":"pong"}') == (said.id, said.data)


def test_what_is_no_event_of_the_stream_leaves_the_reader_where_it_is() -> None:
    assert b"data: {}\n\n" == SseWire("e1", chunked=False).frame(b"{}").data


def test_a_frame_may_say_how_long_to_wait() -> None:
    frame = SseWire("e1", chunked=False).frame(b"{}", retry_ms=1500)
    assert b"retry: 1500\ndata: {}\n\n" == frame.data


def test_in_chunks_a_frame_is_one_chunk() -> None:
    plain = SseWire("e1", chunked=False).frame(b"{}", TOLD)
    chunk = SseWire("e1", chunked=True).frame(b"{}", TOLD)
    assert b"%x\r\n%b\r\n" % (len(plain.data), plain.data) == chunk.data
    assert plain.size == chunk.size


def test_readers_of_one_stream_have_the_same_wire() -> None:
    assert SseWire("e1", chunked=True) == SseWire("e1", chunked=True)
    assert hash(SseWire("e1", chunked=True)) == hash(SseWire("e1", chunked=True))
    assert SseWire("e1", chunked=True) != SseWire("e2", chunked=True)
    assert SseWire("e1", chunked=True) != SseWire("e1", chunked=False)
