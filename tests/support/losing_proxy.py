"""A line that carries every request and loses some of the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

__all__ = ["LosingProxy", "losing_proxy"]


class LosingProxy:
    """See the module.

    Attributes:
        url: its address.
        lose: how many of the next answers are lost; their connections are closed.
        lost: how many were.
        stall: while true answers are kept back, and nothing is closed.
    """

    def __init__(self, server_url: str) -> None:
        self.url = ""
        self.lose = self.lost = 0
        self.stall = False
        self._host, port = server_url.removeprefix("http://").split(":")
        self._port = int(port)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry one connection."""
        try:
            there = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        there_reader, there_writer = there
        tasks = [
            asyncio.create_task(self._carry(reader, there_writer, is_answer=False)),
            asyncio.create_task(self._carry(there_reader, writer, is_answer=True)),
        ]
        self._tasks.update(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.difference_update(tasks)
        writer.close()
        there_writer.close()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_answer: bool,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if is_answer and self.lose:
                    self.lose -= 1
                    self.lost += 1
                    return
                if is_answer and self.stall:
                    continue
                writer.write(data)
                await writer.drain()


@contextlib.asynccontextmanager
async def losing_proxy(server_url: str) -> AsyncIterator[LosingProxy]:
    """Serve a proxy in front of a server."""
    proxy = LosingProxy(server_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    proxy.url = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
