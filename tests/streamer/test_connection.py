"""What a connection does when the server itself is at fault."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
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
