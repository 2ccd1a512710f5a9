"""A subscriber that reads slowly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import urllib.parse
from collections.abc import AsyncIterator

from .light_reader import Chunks, LightReader, State

__all__ = ["SLOW_BYTES_PER_S", "SlowReader", "slow_reader"]

SLOW_BYTES_PER_S = (0, 1024)
_RECEIVE_BUFFER = 4096  # the least that the system gives; the server shall notice
_TURN_S = 0.5


class SlowReader:
    """What has become of one.

    Attributes:
        read_bytes: since it began to be slow.
        is_cut_off: whether the server has ended the connection.
    """

    def __init__(self) -> None:
        self.read_bytes = 0
        self.is_cut_off = False


@contextlib.asynccontextmanager
async def slow_reader(
    url: str, token: str, stream: str, bytes_per_s: int
) -> AsyncIterator[SlowReader]:
    """Let it subscribe, then read at that rate meanwhile."""
    address = urllib.parse.urlsplit(url)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    slow, reader = SlowReader(), LightReader(token, stream, Chunks())
    reading = None
    try:
        await loop.sock_connect(sock, (address.hostname, address.port))
        await loop.sock_sendall(sock, reader.begin("bench"))
        while reader.state is not State.FOLLOWING:
            if answer := reader.receive(await loop.sock_recv(sock, 4096)):
                await loop.sock_sendall(sock, answer)
        if bytes_per_s:
            reading = asyncio.create_task(_read(sock, slow, bytes_per_s))
        yield slow
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        sock.close()


async def _read(sock: socket.socket, slow: SlowReader, bytes_per_s: int) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_TURN_S)
        with contextlib.suppress(ConnectionError):
            data = await loop.sock_recv(sock, round(bytes_per_s * _TURN_S))
            slow.read_bytes += len(data)
            if data:
                continue
        slow.is_cut_off = True
        return
