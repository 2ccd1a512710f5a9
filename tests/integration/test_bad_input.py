"""Whatever comes in at one socket is answered with its code, changes nothing, and
disturbs nobody else. One server serves all tests of this module."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from bad_frames import BAD_FRAMES, BadFrame
from real_server import Socket, client_of, server_on, token
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from ncs_protocol import JSON, MSGPACK
from ncs_protocol.messages import Ack, Error, Hello, Ping, Points, Pong, Welcome
from ncs_streamer.auth import TokenIssuer
from ncs_streamer.processes import ServerProcess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("data")
    flags = ("--hello-timeout-s", "0.5", "--heartbeat-s", "1")
    async with server_on(folder, *flags) as server:
        yield server


@pytest.mark.parametrize("case", BAD_FRAMES, ids=lambda case: case.name)
async def test_a_bad_frame_gets_its_code_and_the_stream_goes_on(
    server: ServerProcess, case: BadFrame
) -> None:
    tenant = f"bad-{BAD_FRAMES.index(case)}"
    async with Socket.to(server, codec=case.codec, credential=token(tenant)) as socket:
        await socket.send(Points(seq=1, points=[[1.0, 2.0]]))
        assert isinstance(await socket.receive(), Ack)
        await socket.send(case.frame)
        error = await socket.receive()
        assert isinstance(error, Error)
        assert case.code == error.code, error.detail
        await socket.send(Points(seq=2, points=[[1.0, 2.0]]))
        assert isinstance(await socket.receive(), Ack)
    async with client_of(server, tenant) as client:
        assert 2 == (await client.get_algorithm_status()).total_points_processed


async def test_text_on_a_binary_session_is_refused_and_named(
    server: ServerProcess,
) -> None:
    async with Socket.to(server, codec=MSGPACK, credential=token()) as socket:
        await socket.send('{"type":"ping"}')
        error = await socket.receive()
    assert isinstance(error, Error)
    assert "wrong_frame_type" == error.code


async def test_an_oversized_frame_ends_the_session_with_1009(
    server: ServerProcess,
) -> None:
    async with Socket.to(server, credential=token()) as socket:
        with contextlib.suppress(ConnectionClosed):  # the server need not read it all
            await socket.send("x" * (2 * 1024 * 1024 + 1))
        code, _ = await socket.closed()
    assert 1009 == code


async def test_frame_after_bad_frame_ends_the_session(server: ServerProcess) -> None:
    async with Socket.to(server, credential=token()) as socket:
        # One that came after the last that is read would reset the connection, and the
        # code be lost with it.
        for _ in range(33):
            await socket.send("nonsense")
        code, _ = await socket.closed()
    assert 4511 == code


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (Ping(), 4510),
        (Points(seq=1, points=[[1.0]]), 4510),
        ("nonsense", 4510),
        (Hello(), 4500),
        (Hello(token="nonsense"), 4502),
        (Hello(token="a.b.c"), 4501),
        (Hello(token=token(lifetime_s=-10.0)), 4401),
        (
            Hello(
                token=TokenIssuer("another secret, just as long as ours", 60).issue(
                    subject="x", tenant="acme", scopes=("read",), now=2e9
                )
            ),
            4501,
        ),
    ],
    ids=[
        "ping",
        "points",
        "garbage",
        "no token",
        "no key",
        "no token of ours",
        "expired",
        "signed elsewhere",
    ],
)
async def test_who_does_not_say_a_good_hello_is_shown_out(
    server: ServerProcess, first: Hello | Ping | Points | str, code: int
) -> None:
    async with Socket.to(server) as socket:
        await socket.send(first)
        assert isinstance(await socket.receive(), Error)
        assert (await socket.closed())[0] == code


async def test_who_says_nothing_is_shown_out_in_time(server: ServerProcess) -> None:
    async with Socket.to(server) as socket:
        assert (await socket.closed())[0] == 4001


async def test_a_stranger_may_not_send_a_large_frame(server: ServerProcess) -> None:
    async with Socket.to(server) as socket:
        await socket.send(
            orjson.dumps({"type": "hello", "token": "x" * 20_000}).decode()
        )
        assert (await socket.closed())[0] == 1009


async def test_an_unknown_subprotocol_is_refused_with_its_code(
    server: ServerProcess,
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            server.url.replace("http", "ws") + "/ws",
            subprotocols=[Subprotocol("graphql-ws")],
        )
    response = refused.value.response
    assert 400 == response.status_code
    assert response.body is not None
    assert "UNSUPPORTED_SUBPROTOCOL" == orjson.loads(response.body)["error_code"]


async def test_without_a_subprotocol_the_session_speaks_json(
    server: ServerProcess,
) -> None:
    async with connect(server.url.replace("http", "ws") + "/ws") as connection:
        await connection.send(JSON.encode(Hello(token=token())).decode())
        assert isinstance(JSON.decode_server(await connection.recv()), Welcome)


async def test_a_page_of_another_site_may_not_connect(server: ServerProcess) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            server.url.replace("http", "ws") + "/ws",
            additional_headers={"Origin": "https://evil.example"},
        )
    assert 403 == refused.value.response.status_code


async def test_a_bad_credential_in_the_handshake_is_an_http_401(
    server: ServerProcess,
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            server.url.replace("http", "ws") + "/ws",
            additional_headers={"Authorization": "Bearer a.b.c"},
        )
    assert 401 == refused.value.response.status_code


async def test_a_good_credential_in_the_handshake_needs_no_hello(
    server: ServerProcess,
) -> None:
    async with connect(
        server.url.replace("http", "ws") + "/ws",
        additional_headers={"Authorization": f"Bearer {token()}"},
    ) as connection:
        await connection.send('{"type":"ping","id":"1"}')
        assert isinstance(JSON.decode_server(await connection.recv()), Welcome)
        assert isinstance(JSON.decode_server(await connection.recv()), Pong)


async def test_a_reader_may_not_push_and_a_writer_may_not_read(
    server: ServerProcess,
) -> None:
    async with Socket.to(server, credential=token("acme", "read")) as socket:
        await socket.send(Points(seq=1, points=[[1.0]]))
        error = await socket.receive()
        assert isinstance(error, Error)
        assert "permission_denied" == error.code
    async with Socket.to(server, credential=token("acme", "write")) as socket:
        await socket.send('{"type":"subscribe","id":"s1"}')
        error = await socket.receive()
        assert isinstance(error, Error)
        assert ("permission_denied", "s1") == (error.code, error.id)


async def test_a_peer_that_answers_no_ping_is_dropped(server: ServerProcess) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {token()}\r\n\r\n".encode()
    )
    async with asyncio.timeout(15):
        while await reader.read(65536):
            pass
    writer.close()


async def test_good_sessions_never_notice_any_of_it(server: ServerProcess) -> None:
    async with client_of(server, "calm") as client, client.stream() as session:
        done = asyncio.Event()

        async def attack() -> None:
            while not done.is_set():
                async with Socket.to(server, credential=token("loud")) as socket:
                    with contextlib.suppress(ConnectionClosed):
                        for case in BAD_FRAMES * 3:
                            await socket.send(case.frame)
                    await socket.closed()

        attacker = asyncio.create_task(attack())
        for number in range(100):
            ack = await session.send([[float(number), 1.0]])
            assert 1 == ack.accepted
        done.set()
        await attacker
        assert 100 == (await client.get_algorithm_status()).total_points_processed
