"""The socket's side of a connection: signs of life, the end, and who is not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from ncs_protocol import Code
from ncs_streamer.frame_reader import FrameReader, Received
from ncs_streamer.link import Link, Pulse

pytestmark = pytest.mark.unit

PING, PONG = b"\x89\x00", b"\x8a\x00"
MOST = 1_000_000


def frame(opcode: Opcode, payload: bytes = b"", fin: bool = True) -> bytes:
    """Return a frame of a client."""
    return bytes(Frame(opcode, payload, fin=fin).serialize(mask=True))


class Socket:
    """A transport, its guard, and who uses the link: all that happens in one list."""

    def __init__(self) -> None:
        self.happened: list[Any] = []
        self.unsent = 0
        self.protocol: asyncio.BaseProtocol | None = None
        self._closing = False
        reader, pulse = FrameReader(MOST), Pulse(heartbeat_s=20.0, stuck_s=60.0)
        guard: Any = self
        self.link = Link(guard, guard, reader, pulse, self, now=0.0)

    def came(self, data: bytes) -> list[Any]:
        """Let bytes arrive; return what happened."""
        self.link.data_received(data)
        return self.since()

    def tick(self, *times: float) -> list[Any]:
        """Let time pass; return what happened."""
        for now in times:
            self.link.tick(now)
        return self.since()

    def since(self) -> list[Any]:
        """Return what happened since the last call."""
        happened, self.happened = self.happened, []
        return happened

    # The transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.happened.append(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        self.happened.append("closed")

    def abort(self) -> None:
        self._closing = True
        self.happened.append("aborted")

    def pause_reading(self) -> None:
        self.happened.append("paused")

    def resume_reading(self) -> None:
        self.happened.append("resumed")

    # The guard

    def begin_frame(self) -> None:
        self.happened.append("waits for the rest")

    def go_on(self, size: int) -> None:
        self.happened.append(f"and {size} bytes")

    def end_frame(self) -> None:
        self.happened.append("has it all")

    def leave(self) -> None:
        self.happened.append("left")

    # The user

    def readable(self) -> None:
        self.happened.append("readable")

    def end(self, code: Code) -> None:
        self.happened.append(code)

    def cut_off(self) -> None:
        self.happened.append("cut off")

    def let_go(self, reason: str) -> None:
        self.happened.append(reason)


def test_it_is_the_protocol_of_its_transport_from_the_start() -> None:
    socket = Socket()
    assert socket.protocol is socket.link


def test_who_is_silent_is_asked_once_and_found_dead_half_a_heartbeat_later() -> None:
    socket = Socket()
    assert socket.tick(1.0, 19.9) == []
    assert socket.tick(20.0, 21.0, 29.9) == [PING]
    assert socket.tick(30.0) == ["heartbeat", "aborted"]


@pytest.mark.parametrize("sign", [frame(Opcode.PONG), frame(Opcode.BINARY, b"x"), b"x"])
def test_whatever_arrives_is_a_sign_of_life(sign: bytes) -> None:
    socket = Socket()
    for round in range(5):
        began = 25.0 * round
        assert socket.tick(began + 21.0) == [PING]
        socket.came(sign)
        assert socket.tick(began + 25.0) == []


def test_who_cannot_be_reached_by_a_ping_is_not_taken_for_dead() -> None:
    socket = Socket()
    socket.unsent = 1000
    for now in range(1, 60):
        socket.unsent -= 1  # it takes a little now and then
        assert socket.tick(float(now)) == []
    socket.unsent = 0
    assert socket.tick(60.0) == [PING]
    assert socket.tick(68.9) == []
    assert socket.tick(69.0) == ["heartbeat", "aborted"]


def test_who_takes_nothing_for_too_long_is_cut_off() -> None:
    socket = Socket()
    socket.unsent = 1000
    assert socket.tick(10.0, 30.0, 69.9) == []
    assert socket.tick(70.0) == ["cut off"]


def test_a_peer_that_is_not_read_may_be_silent() -> None:
    socket = Socket()
    socket.came(frame(Opcode.BINARY, bytes(200_000)))
    assert socket.tick(10.0, 50.0, 90.0) == []


def test_beyond_a_bound_the_socket_is_read_only_when_somebody_takes_it() -> None:
    socket = Socket()
    message = frame(Opcode.BINARY, bytes(50_000))
    assert socket.came(message + message) == ["readable"]
    assert socket.came(message) == ["paused", "readable"]
    assert not socket.link.is_read
    for _ in range(3):
        assert socket.link.take() == Received(2, bytes(50_000))
    assert socket.since() == []
    assert socket.link.take() is None
    assert socket.since() == ["resumed"]


def test_a_message_that_is_larger_than_the_bound_comes_whole() -> None:
    socket = Socket()
    message = frame(Opcode.BINARY, bytes(500_000))
    socket.came(message[:300_000])
    assert socket.link.take() is None
    assert socket.since() == ["waits for the rest", "resumed"]
    assert socket.link.is_read
    assert "paused" not in socket.came(message[300_000:-1])
    socket.came(message[-1:])
    assert socket.link.take() == Received(2, bytes(500_000))


def test_a_ping_is_answered_and_a_pong_is_not() -> None:
    socket = Socket()
    socket.came(frame(Opcode.PING, b"there?") + frame(Opcode.PONG))
    assert socket.link.take() is None
    assert socket.since() == [b"\x8a\x06there?"]


def test_who_asks_and_does_not_listen_gets_no_more_answers() -> None:
    socket = Socket()
    socket.unsent = 64 * 1024
    socket.came(frame(Opcode.PING) * 1000)
    assert socket.link.take() is None
    assert socket.since() == []


def test_the_rest_of_a_message_has_its_time_whatever_comes_between() -> None:
    socket = Socket()
    assert socket.came(frame(Opcode.TEXT, b"a", fin=False)) == ["readable"]
    assert socket.link.take() is None
    assert socket.since() == ["waits for the rest"]
    for between in (frame(Opcode.PING), frame(Opcode.CONT, b"b", fin=False)):
        assert f"and {len(between)} bytes" in socket.came(between)
        assert socket.link.take() is None
        assert "has it all" not in socket.since()
    socket.came(frame(Opcode.CONT, b"c"))
    assert socket.link.take() == Received(1, b"abc")
    assert socket.since() == ["has it all"]


@pytest.mark.parametrize("idle", [Opcode.PING, Opcode.CONT])
def test_no_message_wins_more_time_than_the_bytes_of_a_whole_one(
    idle: Opcode,
) -> None:
    socket = Socket()
    socket.unsent = 64 * 1024
    socket.came(frame(Opcode.TEXT, b"a", fin=False))
    socket.link.take()
    won = 0
    for _ in range(25):
        piece = frame(idle, fin=idle is Opcode.PING) * 10_000
        happened = [str(one) for one in socket.came(piece)]
        won += sum(int(one.split()[1]) for one in happened if "bytes" in one)
        assert socket.link.take() is None
    assert won == MOST


def test_it_is_not_the_peers_turn_while_its_message_is_not_taken() -> None:
    socket = Socket()
    message = frame(Opcode.TEXT, b"abc")
    socket.came(message[:4])
    assert socket.link.take() is None
    assert socket.link.is_read
    socket.came(message[4:])
    assert not socket.link.is_read


@pytest.mark.parametrize(
    ("payload", "answer"),
    [(b"\x03\xe9bye", b"\x88\x02\x03\xe9"), (b"", b"\x88\x00")],
)
def test_who_closes_gets_its_code_back(payload: bytes, answer: bytes) -> None:
    socket = Socket()
    socket.came(frame(Opcode.TEXT, b"last") + frame(Opcode.CLOSE, payload))
    assert socket.link.take() == Received(1, b"last")
    assert socket.link.take() is None
    assert socket.since() == [answer, "closed"]
    assert socket.came(frame(Opcode.TEXT, b"too late")) == []
    assert not socket.link.is_over
    socket.link.connection_lost(None)
    assert socket.since() == ["left", "readable"]
    assert socket.link.is_over
    assert socket.link.take() is None


def test_who_is_told_the_end_is_read_until_it_has_closed_too() -> None:
    socket = Socket()
    socket.link.end_by(12.0)
    socket.link.close(4000, b"bye")
    assert socket.since() == [b"\x88\x05\x0f\xa0bye"]
    assert socket.came(frame(Opcode.TEXT, b"more")) == ["readable"]
    assert socket.link.take() == Received(1, b"more")
    socket.came(frame(Opcode.CLOSE, b"\x0f\xa0"))
    assert socket.link.take() is None
    assert socket.since() == ["closed"]


def test_nothing_follows_the_end() -> None:
    socket = Socket()
    socket.link.close(4000, b"")
    socket.since()
    socket.came(frame(Opcode.PING))
    assert socket.link.take() is None
    assert socket.since() == []
    socket.came(b"\xff\xff")
    assert socket.link.take() is None
    socket.link.close(4000, b"again")
    assert socket.since() == ["broken"]


def test_who_closes_before_it_is_told_the_end_is_answered() -> None:
    socket = Socket()
    socket.link.end_by(12.0)
    socket.came(frame(Opcode.CLOSE, b"\x03\xe8"))
    assert socket.link.take() is None
    assert socket.since() == [b"\x88\x02\x03\xe8", "closed"]


def test_who_does_not_close_in_time_is_cut() -> None:
    socket = Socket()
    socket.link.end_by(12.0)
    socket.link.close(4000, b"")
    socket.since()
    assert socket.tick(11.0) == []
    assert socket.tick(12.0) == ["aborted"]


def test_who_closes_and_does_not_take_the_rest_is_cut_too() -> None:
    socket = Socket()
    socket.came(frame(Opcode.CLOSE))
    socket.link.take()
    socket.since()
    assert socket.tick(10.0, 11.0) == []
    assert socket.tick(12.0) == ["aborted"]


@pytest.mark.parametrize(
    ("sent", "reason", "code"),
    [
        (b"\xff\xff", "broken", 1002),
        (frame(Opcode.BINARY, bytes(MOST + 1))[:20], "frame_too_large", 1009),
        (frame(Opcode.CLOSE, b"\x00\x01"), "broken", 1002),
    ],
)
def test_what_is_no_frame_ends_the_connection_with_a_code(
    sent: bytes, reason: str, code: int
) -> None:
    socket = Socket()
    socket.came(frame(Opcode.TEXT, b"good") + sent)
    assert socket.link.take() == Received(1, b"good")
    assert socket.link.take() is None
    told, closing = socket.since()
    assert told == reason
    assert closing[2:4] == code.to_bytes(2, "big")
    assert socket.came(b"whatever") == []
    assert socket.tick(1.0, 3.0) == ["aborted"]


def test_what_has_arrived_is_taken_after_the_socket_is_gone() -> None:
    socket = Socket()
    socket.came(frame(Opcode.TEXT, b"one") + frame(Opcode.TEXT, b"two"))
    socket.link.connection_lost(ConnectionResetError())
    assert socket.link.is_over
    assert [socket.link.take(), socket.link.take()] == [
        Received(1, b"one"),
        Received(1, b"two"),
    ]
    assert socket.link.take() is None
