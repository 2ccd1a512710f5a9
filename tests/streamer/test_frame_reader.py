"""Frames of a client, however the bytes are cut: messages, or a documented refusal."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from websockets.frames import Frame
from websockets.frames import Opcode as Kind

from ncs_streamer.frame_reader import (
    FrameError,
    FrameReader,
    Opcode,
    Received,
    close_code_of,
)

pytestmark = pytest.mark.unit

STEADY = examples(200)
MOST = 70_000
TEXT, BINARY, PING, CLOSE, MORE = (
    Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.CLOSE, Opcode.CONTINUATION
)  # fmt: skip


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False
) -> bytes:
    """Return a frame of a client, made by another implementation."""
    made = bytes(Frame(Kind(opcode), payload, fin=fin).serialize(mask=True))
    return bytes([made[0] | rsv1 << 6]) + made[1:]


def deflated(payload: bytes) -> bytes:
    """Return a payload as permessage-deflate sends it."""
    deflate = zlib.compressobj(wbits=-15)
    data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(b"\x00\x00\xff\xff")


def all_of(reader: FrameReader) -> list[Received]:
    """Return what there is to read."""
    found = []
    while (received := reader.read()) is not None:
        found.append(received)
    return found


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return `data` cut at the places."""
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


SIZES = st.sampled_from([0, 1, 2, 125, 126, 127, 1000]) | st.integers(0, 300)
PAYLOADS = SIZES.flatmap(lambda size: st.binary(min_size=size, max_size=size))
CONTROLS = st.lists(st.binary(max_size=125), max_size=2)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Received], list[int]]:
    """Draw bytes, what they say, and where a message ends in them."""
    sent, said, ends = b"", [], [0]
    for parts in draw(st.lists(st.lists(PAYLOADS, min_size=1, max_size=4), max_size=5)):
        whole, packs = b"".join(parts), draw(st.booleans())
        if packs:
            packed = deflated(whole)
            cut = draw(st.integers(0, len(packed)))
            parts = [packed[:cut], packed[cut:]]
        for number, part in enumerate(parts):
            if number:
                for ping in draw(CONTROLS):
                    sent += frame(PING, ping)
                    said.append(Received(PING, ping))
            is_last = number == len(parts) - 1
            opcode = MORE if number else BINARY
            sent += frame(opcode, part, fin=is_last, rsv1=packs and not number)
        said.append(Received(BINARY, whole))
        ends.append(len(sent))
    return sent, said, ends


@STEADY
@given(conversations(), st.lists(st.integers(0, 3000), max_size=20))
def test_messages_are_the_same_wherever_the_bytes_are_cut(
    conversation: tuple[bytes, list[Received], list[int]], cuts: list[int]
) -> None:
    sent, said, ends = conversation
    reader, found, position = FrameReader(MOST, inflates=True), list[Received](), 0
    for piece in pieces(sent, cuts):
        reader.feed(piece)
        found += all_of(reader)
        position += len(piece)
        assert reader.is_inside is (position not in ends)
    assert found == said


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_every_length_is_read_byte_by_byte(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    sent = frame(BINARY, payload[:size])
    reader = FrameReader(MOST)
    for i in range(len(sent) - 1):
        reader.feed(sent[i : i + 1])
        assert reader.read() is None
    reader.feed(sent[-1:])
    assert reader.read() == Received(BINARY, payload[:size])
    assert not reader.is_inside


def test_nothing_is_looked_into_before_it_is_asked_for() -> None:
    reader = FrameReader(MOST)
    reader.feed(frame(BINARY, b"good") * 1000 + b"\xff\xff")
    assert reader.is_ready
    for _ in range(1000):
        assert reader.read() == Received(BINARY, b"good")
    with pytest.raises(FrameError):
        reader.read()


def unmasked(opcode: int, payload: bytes) -> bytes:
    """Return a frame as a server sends it."""
    return bytes(Frame(Kind(opcode), payload).serialize(mask=False))


def with_bits(first: int, sent: bytes) -> bytes:
    """Return a frame with another first byte."""
    return bytes([first]) + sent[1:]


BROKEN = {
    "not masked": (unmasked(BINARY, b"x"), 1002),
    "rsv1 without deflate": (with_bits(0xC2, frame(BINARY)), 1002),
    "rsv2": (with_bits(0xA2, frame(BINARY)), 1002),
    "rsv3": (with_bits(0x92, frame(BINARY)), 1002),
    "opcode 3": (with_bits(0x83, frame(BINARY)), 1002),
    "opcode 7": (with_bits(0x87, frame(BINARY)), 1002),
    "opcode 11": (with_bits(0x8B, frame(PING)), 1002),
    "opcode 15": (with_bits(0x8F, frame(PING)), 1002),
    "a ping in fragments": (with_bits(0x09, frame(PING, b"x")), 1002),
    "a ping of 126 bytes": (with_bits(0x89, frame(BINARY, bytes(126))), 1002),
    "a close of 126 bytes": (with_bits(0x88, frame(BINARY, bytes(126))), 1002),
    "continues nothing": (frame(MORE, b"x"), 1002),
    "continues what has ended": (
        frame(TEXT, b"a", fin=False) + frame(MORE) + frame(MORE),
        1002,
    ),
    "a message within a message": (
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
        1002,
    ),
    "too large": (frame(BINARY, bytes(MOST + 1)), 1009),
    "too large, by its header alone": (b"\x82\xff" + bytes([127] * 8) + bytes(4), 1009),
    "too large in fragments": (
        frame(BINARY, bytes(MOST), fin=False) + frame(MORE, b"x"),
        1009,
    ),
    "text that is none": (frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), 1007),
    "text that is cut": (frame(TEXT, "κ".encode()[:1]), 1007),
}


@pytest.mark.parametrize(("sent", "code"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_no_frame_is_refused_with_the_code_of_the_standard(
    sent: bytes, code: int, at_once: bool
) -> None:
    reader = FrameReader(MOST)
    with pytest.raises(FrameError) as refused:
        for piece in [sent] if at_once else [bytes([byte]) for byte in sent]:
            reader.feed(piece)
            all_of(reader)
    assert refused.value.close_code == code
    assert refused.value.is_too_big is (code == 1009)


def test_a_message_may_have_just_as_many_bytes_as_the_limit() -> None:
    reader = FrameReader(MOST)
    reader.feed(frame(BINARY, bytes(MOST)))
    assert reader.read() == Received(BINARY, bytes(MOST))


def test_the_limit_may_be_raised_between_two_messages() -> None:
    reader = FrameReader(5)
    reader.feed(frame(TEXT, b"hello") + frame(TEXT, bytes(1000)))
    assert reader.read() == Received(TEXT, b"hello")
    reader.max_bytes = 1000
    assert reader.read() == Received(TEXT, bytes(1000))


def test_a_character_may_be_cut_by_a_fragment() -> None:
    reader, word = FrameReader(MOST), "κόσμε".encode()
    reader.feed(frame(TEXT, word[:3], fin=False) + frame(MORE, word[3:]))
    assert reader.read() == Received(TEXT, word)


PACKED_AND_BROKEN = {
    "a bomb": (frame(BINARY, deflated(bytes(MOST + 1)), rsv1=True), 1009),
    "no deflate": (frame(BINARY, b"\xff\xff\xff", rsv1=True), 1007),
    "a compressed ping": (frame(PING, rsv1=True), 1002),
    "a compressed fragment": (
        frame(BINARY, b"a", fin=False) + frame(MORE, b"b", rsv1=True),
        1002,
    ),
    "compressed text that is none": (frame(TEXT, deflated(b"\xff"), rsv1=True), 1007),
    "a block that ends early": (
        frame(BINARY, deflated(bytes(range(256)) * 8)[:-20], rsv1=True),
        1007,
    ),
    "nothing, not even an empty block": (frame(BINARY, rsv1=True), 1007),
    "something behind the last block": (
        frame(BINARY, b"\x03\x00" * 3 + b"\x00", rsv1=True),
        1007,
    ),
}


@pytest.mark.parametrize(
    ("sent", "code"), PACKED_AND_BROKEN.values(), ids=PACKED_AND_BROKEN
)
def test_a_compressed_message_that_is_none_is_refused(sent: bytes, code: int) -> None:
    reader = FrameReader(MOST, inflates=True)
    reader.feed(sent)
    with pytest.raises(FrameError) as refused:
        all_of(reader)
    assert refused.value.close_code == code


def test_messages_may_be_compressed_or_not() -> None:
    reader = FrameReader(MOST, inflates=True)
    reader.feed(frame(TEXT, deflated(b"packed"), rsv1=True) + frame(TEXT, b"plain"))
    assert [payload for _, payload in all_of(reader)] == [b"packed", b"plain"]


@pytest.mark.parametrize(
    "payload",
    [
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ],
    ids=["usual", "a block without compression", "marked as the last", "two blocks"],
)
def test_the_examples_of_the_standard_say_hello(payload: bytes) -> None:
    reader = FrameReader(MOST, inflates=True)
    reader.feed(frame(TEXT, payload, rsv1=True))
    assert all_of(reader) == [Received(TEXT, b"Hello")]


@STEADY
@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_compressed_message_that_is_cut_is_never_taken_for_a_whole_one(
    said: bytes, data: st.DataObject
) -> None:
    packed = deflated(said)
    cut = packed[: data.draw(st.integers(0, len(packed) - 1))]
    reader = FrameReader(1000, inflates=True)
    reader.feed(frame(BINARY, cut, rsv1=True))
    with pytest.raises(FrameError):
        all_of(reader)


GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4999]
BAD_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", GOOD_CODES)
def test_a_close_code_is_read(code: int) -> None:
    assert close_code_of(code.to_bytes(2, "big") + "schön".encode()) == code


def test_a_close_frame_may_be_empty() -> None:
    assert close_code_of(b"") == 1005


@pytest.mark.parametrize("code", BAD_CODES)
def test_a_close_code_that_may_not_be_sent_is_refused(code: int) -> None:
    with pytest.raises(FrameError) as refused:
        close_code_of(code.to_bytes(2, "big"))
    assert refused.value.close_code == 1002


@pytest.mark.parametrize(
    ("payload", "code"), [(b"\x03", 1002), (b"\x03\xe8\xce\xba\xe1\xbd", 1007)]
)
def test_half_a_code_and_a_reason_that_is_no_text_are_refused(
    payload: bytes, code: int
) -> None:
    with pytest.raises(FrameError) as refused:
        close_code_of(payload)
    assert refused.value.close_code == code


@STEADY
@given(st.lists(st.binary(min_size=1, max_size=30), max_size=30), st.booleans())
def test_any_bytes_give_messages_or_a_refusal(
    chunks: list[bytes], inflates: bool
) -> None:
    reader = FrameReader(1000, inflates=inflates)
    try:
        for chunk in chunks:
            reader.feed(chunk)
            for received in all_of(reader):
                assert len(received.payload) <= 1000
    except FrameError as error:
        assert error.close_code in (1002, 1007, 1009)
