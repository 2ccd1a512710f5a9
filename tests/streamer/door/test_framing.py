"""Following frames by their lengths, however the bytes are cut into chunks."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs_streamer.door.framing import Framing

pytestmark = pytest.mark.unit

STEADY = settings(deadline=None, derandomize=True, max_examples=200)


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame to be sent.

    Attributes:
        size: of its payload.
        fin: whether it ends its message.
        opcode: 8 and above are control frames.
        masked: as every frame of a client has to be.
    """

    size: int
    fin: bool = True
    opcode: int = 2
    masked: bool = True

    def bytes(self) -> bytes:
        """Return the frame."""
        head = bytes([self.fin << 7 | self.opcode])
        mask = self.masked << 7
        if self.size < 126:
            head += bytes([mask | self.size])
        elif self.size < 2**16:
            head += bytes([mask | 126]) + self.size.to_bytes(2, "big")
        else:
            head += bytes([mask | 127]) + self.size.to_bytes(8, "big")
        return head + bytes(4 * self.masked) + b"\xff" * self.size


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return `data` cut at the places."""
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


MESSAGE = st.lists(st.integers(0, 300), min_size=1, max_size=3).map(
    lambda sizes: [
        Frame(size, fin=i == len(sizes) - 1, opcode=2 if i == 0 else 0)
        for i, size in enumerate(sizes)
    ]
)
CONTROL = st.integers(0, 125).map(lambda size: [Frame(size, opcode=9)])


@STEADY
@given(
    st.lists(MESSAGE | CONTROL, max_size=5),
    st.lists(st.integers(0, 3000), max_size=20),
)
def test_it_is_inside_a_message_exactly_where_one_has_begun_and_not_ended(
    messages: list[list[Frame]], cuts: list[int]
) -> None:
    ends, data = {0}, b""
    for message in messages:
        data += b"".join(frame.bytes() for frame in message)
        ends.add(len(data))
    framing, position = Framing(), 0
    for piece in pieces(data, cuts):
        framing.feed(piece)
        position += len(piece)
        assert framing.is_inside is (position not in ends)


@STEADY
@given(st.lists(MESSAGE, min_size=1, max_size=5), st.data())
def test_a_piece_says_whether_a_message_ended_in_it(
    messages: list[list[Frame]], data: st.DataObject
) -> None:
    wholes = [b"".join(frame.bytes() for frame in message) for message in messages]
    sent = b"".join(wholes)
    ends = [sum(map(len, wholes[: i + 1])) for i in range(len(wholes))]
    cuts = data.draw(st.lists(st.integers(1, len(sent)), max_size=8))
    framing, position = Framing(), 0
    for piece in pieces(sent, cuts):
        before, position = position, position + len(piece)
        assert framing.feed(piece) is any(before < end <= position for end in ends)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
@pytest.mark.parametrize("masked", [True, False])
def test_every_length_is_read_byte_by_byte(size: int, masked: bool) -> None:
    frame = Frame(size, masked=masked).bytes()
    framing = Framing()
    assert not any(framing.feed(frame[i : i + 1]) for i in range(len(frame) - 1))
    assert framing.is_inside
    assert framing.feed(frame[-1:])
    assert not framing.is_inside


def test_a_ping_between_two_fragments_ends_nothing() -> None:
    framing = Framing()
    assert not framing.feed(Frame(3, fin=False).bytes())
    assert not framing.feed(Frame(0, opcode=9).bytes())
    assert framing.is_inside
    assert framing.feed(Frame(3, opcode=0).bytes())
    assert not framing.is_inside


@STEADY
@given(st.lists(st.binary(min_size=1, max_size=30), max_size=30))
def test_bytes_that_are_no_frames_break_nothing(chunks: list[bytes]) -> None:
    framing = Framing()
    for chunk in chunks:
        framing.feed(chunk)
