"""What a connection does when the server itself is at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from real_server import SECRET, token

from ncs_protocol import Code
from ncs_streamer.app import running
from ncs_streamer.connection import Connection
from ncs_streamer.settings import load_settings

pytestmark = pytest.mark.integration


async def test_a_fault_of_the_server_ends_the_session_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a fault")

    flags = {
        "environment": "production", "secret_key": SECRET, "host": "127.0.0.1",
        "port": 0, "metrics_port": "off", "data_dir": tmp_path,
    }  # fmt: skip
    settings = load_settings(flags, {}, folder=tmp_path).settings
    monkeypatch.setattr(Connection, "_received", fail)
    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        running(settings) as (_, port),
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"http://127.0.0.1:{port}/ws") as ws,
    ):
        await ws.send_str('{"type":"ping"}')
        said = await ws.receive_json(timeout=10)
        assert Code.INTERNAL_ERROR.wire == said["code"]
        end = await ws.receive(timeout=10)
        assert aiohttp.WSMsgType.CLOSE is end.type
        assert Code.INTERNAL_ERROR.close_code == end.data
