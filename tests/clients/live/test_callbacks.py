"""Sessions that call back, on real servers that are killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from real_server import (
    free_port,
    points_in,
    server_on,
    token,
    wait_until,
)

from ncs_client import (
    AsyncNCSClient,
    NCSClient,
    NcsClientError,
    RefusedError,
    ValidationError,
)
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


async def test_callbacks_may_be_plain_or_asynchronous_and_come_in_order(
    server: ServerProcess, key: str
) -> None:
    told: list[Any] = []

    async def on_message(message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        told.append(message["type"])
        if message["type"] == "cluster_update":
            raise LookupError("of mine")

    async def on_close() -> None:
        told.append("closed")

    client = NCSClient(server.url, key)
    async with await client.start_streaming(
        on_message=on_message, on_error=told.append, on_close=on_close, stream="calls"
    ) as stream:
        ack = await stream.send_batch([[1.0, 2.0], [1.0, 2.1]], results="full")
        assert ack.results is not None
        assert [0, 0] == ack.results.cluster_ids
        with pytest.raises(ValidationError):
            await stream.send_point([1.0])
        assert 1 == (await stream.send_point([1.0, 2.0])).accepted
        await wait_until(lambda: any(isinstance(t, LookupError) for t in told))
    assert "snapshot" == told[0]
    assert "closed" == told[-1]
    first = next(i for i, t in enumerate(told) if isinstance(t, LookupError))
    assert "cluster_update" == told[first - 1]


async def test_a_callback_may_stop_the_stream(server: ServerProcess, key: str) -> None:
    closed = asyncio.Event()

    async def on_message(message: dict[str, Any]) -> None:
        await stream.stop()

    stream = await NCSClient(server.url, key).start_streaming(
        {"onMessage": on_message, "onClose": closed.set}
    )
    async with asyncio.timeout(10):
        await closed.wait()
    with pytest.raises(NcsClientError):
        await stream.send_point([1.0])


async def test_a_session_that_ends_is_told_and_closed(
    server: ServerProcess, key: str
) -> None:
    told: list[Any] = []
    async with AsyncNCSClient(server.url, key) as admin:
        made = await admin.create_key("for a moment", ["read", "write"])
        stream = await NCSClient(server.url, made.api_key).start_streaming(
            {
                "onMessage": lambda message: None,
                "onError": told.append,
                "onClose": lambda: told.append("closed"),
                "connectionId": "main-processor",
            }
        )
        await admin.revoke_key(made.key_id)
        await wait_until(lambda: "closed" in told)
    error, last = told
    assert isinstance(error, NcsClientError)
    assert "revoked" in str(error)
    assert "closed" == last
    await stream.stop()


async def test_streaming_goes_on_over_kill_9_and_every_point_counts_once(
    tmp_path: Path,
) -> None:
    server = server_on(tmp_path, port=free_port())
    await server.start()
    attempts: list[int] = []
    sizes: dict[int, int] = {}

    def on_message(message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            sizes.clear()
            for cluster in message["data"]["clusters"]:
                sizes[cluster["cluster_id"]] = cluster["size"]
        elif message["type"] == "cluster_update":
            sizes[message["data"]["cluster_id"]] = message["data"]["size"]

    stream = await NCSClient(server.url, token()).start_streaming(
        {"onMessage": on_message, "onReconnect": attempts.append}
    )
    sends = [
        asyncio.create_task(stream.send_batch([[1.0, 1.0]] * 3)) for _ in range(50)
    ]
    await sends[0]
    await server.kill()
    sends += [asyncio.create_task(stream.send_point([1.0, 1.0])) for _ in range(50)]
    await server.start()
    await asyncio.gather(*sends)
    assert attempts
    await wait_until(lambda: {0: 200} == sizes)
    await stream.stop()
    assert 200 == await points_in(server)
    await server.stop()


async def test_stopping_gives_up_on_a_server_that_does_not_come_back(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server:
        stream = await NCSClient(server.url, token()).start_streaming()
        await server.kill()
        send = asyncio.create_task(stream.send_point([1.0]))
        await asyncio.sleep(0)
        began = time.monotonic()
        await stream.stop(timeout=0.2)
        assert time.monotonic() - began >= 0.2
        with pytest.raises(NcsClientError):
            await send


async def test_a_key_that_may_not_read_ends_the_messages_not_the_session(
    server: ServerProcess, key: str
) -> None:
    errors: list[Exception] = []
    async with AsyncNCSClient(server.url, key) as admin:
        made = await admin.create_key("writes", ["write"])
    async with await NCSClient(server.url, made.api_key).start_streaming(
        {"onMessage": lambda message: None, "onError": errors.append, "stream": "w"}
    ) as stream:
        await wait_until(lambda: errors)
        assert 1 == (await stream.send_point([1.0])).accepted
    assert isinstance(errors[0], RefusedError)
    assert "permission_denied" == errors[0].code


async def test_an_option_that_there_is_not_is_refused(
    server: ServerProcess, key: str
) -> None:
    with pytest.raises(TypeError, match="no option 'onMesage'"):
        await NCSClient(server.url, key).start_streaming({"onMesage": print})
