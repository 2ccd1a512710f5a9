"""Readers and writers at awkward moments: nothing is lost, doubled or left over."""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_server import Socket, client_of, server_on, token, wait_until

from ncs_client import AsyncNCSClient
from ncs_protocol.messages import (
    ClusterUpdateEvent,
    Error,
    PerformanceMetricsEvent,
    Points,
    ServerMessage,
    Status,
    StatusReply,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from ncs_streamer.processes import ServerProcess

pytestmark = pytest.mark.integration


def some(count: int) -> list[list[float]]:
    rng = random.Random(count)
    return [[rng.random(), rng.random()] for _ in range(count)]


async def keep_busy(socket: Socket, batches: int, stream: str = "busy") -> None:
    """Give the one engine thread work for a while."""
    for seq in range(1, batches + 1):
        await socket.send(Points(seq=seq, stream=stream, points=some(5000)))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the store from writing, as a very slow disk would."""
    connection = sqlite3.connect(folder / "ncs.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


async def total(client: AsyncNCSClient, stream: str) -> int:
    return (await client.get_algorithm_status(stream)).total_points_processed


async def test_a_new_connection_is_told_only_of_what_is_durable(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        session = client.stream(producer="gw", streams=["s"])
        await session.open()
        await session.send([[1.0, 2.0]], stream="s")
        with locked(tmp_path):
            waiting = await session.submit([[3.0, 4.0]], stream="s")
            await asyncio.sleep(0.2)
            first = session.welcome
            assert session._socket is not None
            session._socket.transport.abort()
            await wait_until(lambda: session.welcome not in (None, first))
            assert session.welcome is not None
            assert session.welcome.resume["s"].last_seq == 1
            assert not waiting.done()
        assert (await waiting).seq == 2
        await session.close()
        assert await total(client, "s") == 2


async def test_a_store_that_fails_for_a_moment_ends_nobodys_session(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with client.stream(producer="gw", streams=["s"]) as session:
            await session.send([[1.0, 2.0]], stream="s")
            with locked(tmp_path):
                futures = [
                    await session.submit([[3.0, float(i)]], stream="s")
                    for i in range(100)
                ]
                await wait_until(lambda: b"store_unavailable" in b"".join(server.lines))
            await asyncio.gather(*futures)
        assert await total(client, "s") == 101


async def answers_until(socket: Socket, id: str) -> list[ServerMessage]:
    """Return what comes until a question that is asked now is answered."""
    await socket.send(Status(id=id, stream="busy"))
    got = [await socket.receive()]
    while not (isinstance(got[-1], StatusReply) and got[-1].id == id):
        got.append(await socket.receive())
    return got


async def one_thread(folder: Path) -> ServerProcess:
    return server_on(folder, "--engine-threads", "1")


async def test_subscribing_again_and_again_gives_one_subscription(
    tmp_path: Path,
) -> None:
    async with await one_thread(tmp_path) as server, client_of(server) as client:
        async with Socket.to(server, credential=token()) as socket:
            await keep_busy(socket, 2)
            for _ in range(5):
                await socket.send(Subscribe(id="a", stream="busy"))
                await socket.send(Unsubscribe(id="a"))
            await socket.send(Subscribe(id="a", stream="busy"))
            await answers_until(socket, "joined")
            await client.reset_algorithm("busy")
            got = await answers_until(socket, "told")
            removed = [
                m.offset
                for m in got
                if isinstance(m, ClusterUpdateEvent) and m.delivery == "lossless"
            ]
            assert len(removed) == len(set(removed)) > 0


async def test_a_stream_is_not_forgotten_while_a_reader_waits_to_join(
    tmp_path: Path,
) -> None:
    async with await one_thread(tmp_path) as server, client_of(server) as client:
        async with (
            Socket.to(server, credential=token()) as load,
            Socket.to(server, credential=token()) as second,
        ):
            async with Socket.to(server, credential=token()) as first:
                await first.send(Subscribe(id="a", stream="x"))
                await first.receive()
                await keep_busy(load, 3)
                await asyncio.sleep(0.05)
                await second.send(Subscribe(id="b", stream="x"))
                await asyncio.sleep(0.05)
            assert isinstance(await second.receive(), Subscribed)
            await client.process_points([[1.0, 2.0], [100.0, 3.0]], stream="x")
            event = await second.receive()
            assert isinstance(event, ClusterUpdateEvent)
            assert event.data.change == "created"
        await client.process_points([[1.0, 2.0]], stream="x")
        assert await total(client, "x") == 3


async def test_streams_that_never_had_a_batch_leave_room_for_others(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path, "--max-streams", "12") as server:
        async with (
            client_of(server) as client,
            Socket.to(server, credential=token(), producer="p") as socket,
        ):
            for i in range(10):
                await socket.send(Subscribe(id=f"s{i}", stream=f"read-{i}"))
                await socket.send(Unsubscribe(id=f"s{i}"))
                await socket.send(Points(seq=5, stream=f"gap-{i}", points=[[1.0]]))
                answer = await socket.receive()
                while not isinstance(answer, Error):
                    answer = await socket.receive()
                assert answer.code == "seq_gap"
            await client.process_points([[1.0]], stream="legitimate")


async def test_more_questions_than_are_answered_at_once_are_refused(
    tmp_path: Path,
) -> None:
    async with await one_thread(tmp_path) as server:
        async with Socket.to(server, credential=token()) as socket:
            await keep_busy(socket, 3)
            for _ in range(40):  # some of them while the engine learns
                for number in range(20):
                    await socket.send(Status(id=str(number), stream="busy"))
                await asyncio.sleep(0.01)
            answers: list[ServerMessage] = []
            while len(answers) < 800:
                answer = await socket.receive()
                if isinstance(answer, Error | StatusReply):
                    answers.append(answer)
            refused = [a.code for a in answers if isinstance(a, Error)]
            assert set(refused) == {"overloaded"}
            assert len(refused) <= 792


async def test_a_good_credential_gets_in_beside_many_bad_ones(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        for _ in range(101):
            async with Socket.to(server) as stranger:
                await stranger.send('{"type":"hello","token":"nonsense"}')
                refusal = await stranger.receive()
        assert isinstance(refusal, Error)
        assert refusal.code == "rate_limited"
        async with client.stream() as session:
            assert (await session.send([[1.0]])).accepted == 1


async def test_a_reader_that_does_not_read_does_not_hold_up_the_end(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server:
        async with client_of(server) as client, client.stream() as session:
            rng = random.Random(0)
            wide = [[rng.gauss(0, 1) for _ in range(500)] for _ in range(31)]
            await session.send(wide, stream="wide")
            async with Socket.to(server, credential=token()) as stuck:
                stuck.connection.transport.pause_reading()
                for number in range(40):
                    await stuck.send(Subscribe(id=f"s{number}", stream="wide"))
                    await asyncio.sleep(0.02)
                    await stuck.send(Unsubscribe(id=f"s{number}"))
                assert await server.stop() == 0
                await session.abort()
                stuck.connection.transport.abort()
        assert b"drain_timed_out" not in b"".join(server.lines)


async def test_a_new_reader_is_told_the_rate_of_now_and_not_of_the_past(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path, "--status-interval-s", "0.3") as server:
        async with client_of(server) as client, client.stream() as session:
            await session.send(some(5000))
            await asyncio.sleep(1.0)  # intervals in which nobody is told
            subscription = await session.subscribe(events=["performance_metrics"])
            await session.send([[1.0, 2.0]])
            async for message in subscription:
                if isinstance(message, PerformanceMetricsEvent):
                    assert 0 < message.data.points_per_second < 100
                    break
