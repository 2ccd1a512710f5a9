"""Presence over real sockets: gateways, dashboards, REST, tenants."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import msgspec
import pytest
from real_server import Socket, client_of, server_on, token, wait_until

from ncs_client import AsyncNCSClient, GatewayClient, SpoolOptions
from ncs_protocol.messages import (
    Error,
    GatewayReport,
    Hello,
    Points,
    Presence,
    PresenceEvent,
    Subscribe,
)
from ncs_streamer.processes import ServerProcess

pytestmark = pytest.mark.integration


async def shown(server: ServerProcess, tenant: str, stream: str) -> Presence:
    """Return what REST shows of a stream."""
    headers = {"X-API-Key": token(tenant)}
    url = f"{server.url}/api/v1/presence?stream={stream}"
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as reply:
        assert reply.status == 200
        return msgspec.json.decode(await reply.read(), type=Presence)


async def next_presence(socket: Socket) -> Presence:
    """Return the next `presence` event."""
    while True:
        message = await socket.receive()
        if isinstance(message, PresenceEvent):
            assert message.delivery == "latest"
            return message.data


async def test_a_gateway_is_seen_with_what_it_says_of_itself(tmp_path: Path) -> None:
    flags = ("--report-interval-s=0.2", "--status-interval-s=0.1")
    async with server_on(tmp_path / "data", *flags) as server:
        async with Socket.to(server, credential=token()) as dashboard:
            await dashboard.send(Subscribe(id="d", stream="plant", events=["presence"]))
            gateway = GatewayClient(
                server.url,
                producer="press-1",
                spool_dir=tmp_path / "spool",
                token=token(),
                stream="plant",
                spool=SpoolOptions(fsync_interval_s=0.1),
            )
            async with gateway:
                await wait_until(lambda: gateway.stats().is_connected)
                await gateway.push([[1.0, 2.0]] * 5)
                await gateway.flush(10)
                async with asyncio.timeout(20):
                    while True:
                        told = await next_presence(dashboard)
                        rows = {g.producer: g for g in told.gateways}
                        row = rows.get("press-1")
                        if row is not None and row.last_seq and row.report is not None:
                            if row.report.clock_offset_s is not None:
                                break
                assert told.subscribers == 1
                assert row.is_connected and not row.is_flapping
                assert row.points_per_second > 0
                assert row.lag_ms is not None and 0 <= row.lag_ms < 10_000
                assert abs(row.report.clock_offset_s) < 1
                assert row.report.spool_batches == 0
            async with asyncio.timeout(20):
                while rows["press-1"].is_connected:
                    told = await next_presence(dashboard)
                    rows = {g.producer: g for g in told.gateways}
            assert told.producers == 0
        by_rest = await shown(server, "acme", "plant")
        assert "press-1" in {g.producer for g in by_rest.gateways}


async def test_another_tenant_sees_nothing_of_it(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        async with Socket.to(server, credential=token("acme"), producer="press-1"):
            assert (await shown(server, "acme", "default")).producers == 1
            assert await shown(server, "other", "default") == Presence(
                subscribers=0, producers=0, gateways=[]
            )


async def test_who_has_not_asked_for_presence_is_not_told(tmp_path: Path) -> None:
    async with server_on(tmp_path, "--status-interval-s=0.1") as server:
        async with (
            Socket.to(server, credential=token()) as asks,
            Socket.to(server, credential=token()) as asks_not,
        ):
            await asks_not.send(Subscribe(id="a"))
            await asks.send(Subscribe(id="b", events=["presence"]))
            assert (await next_presence(asks)).subscribers == 2
            async with client_of(server) as client, client.stream() as session:
                await session.send([[1.0, 2.0]])
            seen = 0
            while seen < 3:  # of a stream that tells its status
                message = await asks_not.receive()
                assert not isinstance(message, PresenceEvent)
                seen += 1


async def test_two_programs_under_one_name_flap(tmp_path: Path) -> None:
    flags = ("--flapping-connects=4", "--metrics-port=0")
    async with server_on(tmp_path, *flags) as server:
        for _ in range(4):
            async with Socket.to(server, credential=token(), producer="press-1"):
                pass
        (row,) = (await shown(server, "acme", "default")).gateways
        assert row.is_flapping
        assert row.connects == 4
        assert any(b'"producer_flaps"' in line for line in server.lines)


async def test_a_report_needs_the_scope_to_write(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        reader = token("acme", "read")
        async with Socket.to(server, credential=reader, producer="press-1") as socket:
            await socket.send(GatewayReport(spool_batches=1))
            error = await socket.receive()
            assert isinstance(error, Error)
            assert error.code == "permission_denied"


async def test_a_producer_that_is_replaced_is_still_there(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        async with Socket.to(server, credential=token(), producer="press-1") as older:
            async with Socket.to(server) as newer:
                hello = Hello(token=token(), producer="press-1", connection_id="new")
                await newer.send(hello)
                await newer.receive()
                await older.closed()
                await newer.send(Points(seq=1, points=[[1.0, 2.0]]))
                await newer.receive()
                (row,) = (await shown(server, "acme", "default")).gateways
                assert row.is_connected
                assert (row.connection_id, row.last_seq) == ("new", 1)


async def test_the_client_may_ask_for_presence(tmp_path: Path) -> None:
    async with server_on(tmp_path, "--status-interval-s=0.1") as server:
        async with AsyncNCSClient(server.url, token()) as client:
            async with client.stream() as session:
                async with asyncio.timeout(20):
                    async for message in await session.subscribe(
                        "default", ["presence"]
                    ):
                        if isinstance(message, PresenceEvent):
                            break
                assert message.data.subscribers == 1


async def test_after_a_kill_it_is_known_how_far_each_gateway_was(
    tmp_path: Path,
) -> None:
    server = server_on(tmp_path)
    async with server:
        async with Socket.to(server, credential=token(), producer="press-1") as gateway:
            for seq in (1, 2, 3):
                await gateway.send(Points(seq=seq, stream="plant", points=[[1.0, 2.0]]))
                await gateway.receive()
        await server.kill()
        await server.start()
        (row,) = (await shown(server, "acme", "plant")).gateways
        assert (row.producer, row.last_seq, row.is_recalled) == ("press-1", 3, True)
        async with Socket.to(server, credential=token(), producer="press-1") as gateway:
            await gateway.send(Points(seq=4, stream="plant", points=[[1.0, 2.0]]))
            await gateway.receive()
            (row,) = (await shown(server, "acme", "plant")).gateways
            assert (row.last_seq, row.is_recalled) == (4, False)
