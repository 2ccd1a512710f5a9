"""A subscriber that costs almost nothing: what it reads it counts, and no more.

A real client decodes every event, so a thousand of them on the machine of the server
would be measured instead of the server. Most of the readers of a crowd get the very
same bytes; those are looked into once for all of them. No socket here: bytes in, bytes
out.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import os

from ncs_client import NcsClientError
from ncs_protocol import MSGPACK
from ncs_protocol.messages import (
    DeliveryClass,
    Error,
    Event,
    Position,
    ServerMessage,
    Skip,
    Subscribe,
    Subscribed,
)

__all__ = ["Chunks", "LightReader", "LostError", "State", "Wanted", "client_frame"]

_PING, _PONG, _BINARY, _CLOSE = 0x9, 0xA, 0x2, 0x8
_FIN, _MASKED = 0x80, 0x80
_END_OF_HEAD = b"\r\n\r\n"


class LostError(NcsClientError):
    """The server refused, closed or broke off; the message says what it said."""


class State(enum.Enum):
    """How far a reader is."""

    HANDSHAKE = "handshake"
    SUBSCRIBING = "subscribing"
    FOLLOWING = "following"


@dataclasses.dataclass(slots=True)
class Chunk:
    """What a piece of the byte stream holds that begins with a frame.

    Attributes:
        data: the bytes.
        frames: (opcode, begin, end) of the whole frames' payloads.
        used: bytes that are taken up by whole frames.
        messages: how many of the frames are messages.
    """

    data: bytes
    frames: list[tuple[int, int, int]]
    used: int
    messages: int
    _decoded: list[ServerMessage] | None = None

    @property
    def decoded(self) -> list[ServerMessage]:
        """The messages; decoded once for all who got these bytes."""
        if self._decoded is None:
            self._decoded = [
                MSGPACK.decode_server(self.data[begin:end])
                for opcode, begin, end in self.frames
                if opcode == _BINARY
            ]
        return self._decoded


class Chunks:
    """Looks into pieces of byte streams; into those that many got, once."""

    def __init__(self) -> None:
        self._last = Chunk(b"", [], 0, 0)

    def read(self, data: bytes) -> Chunk:
        """Return where the frames of a server are in `data`."""
        if data != self._last.data:
            self._last = _read(data)
        return self._last


def _read(data: bytes) -> Chunk:
    frames, position, messages = [], 0, 0
    while position + 2 <= len(data):
        opcode, length = data[position] & 0x0F, data[position + 1]
        begin = position + 2
        if length == 126:
            begin, length = begin + 2, int.from_bytes(data[begin : begin + 2], "big")
        elif length == 127:
            begin, length = begin + 8, int.from_bytes(data[begin : begin + 8], "big")
        if begin + length > len(data):
            break
        frames.append((opcode, begin, begin + length))
        messages += opcode == _BINARY
        position = begin + length
    return Chunk(data, frames, position, messages)


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Return a masked frame; the mask is zero, which costs nothing."""
    head = bytes([_FIN | opcode])
    if len(payload) < 126:
        head += bytes([_MASKED | len(payload)])
    else:
        head += bytes([_MASKED | 126]) + len(payload).to_bytes(2, "big")
    return head + bytes(4) + payload


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Makes the readers of a crowd, in the crowd's process.

    Attributes:
        token: credential of all.
        stream: what they follow.
        is_checking: see `LightReader`.
        is_decoding: see `LightReader`.
        centroids: whether they are told.
    """

    token: str
    stream: str
    is_checking: bool = False
    is_decoding: bool = False
    centroids: bool = True

    def __call__(self, chunks: Chunks) -> LightReader:
        """Return a reader."""
        return LightReader(
            self.token,
            self.stream,
            chunks,
            is_checking=self.is_checking,
            is_decoding=self.is_decoding,
            centroids=self.centroids,
        )


class LightReader:
    """One subscription of one stream; see the module.

    Args:
        token: credential.
        stream: its name.
        chunks: shared by all who get the same bytes.
        is_checking: whether to see that no offset is left out, which costs a little.
        is_decoding: whether to note when the cause of each event arrived.
        centroids: whether they are told.

    Attributes:
        messages: that came, beside the answer to the subscription.
        size: bytes of all that came.
        gaps: offsets that were left out; only if it is checking.
        position: what it has been told; only if it is checking.
        recovered: whether it last came back to everything that it had missed.
        ingests: when what caused each event arrived, taken out by who reads.
    """

    __slots__ = (
        "_centroids", "_chunks", "_is_checking", "_is_decoding", "_stream", "_tail",
        "_token", "gaps", "ingests", "messages", "position", "recovered", "size",
        "state",
    )  # fmt: skip

    def __init__(
        self,
        token: str,
        stream: str,
        chunks: Chunks,
        *,
        is_checking: bool = False,
        is_decoding: bool = False,
        centroids: bool = True,
    ) -> None:
        self._centroids = centroids
        self._token = token
        self._stream = stream
        self._chunks = chunks
        self._is_checking = is_checking
        self._is_decoding = is_decoding
        self.state = State.HANDSHAKE
        self.messages = 0
        self.size = 0
        self.gaps = 0
        self.position: Position | None = None
        self.recovered = False
        self.ingests: list[float] = []
        self._tail = b""

    def begin(self, host: str) -> bytes:
        """Return what a new connection begins with."""
        self.state = State.HANDSHAKE
        self._tail = b""
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nX-API-Key: {self._token}\r\n"
            f"Sec-WebSocket-Protocol: {MSGPACK.subprotocol}\r\n\r\n"
        ).encode()

    def receive(self, data: bytes) -> bytes:
        """Take what has arrived, and return what to answer.

        Raises:
            LostError: if the server wants no more of it.
        """
        if self.state is State.HANDSHAKE:
            head, end, data = (self._tail + data).partition(_END_OF_HEAD)
            if not end:
                self._tail = head
                return b""
            if b" 101 " not in head.partition(b"\r\n")[0]:
                raise LostError(head.decode(errors="replace"))
            self.state, self._tail = State.SUBSCRIBING, b""
            return self._subscription() + self._frames(data)
        return self._frames(data)

    def _subscription(self) -> bytes:
        request = Subscribe(
            id="s",
            stream=self._stream,
            events=["cluster_update", "drift_detection"],
            since=self.position,
            centroids=self._centroids,
        )
        return client_frame(_BINARY, MSGPACK.encode(request))

    def _frames(self, data: bytes) -> bytes:
        if self._tail:
            data = self._tail + data
        chunk = self._chunks.read(data)
        self._tail = data[chunk.used :] if chunk.used < len(data) else b""
        self.messages += chunk.messages
        self.size += chunk.used
        answer = b""
        if chunk.messages < len(chunk.frames):
            answer = self._control(chunk)
        if self._is_checking or self._is_decoding or self.state is State.SUBSCRIBING:
            for message in chunk.decoded:
                self._take(message)
        return answer

    @staticmethod
    def _control(chunk: Chunk) -> bytes:
        answer = b""
        for opcode, begin, end in chunk.frames:
            if opcode == _PING:
                answer += client_frame(_PONG, chunk.data[begin:end])
            elif opcode == _CLOSE:
                raise LostError(chunk.data[begin + 2 : end].decode(errors="replace"))
        return answer

    def _take(self, message: ServerMessage) -> None:
        if isinstance(message, Error):
            raise LostError(f"{message.code}: {message.detail}")
        if isinstance(message, Subscribed):
            self.state = State.FOLLOWING
            self.messages -= 1
            self.recovered = message.recovered
            if self._is_checking:
                self.position = Position(epoch=message.epoch, offsets=message.offsets)
        elif isinstance(message, Skip):
            self._told(message.delivery, message.from_, message.to)
        elif isinstance(message, Event):
            self._told(message.delivery, message.first, message.last)
            if self._is_decoding and message.times is not None:
                self.ingests.append(message.times.ingest)

    def _told(self, delivery: DeliveryClass, first: int, last: int) -> None:
        if self.position is not None:
            self.gaps += abs(first - self.position.offsets.get(delivery, 0) - 1)
            self.position.offsets[delivery] = last
