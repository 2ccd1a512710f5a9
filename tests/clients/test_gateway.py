"""The gateway's client against peers that misbehave, over real sockets."""

import asyncio
import contextlib
import errno
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from ncs_client import GatewayClient, RefusedError, SpoolError, SpoolOptions
from ncs_client.backoff import Backoff
from ncs_protocol import MSGPACK
from ncs_protocol.messages import Ack, Error, Hello, Ping, Points, Pong, Welcome

pytestmark = pytest.mark.unit

Peer = Callable[[ServerConnection], Awaitable[None]]

NOBODY = "http://127.0.0.1:9"
"""The discard port: nobody listens there."""
SMALL = SpoolOptions(max_bytes=20_000, segment_bytes=1000, fsync="never")


def welcome() -> Welcome:
    return Welcome(
        session="x", server_time=0.0, versions={}, limits={}, durability="local",
        heartbeat_s=20.0, credit=1_000_000,
    )  # fmt: skip


def ack_of(message: Points) -> Ack:
    return Ack(
        stream=message.stream, seq=message.seq, offset=1, model_version=1, accepted=1,
        credit=1_000_000,
    )  # fmt: skip


async def messages_to(socket: ServerConnection) -> AsyncIterator[Any]:
    """Welcome, then give what comes."""
    hello = MSGPACK.decode_client(await socket.recv())  # type: ignore[arg-type]
    assert isinstance(hello, Hello)
    await socket.send(MSGPACK.encode(welcome()))
    async for frame in socket:
        message = MSGPACK.decode_client(frame)
        if isinstance(message, Ping):
            pong = Pong(server_time=0.0, id=message.id)
            await socket.send(MSGPACK.encode(pong))
        else:
            yield message


async def ack_all(socket: ServerConnection) -> None:
    async for message in messages_to(socket):
        await socket.send(MSGPACK.encode(ack_of(message)))


@contextlib.asynccontextmanager
async def served(peer: Peer) -> AsyncIterator[str]:
    async with serve(peer, "127.0.0.1", 0, subprotocols=["ncs.v1+msgpack"]) as server:
        host, port = next(iter(server.sockets)).getsockname()
        yield f"http://{host}:{port}"


def gateway_to(url: str, folder: Path, **changes: Any) -> GatewayClient:
    return GatewayClient(
        url,
        **{
            "token": "t",
            "producer": "p",
            "spool_dir": folder / "spool",
            "backoff": lambda: Backoff(longest_s=0.1),
            **changes,
        },
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_gateway_loads_neither_numpy_nor_an_http_client() -> None:
    program = (
        "import sys; from ncs_client import GatewayClient;"
        "from ncs_client.payload import payload_of;"
        "payload_of([[1.0]], 's', [1.0], {'a': 1});"
        "print(sorted({'numpy', 'aiohttp', 'yarl'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert b"[]\n" == said.stdout, said.stderr.decode()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", ""])
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be like http://host:port"):
        gateway_to(url, tmp_path)


@pytest.mark.parametrize("credentials", [{}, {"token": "a", "api_key": "b"}])
def test_one_credential_is_needed(credentials: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="either token or api_key"):
        GatewayClient(NOBODY, producer="p", spool_dir=tmp_path, **credentials)  # type: ignore[arg-type]


async def test_without_a_server_pushes_are_kept_for_the_next_process(
    tmp_path: Path,
) -> None:
    async with gateway_to(NOBODY, tmp_path) as gateway:
        for value in range(10):
            assert await gateway.push([[float(value)]])
        with pytest.raises(TimeoutError):
            await gateway.flush(0.05)
        stats = gateway.stats()
    assert (10, 10, 0) == (
        stats.depth_batches, stats.backfill_batches, stats.acked_batches
    )  # fmt: skip
    assert not stats.is_connected
    assert stats.oldest_age_s is not None
    async with served(ack_all) as url:
        async with gateway_to(url, tmp_path) as gateway:
            await gateway.flush(10)
            stats = gateway.stats()
    assert (0, 10, None) == (
        stats.depth_batches, stats.acked_batches, stats.oldest_age_s
    )  # fmt: skip


async def test_what_is_pushed_while_connected_takes_the_live_lane(
    tmp_path: Path,
) -> None:
    async with served(ack_all) as url:
        async with gateway_to(url, tmp_path) as gateway:
            await until(lambda: gateway.stats().is_connected)
            for value in range(10):
                await gateway.push([[float(value)]])
            await gateway.flush(10)
            acked = gateway.stats().last_acked
    assert (10, 0) == (acked["p"][1], acked["p.backfill"][1])


async def test_a_bad_batch_is_refused_before_it_is_spooled(tmp_path: Path) -> None:
    async with gateway_to(NOBODY, tmp_path) as gateway:
        with pytest.raises(RefusedError, match="not_finite"):
            await gateway.push([[float("nan")]])
        assert 0 == gateway.stats().depth_batches


async def test_a_full_spool_holds_who_pushes_until_there_is_room(
    tmp_path: Path,
) -> None:
    told: list[Any] = []
    ready = asyncio.Event()

    async def late(socket: ServerConnection) -> None:
        await ready.wait()
        await ack_all(socket)

    async with served(late) as url:
        gateway = gateway_to(
            url, tmp_path, spool=SMALL, on_backpressure=lambda *e: told.append(e),
            drain_bytes_per_s=None,
        )  # fmt: skip
        async with gateway:

            async def push_many() -> None:
                for value in range(300):
                    assert await gateway.push([[float(value)]])

            pushing = asyncio.create_task(push_many())
            await until(lambda: told)
            assert ("spool_full", None) == told[0]
            assert not pushing.done()
            ready.set()
            async with asyncio.timeout(20):
                await pushing
                await gateway.flush()
            assert 300 == gateway.stats().acked_batches
            assert {} == gateway.stats().dropped_batches


async def test_the_newest_may_be_dropped_instead(tmp_path: Path) -> None:
    drops: list[Any] = []
    options = SpoolOptions(
        max_bytes=20_000, segment_bytes=1000, fsync="never", overflow="drop_newest"
    )
    gateway = gateway_to(
        NOBODY, tmp_path, spool=options, on_drop=lambda *told: drops.append(told)
    )
    async with gateway:
        kept = [await gateway.push([[float(value)]]) for value in range(300)]
        stats = gateway.stats()
    assert sum(kept) == stats.depth_batches == stats.pushed_batches
    assert {"newest": 300 - sum(kept)} == stats.dropped_batches
    assert [("newest", 1)] * (300 - sum(kept)) == drops
    assert 0 < sum(kept) < 300


async def test_a_hook_that_fails_stops_nothing(tmp_path: Path) -> None:
    def fail(*told: Any) -> None:
        raise RuntimeError("a hook failed")

    options = SpoolOptions(
        max_bytes=20_000, segment_bytes=1000, fsync="never", overflow="drop_oldest"
    )
    async with gateway_to(NOBODY, tmp_path, spool=options, on_drop=fail) as gateway:
        for value in range(300):
            assert await gateway.push([[float(value)]])
        assert gateway.stats().dropped_batches["overflow"] > 0


async def test_an_overloaded_server_is_told_of_and_tried_again(tmp_path: Path) -> None:
    told: list[Any] = []
    refused: set[int] = set()
    counted: list[int] = []

    async def overloaded(socket: ServerConnection) -> None:
        async for message in messages_to(socket):
            if message.seq in refused:
                counted.append(message.seq)
                await socket.send(MSGPACK.encode(ack_of(message)))
                continue
            refused.add(message.seq)
            error = Error(
                code="overloaded", blame="server", retry="later", detail="busy",
                retry_after=0.05, id=message.id, seq=message.seq, stream=message.stream,
            )  # fmt: skip
            await socket.send(MSGPACK.encode(error))

    async with served(overloaded) as url:
        gateway = gateway_to(
            url, tmp_path, on_backpressure=lambda *event: told.append(event)
        )
        async with gateway:
            await until(lambda: gateway.stats().is_connected)
            for value in range(3):
                await gateway.push([[float(value)]])
            await gateway.flush(10)
    assert ("overloaded", 0.05) in told
    assert [1, 2, 3] == counted


async def test_a_disk_that_cannot_be_synced_fails_the_push_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with gateway_to(NOBODY, tmp_path) as gateway:
        monkeypatch.setattr(gateway._backfill.lane.spool, "sync", broken)
        with pytest.raises(SpoolError, match="Input/output error"):
            await gateway.push([[1.0]])
        monkeypatch.undo()
        assert await gateway.push([[2.0]])
        assert 2 == gateway.stats().depth_batches


async def test_a_gateway_that_is_closed_says_so(tmp_path: Path) -> None:
    gateway = gateway_to(NOBODY, tmp_path)
    for use in (gateway.push([[1.0]]), gateway.flush()):
        with pytest.raises(SpoolError, match="not open"):
            await use
    async with gateway:
        assert await gateway.push([[1.0]])
    with pytest.raises(SpoolError, match="not open"):
        await gateway.push([[1.0]])


async def test_a_lane_that_cannot_be_opened_leaves_the_other_unlocked(
    tmp_path: Path,
) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "backfill").write_text("in the way")
    with pytest.raises(OSError, match="backfill"):
        await gateway_to(NOBODY, tmp_path).open()
    (tmp_path / "spool" / "backfill").unlink()
    async with gateway_to(NOBODY, tmp_path) as gateway:
        assert await gateway.push([[1.0]])


async def test_a_connection_that_is_cut_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    applied: dict[str, list[int]] = {}
    seen = 0

    async def flaky(socket: ServerConnection) -> None:
        """Apply by the rules; cut the line after every seventh frame."""
        nonlocal seen
        hello = MSGPACK.decode_client(await socket.recv())  # type: ignore[arg-type]
        assert isinstance(hello, Hello)
        assert hello.producer is not None
        seqs = applied.setdefault(hello.producer, [])
        greeting = welcome()
        resume = {"producer_epoch": hello.producer_epoch, "last_seq": len(seqs)}
        raw = {**{f: getattr(greeting, f) for f in greeting.__struct_fields__}}
        greeting = Welcome(**{**raw, "resume": {"default": resume}})
        await socket.send(MSGPACK.encode(greeting))
        async for frame in socket:
            message = MSGPACK.decode_client(frame)
            if not isinstance(message, Points):
                continue
            seen += 1
            if message.seq == len(seqs) + 1:
                seqs.append(message.seq)
            if seen % 7 == 0:
                socket.transport.abort()
                return
            await socket.send(MSGPACK.encode(ack_of(message)))

    async with served(flaky) as url:
        gateway = gateway_to(
            url, tmp_path, spool=SpoolOptions(fsync="never"), drain_bytes_per_s=None
        )
        async with gateway:
            for value in range(60):
                await gateway.push([[float(value)]])
                await asyncio.sleep(0.002)
            await gateway.flush(20)
    assert 60 == sum(len(seqs) for seqs in applied.values())
