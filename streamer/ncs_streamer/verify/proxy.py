"""A TCP line between clients and the server that can be made bad."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Line", "Proxy"]

_CHUNK = 16 * 1024


class Proxy:
    """Forwards connections, within ``async with``; by default as they come.

    Args:
        target: returns the server's URL; asked for every connection.
        draw: for the places at which it truncates.

    Attributes:
        url: where it listens.
        delay_s: that every chunk waits for.
        truncating: whether the next chunk of every connection goes out in part only,
            and the connection ends there.
    """

    def __init__(self, target: Callable[[], str], draw: random.Random) -> None:
        self.url = ""
        self.delay_s = 0.0
        self.truncating = False
        self._target = target
        self._draw = draw
        self._flows = asyncio.Event()
        self._flows.set()
        self._lines: set[Line] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self) -> None:
        """Reset all connections."""
        for line in self._lines:
            line.abort()

    def half_open(self) -> None:
        """Reset every connection at one end; the other end is not told, until `cut`."""
        for line in self._lines:
            line.half_open(self._draw.random() < 0.5)

    def swallow(self) -> None:
        """Let nothing through, until healed; then all of it."""
        self._flows.clear()

    def heal(self) -> None:
        """Forward again what comes, as it comes."""
        self.delay_s = 0.0
        self.truncating = False
        self._flows.set()

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._server.is_serving():  # it came in the last moment
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)

        def served(task: asyncio.Task[None]) -> None:
            self._serving.discard(task)
            writer.transport.abort()  # also if it was cancelled before it had begun

        task.add_done_callback(served)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not await self._admits(reader, writer):
            return
        address = urlsplit(self._target())
        try:
            server = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            return
        line = Line(writer, server[1])
        self._lines.add(line)
        self._made(line)
        try:
            await asyncio.gather(
                self._pump(line, self._sent(line, reader), server[1]),
                self._pump(line, self._told(line, server[0]), writer),
            )
        finally:
            line.abort()
            self._lines.discard(line)

    # What a proxy that knows what it carries does otherwise

    async def _admits(
        self, client: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Return whether a connection goes on to the server."""
        return True

    def _made(self, line: Line) -> None:
        """Take note of a new connection."""

    def _sent(self, line: Line, client: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Return what goes to the server of what the client sends."""
        return _all_of(client)

    def _told(self, line: Line, server: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Return what goes to the client of what the server sends."""
        return _all_of(server)

    async def _pump(
        self, line: Line, source: AsyncIterator[bytes], sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            async for chunk in source:
                await self._flows.wait()
                await asyncio.sleep(self.delay_s)
                if self.truncating:
                    sink.write(chunk[: self._draw.randrange(len(chunk))])
                    sink.close()
                    await sink.wait_closed()
                    break
                sink.write(chunk)
                await sink.drain()
        await line.half.wait()
        line.abort()


class Line:
    """Both ends of a connection.

    Attributes:
        client: writes to the client.
        server: writes to the server.
    """

    def __init__(
        self, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self.client = client
        self.server = server
        self._ends = client.transport, server.transport
        self.half = asyncio.Event()  # cleared while one end must not notice
        self.half.set()

    def abort(self) -> None:
        """Reset both ends."""
        self.half.set()
        for end in self._ends:
            end.abort()

    def half_open(self, at_server: bool) -> None:
        """Reset one end; the other is not told until it is aborted."""
        self.half.clear()
        self._ends[at_server].abort()


async def _all_of(source: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while chunk := await source.read(_CHUNK):
        yield chunk
