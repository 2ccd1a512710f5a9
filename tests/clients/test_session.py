"""The session's adapter against peers that misbehave, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgpack
import msgspec
import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from ncs_client import (
    AsyncNCSClient,
    ConnectionEndedError,
    RefusedError,
    StreamSession,
)
from ncs_protocol import CODECS, MSGPACK, ScaledArray
from ncs_protocol.messages import Ack, Auth, Hello, Points, TokenExpiring, Welcome

pytestmark = pytest.mark.unit

Peer = Callable[[ServerConnection], Awaitable[None]]

SPOKEN = [Subprotocol(name) for name in CODECS]
WELCOME = Welcome(
    session="x", server_time=0.0, versions={}, limits={}, durability="local",
    heartbeat_s=20.0, credit=1_000_000,
)  # fmt: skip


async def ack_all(socket: ServerConnection) -> None:
    """Welcome, then acknowledge whatever comes."""
    await socket.recv()
    await socket.send(MSGPACK.encode(WELCOME))
    async for frame in socket:
        message = MSGPACK.decode_client(frame)
        if isinstance(message, Points):
            ack = Ack(
                stream=message.stream, seq=message.seq, offset=1, model_version=1,
                accepted=1, credit=1,
            )  # fmt: skip
            await socket.send(MSGPACK.encode(ack))


class Talk:
    """A server of the test's own, and a session to it."""

    def __init__(self, url: str) -> None:
        self.client = AsyncNCSClient(url, "token")

    def session(self) -> StreamSession:
        return self.client.stream(producer="p")


async def talk(peer: Peer) -> AsyncIterator[Talk]:
    async with serve(peer, "127.0.0.1", 0, subprotocols=SPOKEN) as server:
        host, port = next(iter(server.sockets)).getsockname()
        yield Talk(f"http://{host}:{port}")


async def test_what_cannot_be_encoded_fails_alone_and_at_once() -> None:
    async for ours in talk(ack_all):
        async with ours.session() as session:
            for bad in ({"n": np.int64(1)}, {"n": object()}):
                with pytest.raises(TypeError):
                    await session.send([[1.0]], metadata=bad)
            with pytest.raises(TypeError, match="must be real number"):
                await session.send([["x"]])
            with pytest.raises(Exception, match="cannot pack"):
                await session.send(ScaledArray(np.zeros((1, 1)), 0.5))
            assert (await session.send([[1.0]])).seq == 1


async def test_timestamps_may_be_an_array() -> None:
    async for ours in talk(ack_all):
        async with ours.session() as session:
            for times in (np.array([1.5, 2.5]), np.array([10**18, 10**18 + 1])):
                ack = await session.send([[1.0], [2.0]], timestamps=times)
                assert ack.accepted == 2


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_what_is_sent_together_arrives_frame_by_frame_in_order(
    codec: str,
) -> None:
    seqs: list[int] = []
    done = asyncio.Event()
    kind = CODECS[f"ncs.v1+{codec}"]

    async def listen(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(kind.encode(WELCOME), text=not kind.binary)
        async for frame in socket:
            assert isinstance(frame, bytes) is kind.binary
            message = kind.decode_client(frame)
            assert isinstance(message, Points) and message.points is not None
            assert [[float(message.seq)] * message.seq] == message.points
            seqs.append(message.seq)
            if len(seqs) == 300:
                done.set()

    async for ours in talk(listen):
        session = ours.client.stream(codec=codec)
        await session.open()
        for seq in range(1, 301):
            await session.submit([[float(seq)] * seq])
        async with asyncio.timeout(10):
            await done.wait()
        await session.abort()
    assert [*range(1, 301)] == seqs


async def test_a_server_that_never_acks_gets_no_more_than_its_credit() -> None:
    size, credit = 0, 20_000
    enough = asyncio.Event()

    async def deaf(socket: ServerConnection) -> None:
        nonlocal size
        await socket.recv()
        welcome = msgspec.structs.replace(WELCOME, credit=credit)
        await socket.send(MSGPACK.encode(welcome))
        async for frame in socket:
            size += len(frame)
            if size > credit - 1000:
                enough.set()

    async for ours in talk(deaf):
        session = ours.client.stream(max_unacknowledged=10_000)
        await session.open()
        for _ in range(1000):
            await session.submit(np.zeros((1, 20), "f4"))
        async with asyncio.timeout(10):
            await enough.wait()
        # A message more would come before the pong.
        assert session._socket is not None
        await (await session._socket.ping())
        assert size <= credit
        assert 1000 == session.core.unacknowledged
        await session.abort()


async def test_a_message_of_a_newer_server_is_passed_over() -> None:
    async def newer(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(MSGPACK.encode(WELCOME))
        await socket.send(msgpack.packb({"type": "horoscope", "stream": "s"}))
        await socket.recv()
        await socket.send(
            MSGPACK.encode(
                Ack(
                    stream="default",
                    seq=1,
                    offset=1,
                    model_version=1,
                    accepted=1,
                    credit=1,
                )
            )
        )
        await socket.wait_closed()

    async for ours in talk(newer):
        async with ours.session() as session:
            assert (await session.send([[1.0]])).accepted == 1


async def test_a_close_before_the_welcome_is_an_error_of_open() -> None:
    async def unwilling(socket: ServerConnection) -> None:
        await socket.close(4401, "The token has expired")

    async for ours in talk(unwilling):
        with pytest.raises(ConnectionEndedError, match="token_expired"):
            await ours.session().open()


async def test_a_peer_that_hangs_up_before_the_handshake_is_tried_again() -> None:
    attempts = 0

    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    async for ours in talk(ack_all):
        session = ours.session()
        await session.open()
        server = await asyncio.start_server(slam, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        good, session._url = session._url, f"ws://{host}:{port}/ws"
        assert session._socket is not None
        session._socket.transport.abort()
        async with asyncio.timeout(20):
            while attempts < 2:
                await asyncio.sleep(0.01)
            session._url = good
            assert (await session.send([[1.0]])).accepted == 1
        await session.close()
        server.close()


async def test_an_open_that_is_given_up_leaves_no_task() -> None:
    async def silent(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async for ours in talk(silent):
        session = ours.session()
        opening = asyncio.create_task(session.open())
        await asyncio.sleep(0.1)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert session._task is not None
        assert session._task.done()


async def test_a_callback_that_fails_ends_the_session_for_all_who_wait() -> None:
    async for ours in talk(ack_all):

        def fail(attempt: int) -> None:
            raise RuntimeError("the callback failed")

        session = ours.client.stream(on_reconnect=fail)
        await session.open()
        assert session._socket is not None
        session._socket.transport.abort()
        with pytest.raises(RuntimeError, match="the callback failed"):
            async with asyncio.timeout(20):
                while True:
                    await session.send([[1.0]])


async def test_a_token_is_renewed_when_the_server_warns() -> None:
    told: list[object] = []
    fresh, renewed = asyncio.Event(), asyncio.Event()

    async def warn(socket: ServerConnection) -> None:
        told.append(MSGPACK.decode_client(await socket.recv()))
        await socket.send(MSGPACK.encode(WELCOME))
        await fresh.wait()
        await socket.send(MSGPACK.encode(TokenExpiring(expires_at=1.0)))
        told.append(MSGPACK.decode_client(await socket.recv()))
        renewed.set()
        await socket.wait_closed()

    async for ours in talk(warn):
        session = ours.session()
        await session.open()
        ours.client.use_token("fresh")
        fresh.set()
        async with asyncio.timeout(10):
            await renewed.wait()
        await session.abort()
    hello, auth = told
    assert isinstance(hello, Hello)
    assert hello.token == "token"
    assert getattr(auth, "token", None) == "fresh"


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "/x", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be like http://host:port"):
        AsyncNCSClient(url, "k")


async def test_a_token_may_come_later_and_is_asked_for_when_it_expires() -> None:
    renewed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    given = iter(["first", "second"])

    async def source() -> str:
        await asyncio.sleep(0)
        return next(given)

    async def expire(socket: ServerConnection) -> None:
        hello = MSGPACK.decode_client(await socket.recv(decode=False))
        assert isinstance(hello, Hello) and hello.token == "first"
        await socket.send(MSGPACK.encode(WELCOME))
        await socket.send(MSGPACK.encode(TokenExpiring(expires_at=0.0)))
        auth = MSGPACK.decode_client(await socket.recv(decode=False))
        assert isinstance(auth, Auth)
        renewed.set_result(auth.token)
        await socket.wait_closed()

    async for ours in talk(expire):
        url = str(ours.client.base_url).replace("http", "ws") + "ws"
        async with StreamSession(url, source), asyncio.timeout(10):
            assert "second" == await renewed


async def test_a_token_that_cannot_be_had_is_a_reason_not_to_begin() -> None:
    def source() -> str:
        raise OSError("the vault is locked")

    async for ours in talk(ack_all):
        url = str(ours.client.base_url).replace("http", "ws") + "ws"
        with pytest.raises(ConnectionEndedError, match="no token: the vault is locked"):
            await StreamSession(url, source).open()


async def test_a_peer_that_falls_silent_is_left() -> None:
    beat = msgspec.structs.replace(WELCOME, heartbeat_s=1.0)
    connections = 0
    again = asyncio.Event()

    async def silent(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            again.set()
        await socket.recv()
        await socket.send(MSGPACK.encode(beat))
        socket.transport.pause_reading()  # so that no ping is answered
        await socket.wait_closed()

    async for ours in talk(silent):
        async with ours.session(), asyncio.timeout(30):
            await again.wait()


async def test_every_batch_of_an_ack_has_its_own() -> None:
    async def at_once(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(MSGPACK.encode(WELCOME))
        for _ in range(3):
            await socket.recv()
        ack = Ack(
            stream="default", seq=3, offset=8, model_version=8, accepted=6, credit=9
        )
        await socket.send(MSGPACK.encode(ack))
        await socket.wait_closed()

    async for ours in talk(at_once):
        async with ours.session() as session:
            batches = ([[1.0]], [[2.0], [3.0]], np.ones((3, 1)))
            futures = [await session.submit(batch) for batch in batches]
            acks = await asyncio.gather(*futures)
    assert [(1, 1, 8), (2, 2, 8), (3, 3, 8)] == [
        (ack.seq, ack.accepted, ack.offset) for ack in acks
    ]


async def test_who_asked_is_told_of_the_end() -> None:
    ends: list[Exception | None] = []

    async def replace(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(MSGPACK.encode(WELCOME))
        await socket.close(4512, "another")

    async for ours in talk(replace):
        session = ours.client.stream(on_close=ends.append)
        await session.open()
        with pytest.raises(ConnectionEndedError):
            async for _ in await session.subscribe():
                pass
        await session.abort()
    (end,) = ends
    assert isinstance(end, ConnectionEndedError)
    assert (4512, "producer_replaced") == (end.close_code, end.code)


async def test_a_batch_that_is_too_large_is_refused_before_it_ends_the_session() -> (
    None
):
    limits = {"max_frame_bytes": 200.0}

    async def small(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(
            MSGPACK.encode(msgspec.structs.replace(WELCOME, limits=limits))
        )
        async for frame in socket:
            message = MSGPACK.decode_client(frame)
            assert isinstance(message, Points)
            ack = Ack(
                stream=message.stream, seq=message.seq, offset=1, model_version=1,
                accepted=1, credit=1,
            )  # fmt: skip
            await socket.send(MSGPACK.encode(ack))

    async for ours in talk(small):
        async with ours.session() as session:
            futures = [await session.submit([[1.0]] * n) for n in (1, 100, 1)]
            first, large, last = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(large, RefusedError)
    assert "frame_too_large" == large.code
    assert (1, 2) == (first.seq, last.seq)  # type: ignore[union-attr]
