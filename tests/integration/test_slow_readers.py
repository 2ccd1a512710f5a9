"""Readers that do not keep up with a real server are told, and lose nothing unheard."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from pytest import mark, param
from real_server import Socket, client_of, server_on, token
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from ncs_client import CaughtUp, ClusterView, Lagging
from ncs_protocol import JSON, MSGPACK, Codec
from ncs_protocol.messages import (
    ClusterUpdateEvent,
    Credit,
    Event,
    Skip,
    Subscribe,
    Subscribed,
)
from ncs_streamer.bench.light_reader import Chunks, LightReader, State
from ncs_streamer.processes import ServerProcess

pytestmark = mark.integration

NEAR = [[0.01 * (i % 7), float(i % 3)] for i in range(20)]


@mark.parametrize("codec", [param(JSON, id="json"), param(MSGPACK, id="msgpack")])
async def test_a_reader_without_credit_goes_on_from_a_snapshot(
    codec: Codec, tmp_path: Path
) -> None:
    flags = ("--lagging-s", "0.1", "--skipping-s", "0.3", "--status-interval-s", "60")
    async with server_on(tmp_path, *flags) as server, client_of(server) as client:
        async with (
            client.stream() as session,
            Socket.to(server, credential=token(), codec=codec) as slow,
        ):
            await session.send(NEAR, stream="s")
            view, told = ClusterView(), dict[str, int]()
            await slow.send(Credit(bytes=1))
            await slow.send(Subscribe(id="a", stream="s"))
            seen = []
            while not seen or not isinstance(seen[-1], CaughtUp):
                message = await slow.receive()
                seen.append(message)
                if isinstance(message, Subscribed):
                    told = dict(message.offsets)
                elif isinstance(message, Event | Skip):
                    first = getattr(message, "first", getattr(message, "from_", 0))
                    assert first == told[message.delivery] + 1
                    told[message.delivery] = (
                        getattr(message, "last", None) or message.to
                    )
                if isinstance(message, Subscribed | Event):
                    view.apply(message)
                if len(seen) == 1:  # its credit is used up: something has to happen now
                    for far in (50.0, 90.0):
                        await session.send([[far, far]] * 8, stream="s")
                    await session.send(NEAR, stream="s")
                if isinstance(message, Lagging) and message.level == "skipping":
                    await slow.send(Credit(bytes=2**20))
            kinds = [type(message) for message in seen]
            assert kinds.count(Subscribed) == 2
            assert kinds[1] is Lagging
            created = [
                m for m in seen if isinstance(m, ClusterUpdateEvent) and m.offset
            ]
            assert created, "lossless events are not left out"
            clusters = {c.cluster_id: c.size for c in await client.get_clusters("s")}
            assert {id: c.size for id, c in view.clusters.items()} == clusters


async def test_a_program_that_reads_slowly_gets_less_and_its_copy_is_right(
    tmp_path: Path,
) -> None:
    flags = ("--lagging-s", "0.1", "--skipping-s", "0.3")
    async with server_on(tmp_path, *flags) as server, client_of(server) as client:
        async with (
            client.stream() as sender,
            client.stream(event_credit=2000) as session,
        ):
            subscription = await session.subscribe("s", ["cluster_update"])
            for _ in range(40):
                await sender.send(NEAR, stream="s")
                await asyncio.sleep(0.02)
            view, kinds = ClusterView(), set[type]()
            async for message in subscription:
                view.apply(message)
                kinds.add(type(message))
                if isinstance(message, CaughtUp):
                    break
            assert Lagging in kinds
            clusters = {c.cluster_id: c.size for c in await client.get_clusters("s")}
            assert {id: c.size for id, c in view.clusters.items()} == clusters
            assert subscription.gaps == 0


async def test_updates_come_as_often_as_was_asked_for(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with client.stream() as session:
            seldom = await session.subscribe("s", ["cluster_update"], max_hz=2.0)
            stop = asyncio.Event()

            async def push() -> None:
                while not stop.is_set():
                    await session.send(NEAR, stream="s")

            pushing = asyncio.create_task(push())
            loop, times = asyncio.get_running_loop(), set[float]()
            async for message in seldom:
                if (
                    isinstance(message, ClusterUpdateEvent)
                    and message.delivery == "keyed"
                ):
                    times.add(round(loop.time(), 1))
                if len(times) == 3:
                    break
            stop.set()
            await pushing
            assert max(times) - min(times) >= 0.8


async def test_snapshots_are_compressed_for_who_asks_if_the_server_may(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path, "--compress-snapshots", "true") as server:
        async with client_of(server) as client:
            wide = [[float(i == j) for j in range(200)] for i in range(20)]
            await client.process_points(wide, stream="wide")
            async with connect(
                server.url.replace("http", "ws") + "/ws",
                subprotocols=[Subprotocol(JSON.subprotocol)],
                additional_headers={"Authorization": f"Bearer {token()}"},
            ) as connection:
                assert connection.protocol.extensions
                reader = Socket(connection, JSON)
                await reader.send(Subscribe(id="a", stream="wide"))
                await reader.receive()  # welcome
                begun = await reader.receive()
                assert isinstance(begun, Subscribed)
                assert begun.snapshot is not None
                assert begun.snapshot.dimension == 200
                await client.process_points(wide, stream="wide")
                assert isinstance(await reader.receive(), Event)


async def test_a_slow_reader_shows_in_the_metrics(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with Socket.to(server, credential=token()) as slow:
            await slow.send(Credit(bytes=1))
            await slow.send(Subscribe(id="a", stream="s"))
            await slow.receive()
            await client.process_points(NEAR, stream="s")

            async def waiting() -> float:
                text = await metrics_of(server.url)
                return float(text.partition("\nncs_slow_readers ")[2].split()[0])

            async with asyncio.timeout(20):
                while await waiting() != 1.0:
                    await asyncio.sleep(0.1)
            await slow.send(Credit(bytes=2**20))
            async with asyncio.timeout(20):
                while await waiting() != 0.0:
                    await asyncio.sleep(0.1)


async def metrics_of(url: str) -> str:
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {token()}"}
        async with http.get(f"{url}/metrics", headers=headers) as response:
            return await response.text()


async def test_a_reader_that_takes_nothing_is_judged_by_its_patience_and_no_ping(
    tmp_path: Path,
) -> None:
    """Heartbeats come and go meanwhile; who reads is told everything in time."""
    flags = ("--heartbeat-s", "0.5", "--hopeless-s", "4", "--lagging-s", "0.5")
    wide = [[float(i == j) for j in range(500)] for i in range(20)]
    async with server_on(tmp_path, *flags) as server, client_of(server) as client:
        async with client.stream() as session, reading_nothing(server) as stuck:
            good = await session.subscribe("wide", ["cluster_update"])
            began, ended = asyncio.get_running_loop().time(), b""
            while not ended:
                await session.send(wide, stream="wide")
                said = b"".join(server.lines).splitlines()
                ended = next((line for line in said if b"session_closed" in line), b"")
            lasted = asyncio.get_running_loop().time() - began
            stuck.close()
            assert b'"slow_consumer"' in ended
            assert lasted > 4.0, "several heartbeats without a pong"
            assert good.gaps == 0


@contextlib.asynccontextmanager
async def reading_nothing(server: ServerProcess) -> AsyncIterator[socket.socket]:
    """Subscribe, and read nothing from then on."""
    host, port = server.url.removeprefix("http://").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    reader = LightReader(token(), "wide", Chunks())
    try:
        await loop.sock_connect(sock, (host, int(port)))
        await loop.sock_sendall(sock, reader.begin("test"))
        while reader.state is not State.FOLLOWING:
            if answer := reader.receive(await loop.sock_recv(sock, 4096)):
                await loop.sock_sendall(sock, answer)
        yield sock
    finally:
        sock.close()
