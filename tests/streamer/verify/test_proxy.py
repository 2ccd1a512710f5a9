import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator

import pytest

from ncs_streamer.verify.proxy import Proxy

pytestmark = pytest.mark.integration

TEXT = bytes(range(256)) * 400


class Line:
    """Both ends of a connection through the proxy."""

    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.proxy = proxy
        self.reader, self.writer = client
        self.server_reader, self.server_writer = server


@contextlib.asynccontextmanager
async def line() -> AsyncIterator[Line]:
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    accepted = asyncio.Queue(1)

    async def accept(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await accepted.put((reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = Proxy(lambda: f"http://127.0.0.1:{port}", random.Random(1))
    async with server, proxy, asyncio.timeout(10):
        front = int(proxy.url.rpartition(":")[2])
        client = await asyncio.open_connection("127.0.0.1", front)
        both = Line(proxy, client, await accepted.get())
        try:
            yield both
        finally:
            both.writer.transport.abort()
            both.server_writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what still comes before the connection ends."""
    read = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(1024):
            read += chunk
    return read


async def silent(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
        return False
    return True


async def test_it_forwards_both_ways() -> None:
    async with line() as ends:
        ends.writer.write(TEXT)
        assert TEXT == await ends.server_reader.readexactly(len(TEXT))
        ends.server_writer.write(TEXT)
        assert TEXT == await ends.reader.readexactly(len(TEXT))


async def test_an_end_that_closes_closes_the_other() -> None:
    async with line() as ends:
        ends.server_writer.close()
        assert b"" == await ended(ends.reader)


async def test_a_cut_ends_both() -> None:
    async with line() as ends:
        ends.writer.write(b"x")
        await ends.server_reader.readexactly(1)
        ends.proxy.cut()
        assert b"" == await ended(ends.reader)
        assert b"" == await ended(ends.server_reader)


async def test_a_truncated_chunk_arrives_in_part_and_is_the_last() -> None:
    async with line() as ends:
        ends.proxy.truncating = True
        ends.writer.write(TEXT)
        got = await ended(ends.server_reader)
        assert TEXT.startswith(got) and len(got) < len(TEXT)
        assert b"" == await ended(ends.reader)


async def test_half_open_tells_one_end_only_until_it_is_cut() -> None:
    async with line() as ends:
        ends.writer.write(b"x")
        await ends.server_reader.readexactly(1)
        ends.proxy.half_open()
        told = [not await silent(r) for r in (ends.reader, ends.server_reader)]
        assert 1 == sum(told)
        ends.proxy.cut()
        assert b"" == await ended(ends.reader)
        assert b"" == await ended(ends.server_reader)


async def test_what_is_swallowed_comes_when_it_is_healed() -> None:
    async with line() as ends:
        ends.proxy.swallow()
        ends.writer.write(TEXT)
        assert await silent(ends.server_reader)
        ends.proxy.heal()
        assert TEXT == await ends.server_reader.readexactly(len(TEXT))


async def test_a_delay_holds_every_chunk_up() -> None:
    async with line() as ends:
        ends.proxy.delay_s = 0.3
        ends.writer.write(b"x")
        assert await silent(ends.server_reader)
        assert b"x" == await ends.server_reader.readexactly(1)


async def test_a_server_that_is_not_there_ends_the_connection() -> None:
    proxy = Proxy(lambda: "http://127.0.0.1:1", random.Random(1))
    async with proxy, asyncio.timeout(10):
        port = int(proxy.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert b"" == await ended(reader)
        writer.transport.abort()


async def test_it_leaves_nothing_open_however_far_a_connection_has_come() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        for steps in range(12):
            proxy = Proxy(lambda: url, random.Random(1))
            async with asyncio.timeout(10):
                async with proxy:
                    port = int(proxy.url.rpartition(":")[2])
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    for _ in range(steps):
                        await asyncio.sleep(0)
                assert b"" == await ended(reader)
            writer.transport.abort()
