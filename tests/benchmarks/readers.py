"""Subscribers of the peers, for the crowd that also reads from our server."""

from __future__ import annotations

import base64
import dataclasses
import os

from ncs_streamer.bench.light_reader import Chunks, LightReader, LostError, State
from ncs_streamer.bench.light_reader import client_frame as frame

__all__ = ["NATS_SUBJECT", "Nats", "NatsReader", "PeerReader", "frame", "handshake"]

NATS_SUBJECT = b"bench"
_BINARY = 2
_END_OF_HEAD = b"\r\n\r\n"
_HELLO = b'CONNECT {"verbose":false,"headers":false}\r\nSUB %b 1\r\nPING\r\n'


def handshake(path: str) -> bytes:
    """Return the request that makes a WebSocket of a connection."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
        "\r\n\r\n"
    ).encode()


class PeerReader(LightReader):
    """Counts the messages of a server that sends them unasked."""

    __slots__ = ()

    def __init__(self, chunks: Chunks) -> None:
        super().__init__("", "", chunks)

    def begin(self, host: str) -> bytes:
        """Return what a new connection begins with."""
        super().begin(host)
        return handshake("/ws")

    def receive(self, data: bytes) -> bytes:
        """Take what has arrived."""
        if self.state is not State.HANDSHAKE:
            return super().receive(data)
        head, end, data = data.partition(_END_OF_HEAD)
        if not end or b" 101 " not in head:
            raise LostError(head.decode(errors="replace"))
        self.state = State.FOLLOWING
        return super().receive(data) if data else b""


class NatsReader(PeerReader):
    """Subscribes at a nats-server, and counts the messages within its frames.

    Args:
        chunks: see `LightReader`.
        head: what each message begins with.
    """

    __slots__ = ("_end", "_head")

    def __init__(self, chunks: Chunks, head: bytes) -> None:
        super().__init__(chunks)
        self._head = head
        self._end = b""  # of what has arrived; a head may have begun there

    def begin(self, host: str) -> bytes:
        """Return what a new connection begins with."""
        super().begin(host)
        return handshake("/")

    def receive(self, data: bytes) -> bytes:
        """Take what has arrived; a frame of the server may hold many messages."""
        if self.state is State.HANDSHAKE:
            super().receive(data)
            self.state = State.SUBSCRIBING
            return frame(_BINARY, _HELLO % NATS_SUBJECT)
        if self.state is State.SUBSCRIBING:
            if b"-ERR" in data:
                raise LostError(data.decode(errors="replace"))
            if b"PONG" in data:
                self.state = State.FOLLOWING
            return b""
        self.size += len(data)
        data = self._end + data
        self.messages += data.count(self._head)
        self._end = data[1 - len(self._head) :]
        return b""


@dataclasses.dataclass(frozen=True, slots=True)
class Nats:
    """Makes readers of a nats-server, in the process of the crowd."""

    head: bytes

    def __call__(self, chunks: Chunks) -> NatsReader:
        """Return a reader."""
        return NatsReader(chunks, self.head)
