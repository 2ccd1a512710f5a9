from __future__ import annotations

import zlib

import pytest
from link import messages_in

from ncs_protocol import JSON, MSGPACK
from ncs_protocol.messages import Ping
from ncs_streamer.wire import WebSocketWire

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "8100"),
        (125, "817d"),
        (126, "817e007e"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
    ],
)
def test_a_frame_has_the_header_of_its_length(size: int, header: str) -> None:
    frame = WebSocketWire(JSON).frame(b"x" * size)
    assert frame.data == bytes.fromhex(header) + b"x" * size
    assert frame.size == size


def test_messagepack_travels_in_binary_frames() -> None:
    assert WebSocketWire(MSGPACK).frame(b"").data == b"\x82\x00"


def test_frames_one_after_the_other_are_taken_apart_again() -> None:
    wire = WebSocketWire(JSON)
    parts = [b"a", b"", b"b" * 300, b"c" * 70_000]
    data = b"".join(wire.frame(part).data for part in parts)
    assert messages_in(data) == parts


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_a_compressed_frame_can_be_read_by_itself(bits: int) -> None:
    payload = JSON.encode(Ping(id="x")) * 100
    frame = WebSocketWire(JSON).compressed_frame(payload, bits)
    assert frame.size == len(payload)
    assert frame.data[0] == 0xC1  # final, compressed, text
    (packed,) = messages_in(frame.data)
    assert len(packed) < len(payload) / 10
    inflate = zlib.decompressobj(wbits=-bits)
    assert inflate.decompress(packed + b"\x00\x00\xff\xff") == payload
