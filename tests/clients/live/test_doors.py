"""How clients get in: tokens that are asked for, and TLS with an authority."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from real_server import points_in
from tls_line import TlsLine

from ncs_client import AsyncNCSClient, GatewayClient, NCSClient, UnreachableError
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]


class Source:
    """Gives a key, and counts how often it was asked."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.asked = 0

    def plain(self) -> str:
        self.asked += 1
        return self.key

    async def awaited(self) -> str:
        await asyncio.sleep(0)
        return self.plain()


async def test_a_token_may_be_asked_for_every_time(
    server: ServerProcess, key: str
) -> None:
    source = Source(key)
    with NCSClient(server.url, token=source.plain) as client:
        client.get_clusters()
        client.get_clusters()
        async with await client.start_streaming() as stream:
            await stream.send_point([1.0])
    assert 3 == source.asked


async def test_a_token_may_be_awaited_every_time(
    server: ServerProcess, key: str
) -> None:
    source = Source(key)
    async with AsyncNCSClient(server.url, token=source.awaited) as client:
        await client.get_clusters()
        await client.get_clusters()
        async with client.stream() as session:
            await session.send([[1.0]])
    assert 3 == source.asked


async def test_a_request_that_cannot_wait_for_a_token_says_so(
    server: ServerProcess, key: str
) -> None:
    with NCSClient(server.url, token=Source(key).awaited) as client:
        with pytest.raises(TypeError, match="cannot wait for a `token`"):
            client.get_clusters()
        async with await client.start_streaming() as stream:
            assert 1 == (await stream.send_point([1.0])).accepted


async def test_tls_is_spoken_to_whom_the_context_trusts(
    server: ServerProcess, key: str, tmp_path: Path
) -> None:
    async with TlsLine(server.url, tmp_path) as line:
        with NCSClient(line.url, key, ssl=line.trusting) as client:
            await asyncio.to_thread(client.process_points, [[1.0]], stream="tls")
        async with AsyncNCSClient(line.url, key, ssl=line.trusting) as client:
            await client.process_points([[1.0]], stream="tls")
            async with client.stream() as session:
                await session.send([[1.0]], stream="tls")
        gateway = GatewayClient(
            line.url,
            api_key=key,
            producer="tls",
            spool_dir=tmp_path / "spool",
            stream="tls",
            ssl=line.trusting,
        )
        async with gateway:
            await gateway.push([[1.0]])
            await gateway.flush()
    assert 4 == await points_in(server, "tls")


async def test_tls_is_not_spoken_to_whom_nobody_knows(
    server: ServerProcess, key: str, tmp_path: Path
) -> None:
    async with TlsLine(server.url, tmp_path) as line:
        with NCSClient(line.url, key, max_retries=0) as client:
            with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
                await asyncio.to_thread(client.health_check)
        async with AsyncNCSClient(line.url, key, max_retries=0) as client:
            with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.health_check()
