"""What a connection does when the server itself is at fault."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import generate_latest
from real_server import SECRET, token, wait_until

from ncs_protocol import Code
from ncs_streamer.app import running
from ncs_streamer.connection import Connection
from ncs_streamer.server import Phase
from ncs_streamer.settings import Settings, load_settings

pytestmark = pytest.mark.integration


def settings_in(folder: Path) -> Settings:
    """Return the settings of a server in this process."""
    flags = {
        "environment": "production", "secret_key": SECRET, "host": "127.0.0.1",
        "port": 0, "metrics_port": "off", "data_dir": folder,
    }  # fmt: skip
    return load_settings(flags, {}, folder=folder).settings


async def test_a_fault_of_the_server_ends_the_session_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Connection, "_received", fail)
    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        running(settings_in(tmp_path)) as (_, port),
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"http://127.0.0.1:{port}/ws") as ws,
    ):
        await ws.send_str('{"type":"ping"}')
        said = await ws.receive_json(timeout=10)
        assert Code.INTERNAL_ERROR.wire == said["code"]
        end = await ws.receive(timeout=10)
        assert aiohttp.WSMsgType.CLOSE is end.type
        assert Code.INTERNAL_ERROR.close_code == end.data


async def test_a_fault_while_ending_cuts_the_session_off_and_frees_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Connection, "_received", fail)
    monkeypatch.setattr(Connection, "end", fail)
    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        running(settings_in(tmp_path)) as (server, port),
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"http://127.0.0.1:{port}/ws") as ws,
    ):
        await ws.send_str('{"type":"ping"}')
        await ws.receive(timeout=10)
        await wait_until(lambda: not server.connections)


async def test_a_connection_that_cannot_be_drained_does_not_keep_the_rest_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Connection, "drain", fail)
    headers = {"Authorization": f"Bearer {token()}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with running(settings_in(tmp_path)) as (server, port):
            ws = await http.ws_connect(f"http://127.0.0.1:{port}/ws")
            await wait_until(lambda: bool(server.connections))
        assert all(task.done() for task in server._tasks)
        await ws.close()


async def test_nobody_is_let_in_when_the_drain_began_while_it_showed_its_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        running(settings_in(tmp_path)) as (server, port),
        aiohttp.ClientSession(headers=headers) as http,
    ):
        authenticate = server.authenticator.authenticate

        async def slowly(credential: Any, now: float) -> Any:
            principal = await authenticate(credential, now)
            server.phase = Phase.DRAINING
            return principal

        monkeypatch.setattr(server.authenticator, "authenticate", slowly)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"http://127.0.0.1:{port}/ws")
        assert 503 == refused.value.status
        assert not server.connections


async def test_headers_of_a_handshake_may_come_in_several_lines(
    tmp_path: Path,
) -> None:
    async with running(settings_in(tmp_path)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n"
            b"Connection: keep-alive\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Sec-WebSocket-Protocol: other\r\n"
            b"Sec-WebSocket-Protocol: ncs.v1+msgpack\r\n\r\n"
        )
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-WebSocket-Protocol: ncs.v1+msgpack\r\n" in head
        writer.close()
        await writer.wait_closed()


async def test_an_idle_connection_keeps_no_task_and_nothing_of_its_request(
    tmp_path: Path,
) -> None:
    def alive() -> int:
        gc.collect()
        kinds = (web.BaseRequest, web.StreamResponse, RequestHandler)
        return sum(isinstance(thing, kinds) for thing in gc.get_objects())

    def tasks() -> list[str]:
        doing = [str(task.get_coro()) for task in asyncio.all_tasks()]
        return [what for what in doing if "Connection" in what or "Request" in what]

    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        running(settings_in(tmp_path)) as (server, port),
        aiohttp.ClientSession(headers=headers) as http,
    ):
        url = f"http://127.0.0.1:{port}/ws"
        before = alive()
        opened = [await http.ws_connect(url) for _ in range(20)]
        for ws in opened:
            await ws.send_str('{"type":"subscribe","id":"s"}')
            for kind in ("welcome", "subscribed"):
                assert (await ws.receive_json(timeout=10))["type"] == kind
        await wait_until(lambda: not tasks())
        assert alive() == before
        assert len(server.connections) == 20
        for ws in opened:
            await ws.close()
        await wait_until(lambda: not server.connections)


async def test_what_comes_right_behind_the_handshake_is_read(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path)) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        message = b'{"type":"ping"}'
        frame = bytes([0x81, 0x80 | len(message)]) + bytes(4) + message
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Authorization: Bearer " + token().encode() + b"\r\n\r\n" + frame
        )
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b'"type":"pong"')
        writer.close()
        await writer.wait_closed()


async def test_an_answer_is_never_a_handshake_for_another_method(
    tmp_path: Path,
) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with (
        running(settings_in(tmp_path)) as (_, port),
        aiohttp.ClientSession(headers=headers) as http,
        http.head(f"http://127.0.0.1:{port}/ws") as response,
    ):
        assert response.status in (400, 405)


def handshake(*headers: bytes, version: bytes = b"1.1") -> bytes:
    """Return one that is good but for what it is given."""
    lines = (
        b"GET /ws HTTP/" + version,
        b"Host: test",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *headers,
    )
    return b"\r\n".join((*lines, b"", b""))


def masked(payload: bytes, *, fin: bool = True) -> bytes:
    """Return a frame of text, under a mask of zeros."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xff" + size.to_bytes(8, "big")
    return bytes([0x80 * fin | 0x01]) + length + bytes(4) + payload


@contextlib.asynccontextmanager
async def raw(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, to send what no client would."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            yield reader, writer
    finally:
        writer.transport.abort()


async def test_more_than_the_buffers_hold_may_come_behind_the_handshake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings = 2_000
    message = masked(b'{"type":"ping"' + b" " * 10_000 + b"}")
    async with running(settings_in(tmp_path)) as (server, port), raw(port) as ends:
        reader, writer = ends
        authenticate, all_sent = server.authenticator.authenticate, asyncio.Event()

        async def slowly(credential: Any, now: float) -> Any:
            await all_sent.wait()
            return await authenticate(credential, now)

        monkeypatch.setattr(server.authenticator, "authenticate", slowly)
        writer.write(handshake(b"Authorization: Bearer " + token().encode()))
        writer.write(message * pings)
        waiting = -1
        while waiting != (waiting := writer.transport.get_write_buffer_size()):
            await asyncio.sleep(0.1)  # until the server takes no more
        assert waiting  # it does not keep whatever a stranger sends
        all_sent.set()
        await reader.readuntil(b"\r\n\r\n")
        said = b""
        while said.count(b'"type":"pong"') < pings:
            said += await reader.read(65536)


async def test_the_old_http_has_no_websockets(tmp_path: Path) -> None:
    async with running(settings_in(tmp_path)) as (_, port), raw(port) as ends:
        reader, writer = ends
        writer.write(handshake(version=b"1.0"))
        assert b" 400 " in await reader.readline()
        assert b"MALFORMED_FRAME" in await reader.read()


async def test_before_hello_no_more_is_kept_than_a_hello_may_have(
    tmp_path: Path,
) -> None:
    async with running(settings_in(tmp_path)) as (_, port), raw(port) as ends:
        reader, writer = ends
        writer.write(handshake())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(bytes(16 * 1024 + 1))[:14])  # its header is enough
        assert (1009).to_bytes(2, "big") in await reader.read(1000)


async def test_once_it_is_open_a_session_takes_what_came_behind_its_hello(
    tmp_path: Path,
) -> None:
    hello = b'{"type":"hello","token":"' + token().encode() + b'"}'
    ping = b'{"type":"ping"' + b" " * 500_000 + b"}"
    async with running(settings_in(tmp_path)) as (_, port), raw(port) as ends:
        reader, writer = ends
        writer.write(handshake() + masked(hello) + masked(ping))
        await reader.readuntil(b'"type":"pong"')


async def test_a_fault_while_letting_go_frees_the_place_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a fault")

    settings = dataclasses.replace(settings_in(tmp_path), max_connections_per_address=1)
    async with running(settings) as (server, port):
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with monkeypatch.context() as patch:
            patch.setattr(Connection, "_let_go", fail)
            async with raw(port) as (reader, writer):
                writer.write(handshake())
                await reader.readuntil(b"\r\n\r\n")
            await wait_until(lambda: not server.connections)
        async with raw(port) as (reader, writer):
            writer.write(handshake())
            assert b" 101 " in await reader.readline()


async def test_what_comes_behind_the_end_is_not_taken_for_its_reason(
    tmp_path: Path,
) -> None:
    async with running(settings_in(tmp_path)) as (server, port), raw(port) as ends:
        reader, writer = ends
        writer.write(handshake() + masked(b'{"type":"hello"}') + b"\xff" * 20)
        await reader.readuntil(b"credentials_missing")
        writer.transport.abort()
        await wait_until(lambda: not server.connections)
        scraped = generate_latest(server.metrics.registry).decode()
        assert 'ncs_closes_total{reason="credentials_missing"} 1.0' in scraped
