"""Sockets that are held for nothing, and too many of them: real slow ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from real_server import Socket, server_on, token
from websockets.exceptions import InvalidStatus

from ncs_protocol import Code
from ncs_protocol.messages import Error, Hello, Ping, Pong, Welcome
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.security]

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
HEALTH = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
PIECE_S = 0.05  # between two bytes of a client that dribbles


class Raw:
    """A TCP connection that sends what it likes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, server: ServerProcess) -> AsyncIterator[Raw]:
        """Connect."""
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, request: bytes) -> bytes:
        """Send all of a request and return the head of the response."""
        self.writer.write(request)
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """Return what comes until the server closes."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def dribble(self, data: bytes) -> bytes:
        """Send byte by byte until the server has had enough; return what it said."""
        said = b""
        for i in range(len(data)):
            with contextlib.suppress(ConnectionError):
                self.writer.write(data[i : i + 1])
                await self.writer.drain()
            try:
                piece = await asyncio.wait_for(self.reader.read(65536), PIECE_S)
            except TimeoutError:
                continue
            except ConnectionError:
                return said
            if not piece:
                return said
            said += piece
        raise AssertionError("the server took it all")


@contextlib.asynccontextmanager
async def server_with(folder: Path, **limits: object) -> AsyncIterator[ServerProcess]:
    """Run a server with limits that a test can reach."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in limits.items()]
    async with server_on(folder, "--metrics-port=0", *flags) as server:
        yield server


async def refused(server: ServerProcess, code: Code) -> float:
    """Return how many sockets the server says it turned away for a reason."""
    return await metric(server, f'ncs_sockets_refused_total{{reason="{code.wire}"}}')


async def metric(server: ServerProcess, series: str) -> float:
    """Return the value of a series."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.metrics_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(10):
        text = (await reader.read()).decode()
    writer.close()
    line = next(line for line in text.splitlines() if line.startswith(series))
    return float(line.rpartition(" ")[2])


def frame(payload: bytes) -> bytes:
    """Return a masked text frame, with a mask of zeros."""
    assert len(payload) < 126
    return bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload


async def test_a_header_that_comes_byte_by_byte_is_given_up(tmp_path: Path) -> None:
    async with server_with(tmp_path, header_timeout_s=0.5) as server:
        async with Raw.to(server) as raw:
            said = await raw.dribble(HANDSHAKE + b"X-Filler: " + b"x" * 500)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b'"error_code":"HEADER_TIMEOUT"' in said
        assert await refused(server, Code.HEADER_TIMEOUT) == 1


async def test_a_socket_that_says_nothing_is_closed(tmp_path: Path) -> None:
    async with server_with(tmp_path, header_timeout_s=0.5) as server:
        async with Raw.to(server) as raw:
            assert (await raw.rest()).startswith(b"HTTP/1.1 408 ")
        assert await refused(server, Code.HEADER_TIMEOUT) == 1


async def test_a_second_header_on_a_connection_has_its_time_too(
    tmp_path: Path,
) -> None:
    async with server_with(tmp_path, header_timeout_s=0.5) as server:
        async with Raw.to(server) as raw:
            assert b" 200 " in await raw.answer(HEALTH)
            said = await raw.dribble(HEALTH[:-2] + b"X-Filler: " + b"x" * 500)
        assert b"HEADER_TIMEOUT" in said


async def test_a_connection_without_a_next_request_is_closed_in_the_end(
    tmp_path: Path,
) -> None:
    limits = {"idle_timeout_s": 1.0, "header_timeout_s": 30}
    async with server_with(tmp_path, **limits) as server, Raw.to(server) as raw:
        for _ in range(3):
            assert b" 200 " in await raw.answer(HEALTH)
        assert b"408" not in await raw.rest()


async def test_a_frame_that_comes_byte_by_byte_ends_the_session(
    tmp_path: Path,
) -> None:
    async with server_with(tmp_path, frame_timeout_s=0.5) as server:
        key = b"X-API-Key: " + token().encode() + b"\r\n\r\n"
        async with Raw.to(server) as raw:
            assert b" 101 " in await raw.answer(HANDSHAKE + key)
            said = await raw.dribble(frame(b'{"type":"ping","id":"' + b"x" * 100))
        assert b'"code":"frame_timeout"' in said
        assert Code.FRAME_TIMEOUT.close_code is not None
        assert Code.FRAME_TIMEOUT.close_code.to_bytes(2, "big") in said
        assert await refused(server, Code.FRAME_TIMEOUT) == 1


async def test_fragments_and_pings_do_not_keep_a_message_alive(tmp_path: Path) -> None:
    ping, fragment = bytes([0x89, 0x80]) + bytes(4), bytes([0x00, 0x81]) + bytes(4)
    async with server_with(tmp_path, frame_timeout_s=0.5) as server:
        key = b"X-API-Key: " + token().encode() + b"\r\n\r\n"
        async with Raw.to(server) as raw:
            await raw.answer(HANDSHAKE + key)
            raw.writer.write(bytes([0x01, 0x81]) + bytes(4) + b"x")
            said = await raw.dribble((ping + fragment + b"x") * 100)
        assert b'"code":"frame_timeout"' in said


async def test_an_upload_that_trickles_is_given_up(tmp_path: Path) -> None:
    request = (
        b"POST /api/v1/process_points HTTP/1.1\r\nHost: test\r\n"
        b"Content-Type: application/json\r\nContent-Length: 500\r\n"
        b"X-API-Key: " + token().encode() + b"\r\n\r\n"
    )
    async with server_with(tmp_path, body_timeout_s=0.5) as server:
        async with Raw.to(server) as raw:
            raw.writer.write(request)
            said = await raw.dribble(b" " * 400)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"BODY_TIMEOUT" in said
        assert await metric(server, 'ncs_errors_total{code="body_timeout"}') == 1


@contextlib.asynccontextmanager
async def asking_for_more(server: ServerProcess) -> AsyncIterator[socket.socket]:
    """Ask for one long answer after the other, from a socket that takes little."""
    host, port = server.url.removeprefix("http://").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(sock, (host, int(port)))
        request = b"GET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n"
        await loop.sock_sendall(sock, request * 30)
        yield sock
    finally:
        sock.close()


async def test_a_response_that_nobody_reads_is_given_up(tmp_path: Path) -> None:
    async with server_with(tmp_path, response_timeout_s=0.5) as server:
        process = psutil.Process(server.process.pid)
        before = process.num_fds()
        async with asking_for_more(server), asyncio.timeout(20):
            while await refused(server, Code.RESPONSE_TIMEOUT) != 1:
                await asyncio.sleep(0.05)
            while process.num_fds() > before:
                await asyncio.sleep(0.01)


async def test_a_response_that_is_read_slowly_comes_whole(tmp_path: Path) -> None:
    async with server_with(tmp_path, response_timeout_s=0.5) as server:
        async with asking_for_more(server) as sock:
            loop, said, turns = asyncio.get_running_loop(), b"", 0
            while said.count(b"HTTP/1.1 200") < 30:
                said += await loop.sock_recv(sock, 65536)
                turns += 1
                await asyncio.sleep(0.002)  # it is taken a piece at a time
            assert turns > 30
        assert await refused(server, Code.RESPONSE_TIMEOUT) == 0


async def test_who_only_answers_pings_is_left_alone(tmp_path: Path) -> None:
    limits = {"frame_timeout_s": 0.5, "header_timeout_s": 1.0, "idle_timeout_s": 0.5}
    async with server_with(tmp_path, heartbeat_s=1.0, **limits) as server:
        async with Socket.to(server, credential=token()) as quiet:
            # Each of these is closed for being slow while the quiet one lives on.
            for _ in range(3):
                async with Raw.to(server) as raw:
                    await raw.rest()
            await quiet.send(Ping(id="still here"))
            assert isinstance(await quiet.receive(), Pong)


async def test_the_oldest_stranger_goes_and_who_has_a_credential_gets_in(
    tmp_path: Path,
) -> None:
    limits = {"max_unauthenticated": 3, "header_timeout_s": 60, "hello_timeout_s": 60}
    async with server_with(tmp_path, **limits) as server:
        async with contextlib.AsyncExitStack() as stack:
            silent = await stack.enter_async_context(Raw.to(server))
            no_hello = await stack.enter_async_context(Socket.to(server))
            for _ in range(3):
                await stack.enter_async_context(Raw.to(server))
            assert b"TOO_MANY_UNAUTHENTICATED" in await silent.rest()
            error = await no_hello.receive()
            assert isinstance(error, Error)
            assert error.code == Code.TOO_MANY_UNAUTHENTICATED.wire
            code, _ = await no_hello.closed()
            assert code == Code.TOO_MANY_UNAUTHENTICATED.close_code
            async with Raw.to(server) as request:
                assert b" 200 " in await request.answer(HEALTH)
            known = await stack.enter_async_context(Socket.to(server))
            await known.send(Hello(token=token()))
            assert isinstance(await known.receive(), Welcome)
        assert await refused(server, Code.TOO_MANY_UNAUTHENTICATED) >= 2


async def test_an_address_holds_no_more_connections_than_it_may(
    tmp_path: Path,
) -> None:
    async with server_with(tmp_path, max_connections_per_address=2) as server:
        async with Socket.to(server, credential=token("one")):
            async with Socket.to(server, credential=token("two")):
                with pytest.raises(InvalidStatus) as status:
                    async with Socket.to(server):
                        pass
                assert status.value.response.status_code == 429
                body = json.loads(status.value.response.body or b"")
                assert body["error_code"] == "TOO_MANY_CONNECTIONS"
                assert "this address has 2 connections" in body["detail"]
                async with Raw.to(server) as request:  # only WebSockets count
                    assert b" 200 " in await request.answer(HEALTH)
            async with Socket.to(server, credential=token("two")):
                pass
        assert await refused(server, Code.TOO_MANY_CONNECTIONS) == 1


async def test_a_tenant_holds_no_more_connections_than_it_may(tmp_path: Path) -> None:
    async with server_with(tmp_path, max_connections_per_tenant=1) as server:
        async with Socket.to(server, credential=token("acme")):
            async with Socket.to(server) as late:
                await late.send(Hello(token=token("acme")))
                error = await late.receive()
                assert isinstance(error, Error)
                assert error.code == Code.TOO_MANY_CONNECTIONS.wire
                code, reason = await late.closed()
                assert code == Code.TOO_MANY_CONNECTIONS.close_code
                assert reason == "this tenant has 1 connections, the limit is 1"
            async with Raw.to(server) as early:
                key = b"X-API-Key: " + token("acme").encode() + b"\r\n\r\n"
                assert b" 429 " in await early.answer(HANDSHAKE + key)
            async with Socket.to(server, credential=token("other")):
                pass
        async with Socket.to(server, credential=token("acme")):
            pass
        assert await refused(server, Code.TOO_MANY_CONNECTIONS) == 2


async def test_an_address_shakes_hands_no_faster_than_it_may(tmp_path: Path) -> None:
    async with server_with(tmp_path, handshakes_per_minute=3) as server:
        for _ in range(3):
            async with Socket.to(server, credential=token()):
                pass
        with pytest.raises(InvalidStatus) as status:
            async with Socket.to(server):
                pass
        assert status.value.response.status_code == 429
        body = json.loads(status.value.response.body or b"")
        assert body["error_code"] == "RATE_LIMITED"
        assert int(status.value.response.headers["Retry-After"]) >= 1
        limited = 'ncs_rate_limited_total{tier="handshake"}'
        assert await metric(server, limited) == 1


async def test_a_full_server_says_so_and_is_there_again_when_some_have_gone(
    tmp_path: Path,
) -> None:
    async with server_with(tmp_path, max_sockets=2, idle_timeout_s=60) as server:
        async with Socket.to(server, credential=token()):
            async with Socket.to(server, credential=token()):
                async with Raw.to(server) as raw:
                    said = await raw.rest()
                assert said.startswith(b"HTTP/1.1 503 ")
                assert b'"error_code":"SERVER_FULL"' in said
        answer = b""
        async with asyncio.timeout(10):
            while b" 200 " not in answer:
                async with Raw.to(server) as request:
                    answer = await request.answer(HEALTH)


async def test_the_server_raises_its_limit_of_open_files(tmp_path: Path) -> None:
    async with server_with(tmp_path) as server:
        soft, hard = psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard


async def test_no_socket_is_left_over(tmp_path: Path) -> None:
    async with server_with(tmp_path, header_timeout_s=0.3) as server:
        process = psutil.Process(server.process.pid)
        before = process.num_fds()
        async with contextlib.AsyncExitStack() as stack:
            many = [await stack.enter_async_context(Raw.to(server)) for _ in range(10)]
            for raw in many:
                raw.writer.write(b"GET / HT")
            for raw in many:
                with contextlib.suppress(ConnectionError):  # closed before it wrote
                    await raw.rest()
        async with asyncio.timeout(10):
            while process.num_fds() > before:
                await asyncio.sleep(0.01)
