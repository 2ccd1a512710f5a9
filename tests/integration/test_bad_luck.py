"""What can go wrong around the server: ports, folders, secrets, slow readers."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from real_server import (
    SECRET,
    Socket,
    client_of,
    free_port,
    server_on,
    token,
    wait_until,
)
from websockets.exceptions import ConnectionClosed

from ncs_client import AsyncNCSClient, ClusterView, ConnectionEndedError
from ncs_protocol.messages import (
    Ack,
    Draining,
    Error,
    PerformanceMetricsEvent,
    Points,
    Subscribe,
    Subscribed,
    TokenExpiring,
    Unsubscribe,
)
from ncs_streamer.processes import StartError

pytestmark = pytest.mark.integration


async def ncs(*words: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command that ends by itself; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ncs_streamer",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(env or {})},
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_port_in_use_is_named_and_another_one_works(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(StartError) as failed:
            await server_on(tmp_path, port=taken).start()
        assert f"127.0.0.1:{taken} is in use" in str(failed.value)
        assert "--port" in str(failed.value)
        async with server_on(tmp_path, port=free_port()):
            pass


@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null/x"])
async def test_a_folder_that_cannot_be_written_is_named(folder: str) -> None:
    code, said = await ncs("serve", "--data-dir", folder, "--port", "0")
    assert 1 == code
    assert folder in said
    assert "Traceback" not in said


async def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "ncs.db").write_bytes(b"not a database at all" * 100)
    code, said = await ncs(
        "serve", "--data-dir", str(tmp_path), "--port", "0", "--metrics-port", "off"
    )
    assert 1 == code
    assert "ncs.db" in said
    assert "Traceback" not in said


async def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    async with server_on(tmp_path) as first:
        with pytest.raises(StartError) as failed:
            await server_on(tmp_path).start()
        assert f"process {first.process.pid}" in str(failed.value)


@pytest.mark.parametrize(
    ("secret", "said"),
    [(None, "SECRET_KEY is not set"), ("too short", "SECRET_KEY has 9 characters")],
)
async def test_production_insists_on_a_secret(secret: str | None, said: str) -> None:
    env = {"ENVIRONMENT": "production"}
    if secret is not None:
        env["SECRET_KEY"] = secret
    code, output = await ncs("serve", env=env)
    assert 2 == code
    assert said in output
    assert "openssl rand -base64 32" in output
    assert "too short" not in output


async def test_the_development_login_does_not_exist_in_production(
    tmp_path: Path,
) -> None:
    server = server_on(tmp_path, "--environment", "production", "--host", "127.0.0.1")
    async with server, client_of(server) as client:
        with pytest.raises(Exception, match="login_failed"):
            await client.login("admin", "admin123")


async def test_a_development_server_on_all_addresses_makes_up_a_password(
    tmp_path: Path,
) -> None:
    server = server_on(tmp_path, "--host", "0.0.0.0")
    async with server:
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        said = b"".join(server.lines).decode()
        async with client_of(server) as client:
            with pytest.raises(Exception, match="login_failed"):
                await client.login("admin", "admin123")
            password = said.partition("with the password ")[2].split()[0]
            await client.login("admin", password)


async def test_secrets_on_disk_are_for_the_owner_only(tmp_path: Path) -> None:
    code, _ = await ncs("token", "--data-dir", str(tmp_path))
    assert 0 == code
    mode = stat.S_IMODE((tmp_path / "secret_key").stat().st_mode)
    assert 0o600 == mode


async def test_a_reader_that_does_not_read_is_cut_off_and_nobody_else_notices(
    tmp_path: Path,
) -> None:
    wide = np.random.default_rng(0).normal(size=(31, 500))  # a snapshot of 0.3 MB
    async with server_on(tmp_path, "--hopeless-s", "1") as server:
        async with client_of(server) as client, client.stream() as session:
            await session.send(wide, stream="wide")
            async with Socket.to(server, credential=token()) as stuck:
                stuck.connection.transport.pause_reading()
                with contextlib.suppress(ConnectionClosed):
                    for number in range(60):  # until the buffers of the line are full
                        await stuck.send(Unsubscribe(id=f"s{number - 1}"))
                        await stuck.send(Subscribe(id=f"s{number}", stream="wide"))
                        await asyncio.sleep(0.02)
                for _ in range(20):
                    assert 1 == (await session.send([[1.0, 2.0]])).accepted
                await wait_until(lambda: b"slow_consumer" in b"".join(server.lines))
                stuck.connection.transport.abort()
        assert 1 == b"".join(server.lines).count(b'"event": "slow_consumer"')


async def test_what_a_program_does_not_read_waits_on_the_server_and_is_not_missing(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        session = client.stream()
        session.max_queue = 5
        async with session:
            subscription = await session.subscribe()
            for value in range(20):
                await session.send([[float(value**3), 0.0]])
            assert subscription.reader.state == "paused"
            assert len(subscription._queue) == 5
            clusters = {c.cluster_id: c.size for c in await client.get_clusters()}
            view = ClusterView()
            async for message in subscription:
                view.apply(message)
                if clusters == {id: c.size for id, c in view.clusters.items()}:
                    break


async def test_a_session_ends_when_its_key_is_revoked(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        key = await client.create_key("gateway")
        async with Socket.to(server, credential=key.api_key) as session:
            await client.revoke_key(key.key_id)
            assert 4502 == (await session.closed())[0]


async def test_a_session_ends_when_its_key_is_revoked_by_the_command(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        key = await client.create_key("gateway")
        async with Socket.to(server, credential=key.api_key) as session:
            code, _ = await ncs(
                "keys", "revoke", key.key_id, "--data-dir", str(tmp_path)
            )
            assert 0 == code
            assert 4502 == (await session.closed())[0]


async def test_a_token_is_renewed_in_band_or_its_session_ends(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        short = token(lifetime_s=6.0)
        async with (
            Socket.to(server, credential=short) as kept,
            Socket.to(server, credential=short) as left,
        ):
            assert isinstance(await kept.receive(), TokenExpiring)
            await kept.send(f'{{"type":"auth","token":"{token()}"}}')
            await kept.receive()
            assert 4401 == (await left.closed())[0]
            await kept.send(Points(seq=1, points=[[1.0]]))
            assert isinstance(await kept.receive(), Ack)


async def test_a_token_of_another_tenant_does_not_take_a_session_over(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server:
        async with Socket.to(server, credential=token("acme")) as session:
            await session.send(f'{{"type":"auth","token":"{token("umbrella")}"}}')
            error = await session.receive()
    assert isinstance(error, Error)
    assert "permission_denied" == error.code


async def test_the_newer_of_two_connections_speaks_for_a_producer(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server:
        async with (
            Socket.to(server, credential=token(), producer="gw") as older,
            Socket.to(server, credential=token(), producer="gw") as newer,
        ):
            assert 4512 == (await older.closed())[0]
            await newer.send(Points(seq=1, points=[[1.0]]))
            assert isinstance(await newer.receive(), Ack)


async def test_who_is_closed_while_it_sends_is_told_why(tmp_path: Path) -> None:
    """The socket of who still sends must not be reset: that can take the code along."""

    async def send(socket: Socket) -> None:
        points = [[float(n), 2.0] for n in range(50)]
        with contextlib.suppress(ConnectionClosed):
            for seq in itertools.count(1):
                await socket.send(Points(seq=seq, points=points))
                await asyncio.sleep(0)  # or it would never get to read

    codes = []
    async with server_on(tmp_path) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(30):
            make = Socket.to(server, credential=token(), producer="the-same")
            socket = await stack.enter_async_context(make)
            sending = asyncio.create_task(send(socket))
            async with Socket.to(server, credential=token(), producer="the-same"):
                codes.append((await socket.closed())[0])
            await sending
    assert [4512] * 30 == codes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_answers_what_is_in_flight_and_exits_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with server_on(tmp_path) as server:
        async with Socket.to(server, credential=token(), producer="gw") as session:
            for seq in range(1, 201):
                await session.send(Points(seq=seq, points=[[float(seq)]]))
            server.process.send_signal(number)
            acked, draining = 0, False
            with contextlib.suppress(ConnectionClosed):
                while True:
                    message = await session.receive()
                    draining |= isinstance(message, Draining)
                    acked = message.seq if isinstance(message, Ack) else acked
            assert 4000 == session.connection.close_code
        assert 0 == await server.process.wait()
    assert draining
    async with server_on(tmp_path) as server, client_of(server) as client:
        assert acked == (await client.get_algorithm_status()).total_points_processed


async def test_a_client_that_cannot_connect_says_where() -> None:
    port = free_port()
    async with AsyncNCSClient(f"http://127.0.0.1:{port}", token()) as client:
        with pytest.raises(ConnectionEndedError, match=f"127.0.0.1:{port}"):
            await client.stream().open()


async def test_a_client_with_a_bad_key_is_not_left_waiting(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        client.use_token("nck_dev_nonsense")
        with pytest.raises(ConnectionEndedError, match="key_invalid"):
            await client.stream().open()


def test_the_secret_of_the_tests_is_long_enough() -> None:
    assert len(SECRET) >= 32


async def test_a_reader_that_leaves_before_its_snapshot_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with client.stream() as session:
            subscription = await session.subscribe(events=["performance_metrics"])
            load = [
                await session.submit([[float(i % 7), float(j)] for j in range(500)])
                for i in range(20)
            ]
            for _ in range(30):
                async with Socket.to(server, credential=token()) as leaver:
                    await leaver.send(Subscribe(id="s1"))
                    leaver.connection.transport.abort()
            await asyncio.gather(*load)
            async for message in subscription:
                if isinstance(message, PerformanceMetricsEvent):
                    last = message.data.subscribers
                    break
                await session.send([[1.0, 1.0]])
    assert 1 == last


async def test_following_a_stream_does_not_make_it(tmp_path: Path) -> None:
    async with server_on(tmp_path, "--max-streams", "1") as server:
        async with client_of(server) as client:
            for name in ("typo", "tpyo", "yopt"):
                async with Socket.to(server, credential=token()) as reader:
                    await reader.send(Subscribe(id="s1", stream=name))
                    assert isinstance(await reader.receive(), Subscribed)
            await client.process_points([[1.0]], stream="real")
            assert ["real"] == [
                name for name in ("typo", "real") if await client.get_clusters(name)
            ]


async def test_a_close_reason_is_cut_between_characters(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        async with Socket.to(server) as stranger:
            await stranger.send('{"type":"x' + "€" * 55 + '"}')
            code, reason = await stranger.closed()
    assert 4510 == code
    assert reason


async def test_the_end_of_the_traffic_is_told_once(tmp_path: Path) -> None:
    async with (
        server_on(tmp_path, "--status-interval-s", "0.2") as server,
        client_of(server) as client,
        client.stream() as session,
    ):
        subscription = await session.subscribe(
            events=["performance_metrics", "algorithm_status"]
        )
        await session.send([[1.0, 1.0]])
        rates = []
        async for message in subscription:
            if isinstance(message, PerformanceMetricsEvent):
                rates.append(message.data.points_per_second)
            if rates and rates[-1] == 0:
                break
        assert len(rates) == 2 and rates[0] > 0
        with pytest.raises(TimeoutError):  # nothing changes any more
            async with asyncio.timeout(1.0):
                async for message in subscription:
                    assert not isinstance(message, PerformanceMetricsEvent)


@pytest.mark.parametrize("named", [["plant"], []])
async def test_a_producer_goes_on_though_its_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str]
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        async with client.stream(producer="gw", streams=named) as session:
            for _ in range(3):
                await session.send([[1.0, 1.0]], stream="plant")
        back = time.time_ns() - 3600 * 10**9
        monkeypatch.setattr(time, "time_ns", lambda: back)
        for _ in range(2):  # the second is as far back, and the server's epoch is not
            async with client.stream(producer="gw", streams=named) as session:
                acks = [
                    await session.submit([[2.0, 2.0]], stream="plant") for _ in range(3)
                ]
                assert [1, 2, 3] == [(await ack).seq for ack in acks]
        status = await client.get_algorithm_status("plant")
    assert 9 == status.total_points_processed
