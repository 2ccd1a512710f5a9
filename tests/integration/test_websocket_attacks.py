"""What somebody who knows the WebSocket protocol can try, and what a client of another
make does with all of it. One server serves all tests of this module."""

from __future__ import annotations

import asyncio
import contextlib
import random
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from aiohttp import ClientSession
from real_server import Socket, client_of, server_on, token
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from ncs_protocol import Code
from ncs_protocol.messages import Ack, Points
from ncs_streamer.processes import ServerProcess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.asyncio(loop_scope="module"),
]

SEED = 20
MB = 1024 * 1024
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\n"
)
PING = '{"type":"ping","id":"1"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    flags = ("--compress-snapshots=true", "--hello-timeout-s=1", "--frame-timeout-s=1")
    flags += ("--metrics-port=0",)
    flags += ("--max-connections-per-address=1000", "--handshakes-per-minute=100000")
    async with server_on(tmp_path_factory.mktemp("data"), *flags) as server:
        yield server


class Raw:
    """A WebSocket whose bytes are the test's own."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, server: ServerProcess, *, known: bool) -> AsyncIterator[Raw]:
        """Shake hands, with a credential or without."""
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            credential = f"Authorization: Bearer {token('evil')}\r\n" if known else ""
            writer.write(f"{HANDSHAKE}{credential}\r\n".encode())
            async with asyncio.timeout(20):
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def end(self) -> int:
        """Return the code with which the server closes, or 0 if it cuts."""
        said = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                while not closing(said) and (chunk := await self.reader.read(65536)):
                    said += chunk
        return closing(said)


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Return a frame of a client, however wrong, under a mask of zeros."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([0x80 * fin | opcode]) + length + bytes(4) + payload


def closing(said: bytes) -> int:
    """Return the code of the close frame among a server's frames, or 0."""
    at = 0
    while len(said) - at >= 2:
        size = said[at + 1]
        head = 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(said[at + 2 : at + head], "big")
        if said[at] & 0x0F == Opcode.CLOSE:
            return int.from_bytes(said[at + 2 : at + 4], "big")
        at += head + size
    return 0


def evil(draw: random.Random) -> bytes:
    """Return bytes of which the beginning, at least, may look like frames."""
    sent = b""
    for _ in range(draw.randint(1, 6)):
        size = draw.choice([0, 1, 20, 125, 126, 1000, 20_000])
        payload = draw.choice([PING.encode(), draw.randbytes(size), bytes(size)])
        opcode = draw.choice([*Opcode, Opcode.TEXT, Opcode.BINARY])
        sent += frame(opcode, payload, fin=draw.random() < 0.7)
    damaged = bytearray(sent)
    for _ in range(draw.choice([0, 1, 1, 5])):
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    if draw.random() < 0.3:
        del damaged[draw.randrange(len(damaged)) :]
    return bytes(damaged) if draw.random() < 0.9 else draw.randbytes(500)


async def faults_of(server: ServerProcess) -> list[str]:
    """Return what the server's metrics say of sessions that it failed."""
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    async with ClientSession() as http, http.get(url) as response:
        lines = (await response.text()).splitlines()
    told = [line for line in lines if Code.INTERNAL_ERROR.wire in line]
    return [line for line in told if not line.endswith(" 0.0")]


async def is_well(server: ServerProcess) -> bool:
    """Whether a good session still gets what it should."""
    async with Socket.to(server, credential=token("good")) as socket:
        await socket.send(Points(seq=1, points=[[1.0]]))
        return isinstance(await socket.receive(), Ack)


@pytest.mark.parametrize("known", [False, True], ids=["a stranger", "a tenant"])
async def test_whatever_bytes_come_end_with_a_code_and_leave_nothing_behind(
    server: ServerProcess, known: bool
) -> None:
    assert await is_well(server)
    process = psutil.Process(server.process.pid)
    before = process.num_fds()
    draw = random.Random(SEED)

    async def attack(sent: bytes) -> int:
        async with Raw.to(server, known=known) as raw:
            raw.writer.write(sent)
            # Whatever the first bytes were, this is the end of it.
            raw.writer.write(frame(Opcode.CLOSE, b"\x03\xe8"))
            return await raw.end()

    codes = set()
    for _ in range(4):
        codes |= set(await asyncio.gather(*(attack(evil(draw)) for _ in range(50))))
    assert {1000, 1002, 1007} <= codes
    assert not await faults_of(server)
    async with asyncio.timeout(20):
        while process.num_fds() > before:
            await asyncio.sleep(0.01)
    assert await is_well(server)


async def test_those_who_dribble_before_and_after_hello_disturb_nobody(
    server: ServerProcess,
) -> None:
    async def dribble(known: bool) -> int:
        async with Raw.to(server, known=known) as raw:

            async def drip() -> None:
                sent = frame(Opcode.TEXT, PING.encode() * 40)
                for byte in sent:
                    raw.writer.write(bytes([byte]))
                    await asyncio.sleep(0.05)

            dripping = asyncio.create_task(drip())
            try:
                return await raw.end()
            finally:
                dripping.cancel()

    dribblers = asyncio.gather(*(dribble(n % 2 == 0) for n in range(40)))
    async with client_of(server, "calm") as client, client.stream() as session:
        sent = 0
        while not dribblers.done() or not sent:
            assert 1 == (await session.send([[1.0, 2.0]])).accepted
            sent += 1
            await asyncio.sleep(0.01)
    codes = await dribblers
    late = {Code.FRAME_TIMEOUT.close_code, Code.HELLO_TIMEOUT.close_code}
    assert {Code.FRAME_TIMEOUT.close_code} == set(codes[::2])
    assert set(codes[1::2]) <= late


@pytest.mark.parametrize("known", [False, True], ids=["a stranger", "a tenant"])
async def test_a_deflate_bomb_takes_no_room(server: ServerProcess, known: bool) -> None:
    pack = zlib.compressobj(9, wbits=-15)
    size = 128 * MB if known else 8 * MB
    bomb = b"".join(pack.compress(bytes(MB)) for _ in range(size // MB))
    bomb += pack.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert len(bomb) < (2 * MB if known else 16 * 1024)
    sent = bytearray(frame(Opcode.TEXT, bomb))
    sent[0] |= 0x40
    before = peak(server)
    for _ in range(3):
        async with Raw.to(server, known=known) as raw:
            raw.writer.write(sent)
            assert await raw.end() == 1009
    assert peak(server) - before < 32 * MB
    assert await is_well(server)


def peak(server: ServerProcess) -> int:
    """Return the most memory the server's process ever had, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@contextlib.asynccontextmanager
async def other_client(
    server: ServerProcess, compression: str | None
) -> AsyncIterator[ClientConnection]:
    """Connect with a client of another make, as it comes, and be welcomed."""
    async with connect(
        server.url.replace("http", "ws") + "/ws",
        additional_headers={"Authorization": f"Bearer {token()}"},
        compression=compression,
    ) as connection:
        await connection.send(PING)
        assert '"welcome"' in str(await connection.recv())
        assert '"pong"' in str(await connection.recv())
        yield connection


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_client_of_another_make_may_use_all_that_the_protocol_has(
    server: ServerProcess, compression: str | None
) -> None:
    async with other_client(server, compression) as connection, asyncio.timeout(20):
        agreed = connection.response and connection.response.headers
        assert agreed is not None
        packs = "permessage-deflate" in agreed.get("Sec-WebSocket-Extensions", "")
        assert packs is (compression is not None)
        for payload in (b"", b"\x00\xff", bytes(125)):
            await (await connection.ping(payload))  # answered with the same bytes
        await connection.pong(b"nobody asked")
        large = '{"type":"ping"' + " " * MB + "}"
        for message in (PING, large):
            await connection.send(message)
            assert '"pong"' in str(await connection.recv())

        async def pieces() -> AsyncIterator[str]:
            for at in range(0, len(large), 10_000):
                yield large[at : at + 10_000]
                await connection.ping()

        await connection.send(pieces())
        assert '"pong"' in str(await connection.recv())
        await connection.send([])  # no message at all
        await connection.send(["", PING, ""])
        assert '"pong"' in str(await connection.recv())
        await connection.send(b"binary")
        assert '"wrong_frame_type"' in str(await connection.recv())


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_a_client_of_another_make_gets_its_close_code_back(
    server: ServerProcess, code: int
) -> None:
    async with other_client(server, "deflate") as connection:
        await connection.close(code, "für heute")
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
