"""A server whose store is in Redis, from end to end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import orjson
import pytest
from commands import ncs
from real_server import SECRET, Socket, client_of, server_on, token, wait_until
from redis_servers import RedisServer

from ncs_protocol import JSON
from ncs_protocol.messages import Ack, Error, Hello, Points, Welcome
from ncs_streamer.cluster.orders import CONTROL, Order
from ncs_streamer.processes import ServerProcess, StartError
from ncs_streamer.settings import Settings
from ncs_streamer.store import Store
from ncs_streamer.stores import make_store

pytestmark = pytest.mark.integration

FRAME = [[float(n % 7), float(n % 5)] for n in range(1000)]
BACKGROUND = ("info", "set", "ping", "config", "client", "hello", "command")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


def server_at(redis: RedisServer, folder: Path, *flags: str) -> ServerProcess:
    more = ("--store", redis.url, "--redis-timeout-s", "1", *flags)
    return server_on(folder, *more)


@contextlib.asynccontextmanager
async def store_at(redis: RedisServer) -> AsyncIterator[Store]:
    """Open the store beside the servers on it."""
    store = make_store(Settings(store=redis.url, secret_key=SECRET))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def send(socket: Socket, seq: int) -> Ack:
    """Send a batch until it is acknowledged."""
    while True:
        await socket.send(Points(seq=seq, points=FRAME))
        reply = await socket.receive()
        while not isinstance(reply, Ack | Error):
            reply = await socket.receive()
        if isinstance(reply, Ack):
            return reply


async def total(server: ServerProcess) -> int:
    async with client_of(server) as client:
        return (await client.get_algorithm_status()).total_points_processed


async def test_what_was_acknowledged_outlives_server_and_redis(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with server_at(redis_server, tmp_path) as server:
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            for seq in (1, 2, 3):
                await send(socket, seq)
        await server.kill()
        redis_server.kill()
        redis_server.start()
        await server.start()
        assert await total(server) == 3000
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            assert (await send(socket, 3)).duplicate
            redis_server.kill()
            redis_server.start()
            await send(socket, 4)
        assert await total(server) == 4000


async def test_it_tells_at_which_level_it_keeps_things(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with server_at(redis_server, tmp_path) as server:
        async with Socket.to(server, codec=JSON) as socket:
            await socket.send(Hello(token=token()))
            welcome = await socket.receive()
        assert isinstance(welcome, Welcome)
        assert welcome.durability == "redis-primary"
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{server.url}/health") as reply:
                parts = (await reply.json())["components"]
        assert parts["database"] == {"status": "healthy", "type": "redis"}
        assert parts["redis"]["status"] == "healthy"
        assert parts["journal"]["durability"] == "redis-primary"


async def test_while_redis_is_away_it_is_not_ready_and_refuses_with_a_code(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with server_at(redis_server, tmp_path) as server:
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            await send(socket, 1)
            redis_server.kill()
            await socket.send(Points(seq=2, points=FRAME))
            refusal = await socket.receive()
            assert isinstance(refusal, Error)
            assert refusal.code == "store_unavailable"
            async with aiohttp.ClientSession() as http:
                async with http.get(f"{server.url}/readyz") as reply:
                    assert reply.status == 503
            redis_server.start()
            await send(socket, 2)
            await wait_until(lambda: b"store_available" in b"".join(server.lines))
        assert await total(server) == 2000


async def test_a_frame_of_1000_points_takes_few_commands(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    frames = 30
    async with server_at(redis_server, tmp_path) as server:
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            await send(socket, 1)
            redis_server.run("CONFIG", "RESETSTAT")
            for seq in range(2, frames + 2):
                await send(socket, seq)
            stats = redis_server.run("INFO", "commandstats")
    calls = {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}
    counted = {
        name: count
        for name, count in calls.items()
        if name.split("|")[0] not in BACKGROUND
    }
    assert sum(counted.values()) <= 10 * frames, counted
    assert counted["evalsha"] >= frames


async def test_a_second_server_serves_beside_the_first_and_after_it(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with (
        server_at(redis_server, tmp_path / "a") as first,
        server_at(redis_server, tmp_path / "b") as second,
    ):
        async with Socket.to(first, credential=token(), producer="gw") as socket:
            await send(socket, 1)
        assert await total(second) == 1000
        await first.kill()
        assert await total(second) == 1000


async def test_a_server_does_not_start_on_a_redis_that_may_forget(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    redis_server.run("CONFIG", "SET", "appendfsync", "everysec")
    with pytest.raises(StartError, match="CONFIG SET appendfsync always"):
        async with server_at(redis_server, tmp_path):
            pass


async def test_the_commands_look_into_redis_and_set_streams_back(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    here = ("--store", redis_server.url, "--data-dir", str(tmp_path / "tools"))

    async def tell(*words: str, code: int = 0) -> Any:
        found, out, err = await ncs(*words, "--json", *here)
        assert found == code, err
        return [orjson.loads(line) for line in out.splitlines()]

    restore = ("snapshot", "restore", "--offset", "2", "--yes", *here)
    exported = str(tmp_path / "exported")
    async with server_at(redis_server, tmp_path) as server:
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            for seq in (1, 2, 3):
                await send(socket, seq)
        entries = await tell("journal", "dump")
        assert sum(row["points"] for row in entries) == 3000
        tail = entries[-1]["offset"]
        code, out, err = await ncs("replay", *here)
        assert code == 0, err
        assert "the same as before" in out
        code, _, err = await ncs("snapshot", "export", exported, *here)
        assert code == 0, err
        code, _, err = await ncs(*restore)
        assert code == 1
        assert "is in use by: " in err
        assert len(await tell("journal", "dump")) == tail
    code, out, err = await ncs(*restore)
    assert code == 0, err
    assert f"goes back from offset {tail:,}" in err
    (backup,) = (tmp_path / "tools" / "backups").iterdir()
    assert str(backup) in out
    code, _, err = await ncs(
        "snapshot", "import", exported, "--tenant", "acme", "--stream", "copy", *here
    )
    assert code == 0, err
    code, out, err = await ncs("snapshot", "list", "--json", *here)
    assert code == 0, err
    assert {row["stream"] for row in orjson.loads(out)} == {"copy", "default"}
    code, out, err = await ncs("replay", "--data-dir", str(backup))
    assert (code, "the same as before" in out) == (0, True), err
    async with server_at(redis_server, tmp_path) as server:
        assert await total(server) == 1000
        async with client_of(server) as client:
            copy = await client.get_algorithm_status("copy")
            assert copy.total_points_processed == 3000


async def test_a_node_that_does_not_hear_itself_on_the_channel_is_not_ready(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with (
        server_at(redis_server, tmp_path, "--lease-s", "2") as server,
        aiohttp.ClientSession() as http,
    ):

        async def readiness() -> tuple[int, Any]:
            async with http.get(f"{server.url}/readyz") as reply:
                return reply.status, await reply.json()

        assert (await readiness())[0] == 200
        silent = {"status": "degraded", "detail": "not ready: channel_silent"}
        async with asyncio.timeout(60):
            while await readiness() != (503, silent):  # which it is with its lease only
                # Its connection for publishing, and for its lease, stays.
                redis_server.run("CLIENT", "KILL", "TYPE", "pubsub")
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            await send(socket, 1)
        async with asyncio.timeout(30):
            while (await readiness())[0] != 200:
                await asyncio.sleep(0.05)


async def test_a_key_that_a_command_revokes_ends_its_sockets_on_all_nodes_at_once(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    here = ("--store", redis_server.url)
    code, out, err = await ncs("keys", "create", "gw", "--tenant", "acme", *here)
    assert code == 0, err
    key, key_id = out.strip(), err.split()[1].rstrip(",")
    said: list[bytes] = []
    async with (
        server_at(redis_server, tmp_path / "a") as first,
        server_at(redis_server, tmp_path / "b") as second,
        Socket.to(first, credential=key) as near,
        Socket.to(second, credential=key) as far,
        store_at(redis_server) as store,
    ):
        await store.channel.subscribe(
            CONTROL, lambda _, payload: said.append(payload), lambda _: None
        )
        code, _, err = await ncs("keys", "revoke", key_id, *here)
        assert code == 0, err
        for socket in (near, far):
            reply = await socket.receive()
            while not isinstance(reply, Error):
                reply = await socket.receive()
            assert reply.code == "key_invalid"
    assert [msgspec.msgpack.decode(one, type=Order).what for one in said] == ["recheck"]


async def test_an_idle_stream_that_redis_has_lost_is_saved_whole(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    little = ("--redis-recent-mb", "0.001")
    async with server_at(redis_server, tmp_path, *little) as server:
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            for seq in (1, 2, 3):
                await send(socket, seq)
        await wait_until(lambda: redis_server.run("KEYS", "*:mark"))
        redis_server.run("FLUSHALL")
        await wait_until(lambda: redis_server.run("KEYS", "*:snapshots"))
        await server.kill()
        assert b"journal_replaced" in b"".join(server.lines)
        await server.start()
        assert await total(server) == 3000
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            assert (await send(socket, 3)).duplicate
