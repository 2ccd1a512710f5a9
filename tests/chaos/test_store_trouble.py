"""A store that cannot write: coded refusals, no ack, not ready; it heals by itself."""

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import mortal
import pytest
from read_only import read_only_files
from real_server import SECRET, Socket, client_of, server_on, token, wait_until
from small_disk import SmallDisk, small_disk

from ncs_protocol.messages import Ack, Error, Points
from ncs_streamer.processes import ServerProcess, StartError
from ncs_streamer.verify.inflict import full_disk

pytestmark = pytest.mark.chaos


async def readiness(server: ServerProcess) -> int:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{server.url}/readyz") as reply:
            return reply.status


@contextlib.asynccontextmanager
async def producer(server: ServerProcess) -> AsyncIterator[Socket]:
    async with Socket.to(server, credential=token(), producer="gw") as socket:
        yield socket


async def send(socket: Socket, seq: int) -> Ack | Error:
    await socket.send(Points(seq=seq, points=[[float(seq), 0.0]] * 500))
    reply = await socket.receive()
    assert isinstance(reply, Ack | Error)
    return reply


async def total(server: ServerProcess) -> int:
    async with client_of(server) as client:
        return (await client.get_algorithm_status()).total_points_processed


@contextlib.contextmanager
def read_only_disk(process: int, folder: Path) -> Iterator[None]:
    names = ("ncs.db", "ncs.db-wal", "ncs.db-shm")
    with read_only_files(process, *(folder / name for name in names)):
        yield


@pytest.mark.parametrize("kind", ["full", "read only"])
async def test_a_disk_that_takes_nothing_is_told_and_heals_without_a_restart(
    tmp_path: Path, kind: str
) -> None:
    async with server_on(tmp_path) as server, producer(server) as socket:
        assert isinstance(await send(socket, 1), Ack)
        assert 200 == await readiness(server)
        process = server.process.pid
        trouble = (
            full_disk(process) if kind == "full" else read_only_disk(process, tmp_path)
        )
        with trouble:
            for _ in range(3):
                refusal = await send(socket, 2)
                assert isinstance(refusal, Error)
                assert "store_unavailable" == refusal.code
                assert refusal.retry_after is not None
                assert 503 == await readiness(server)
                await asyncio.sleep(refusal.retry_after)
        await wait_until(lambda: b"store_available" in b"".join(server.lines))
        assert 200 == await readiness(server)
        while isinstance(ack := await send(socket, 2), Error):
            await asyncio.sleep(0.1)
        assert not ack.duplicate
        await server.kill()
        await server.start()
        assert 1000 == await total(server)


def server_on_disk(disk: SmallDisk) -> ServerProcess:
    return ServerProcess(
        *("--data-dir", str(disk.folder / "data")),
        env={"SECRET_KEY": SECRET},
        program=(*disk.enter, sys.executable, "-m", "ncs_streamer"),
    )


async def fill(socket: Socket, seq: int, most: int) -> int:
    """Send until the server refuses; return the number of the batch that it refuses."""
    for sent in range(seq, most):
        answer = await send(socket, sent)
        if isinstance(answer, Error):
            assert "store_unavailable" == answer.code
            return sent
    raise AssertionError("the disk does not get full")


async def heal(server: ServerProcess, socket: Socket, seq: int) -> None:
    """Wait until the server is ready by itself, and send what it refused."""
    async with asyncio.timeout(20):
        while 200 != await readiness(server):
            await asyncio.sleep(0.05)
        while isinstance(answer := await send(socket, seq), Error):
            await asyncio.sleep(0.05)
    assert not answer.duplicate


@pytest.mark.parametrize("killed", [False, True])
async def test_a_disk_without_space_refuses_and_heals_and_loses_nothing(
    tmp_path: Path, killed: bool
) -> None:
    with small_disk(tmp_path / "disk", megabytes=48) as disk:
        async with server_on_disk(disk) as server:
            async with producer(server) as socket:
                assert isinstance(await send(socket, 1), Ack)
                with disk.full():
                    refused = await fill(socket, 2, 5000)
                    for _ in range(25):
                        assert 503 == await readiness(server)
                        await asyncio.sleep(0.1)
                    assert isinstance(await send(socket, refused), Error)
                    if killed:
                        await server.kill()
                if killed:
                    await server.start()
                else:
                    await heal(server, socket, refused)
                    refused += 1
            async with producer(server) as socket:
                await heal(server, socket, refused)
            await server.kill()
            await server.start()
            assert refused * 500 == await total(server)


async def test_an_almost_full_disk_does_not_look_well_now_and_then(
    tmp_path: Path,
) -> None:
    """There is room for what a small batch takes, and not for a large one."""
    large = Points(seq=2, points=[[float(i), 0.5] for i in range(10_000)])
    with small_disk(tmp_path / "disk", megabytes=48) as disk:
        async with server_on_disk(disk) as server:
            async with producer(server) as socket:
                assert isinstance(await send(socket, 1), Ack)
                with disk.full(but_for=120_000):
                    await socket.send(large)
                    assert isinstance(await socket.receive(), Error)
                    async with Socket.to(
                        server, credential=token(), producer="small"
                    ) as other:
                        seq = 1
                        for _ in range(3):
                            await other.send(Points(seq=seq, points=[[1.0, 2.0]]))
                            answer = await other.receive()
                            if isinstance(answer, Error):
                                assert "store_unavailable" == answer.code
                            else:
                                seq += 1
                    for _ in range(35):
                        assert 503 == await readiness(server)
                        await asyncio.sleep(0.1)
                    assert b"store_available" not in b"".join(server.lines)
                await heal(server, socket, 2)


async def test_a_refusal_does_not_tell_clients_where_the_server_keeps_its_files(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, producer(server) as socket:
        with full_disk(server.process.pid):
            refusal = await send(socket, 1)
        assert isinstance(refusal, Error)
        assert "ncs.db" not in refusal.detail
        await wait_until(lambda: b"ncs.db" in b"".join(server.lines))


async def assert_it_does_not_start(server: ServerProcess, saying: str) -> None:
    with pytest.raises(StartError, match=saying):
        async with server:
            pass


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    files = list(folder.iterdir())
    for path in (*files, folder):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        yield
    finally:
        for path in (folder, *files):
            path.chmod(path.stat().st_mode | 0o200)


def mortal_server(folder: Path) -> ServerProcess:
    return ServerProcess(
        "--data-dir",
        str(folder),
        env={"SECRET_KEY": SECRET},
        program=(sys.executable, mortal.__file__),
    )


async def test_a_read_only_folder_is_named_and_works_when_it_is_not(
    tmp_path: Path,
) -> None:
    async with mortal_server(tmp_path) as server, producer(server) as socket:
        assert isinstance(await send(socket, 1), Ack)
    with read_only(tmp_path):
        await assert_it_does_not_start(
            mortal_server(tmp_path), f"data_dir cannot be used.*{tmp_path}"
        )
    async with mortal_server(tmp_path) as server:
        assert 500 == await total(server)


@contextlib.contextmanager
def damaged(path: Path, offset: int, length: int) -> Iterator[None]:
    """Have other bytes there meanwhile."""
    with path.open("r+b") as file:
        file.seek(offset)
        good = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in good))
    try:
        yield
    finally:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(good)


def connected(folder: Path) -> contextlib.closing[sqlite3.Connection]:
    path = folder / "ncs.db"
    return contextlib.closing(sqlite3.connect(path, isolation_level=None))


def journal_page(folder: Path) -> tuple[int, int]:
    """Return where the first page of the journal is, once the file has everything."""
    with connected(folder) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (length,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name='journal'"
        ).fetchone()
    return (page - 1) * length, length


def let_pages_be_read_anew(folder: Path) -> None:
    """Write elsewhere: other connections then trust no page that they remember."""
    with connected(folder) as connection:
        connection.execute("INSERT OR REPLACE INTO checks VALUES (2, x'00')")


async def test_a_damaged_page_refuses_with_a_code_and_heals_without_a_restart(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, producer(server) as socket:
        for seq in range(1, 20):
            assert isinstance(await send(socket, seq), Ack)
        place = journal_page(tmp_path)
        with damaged(tmp_path / "ncs.db", *place):
            let_pages_be_read_anew(tmp_path)
            refusal = await send(socket, 20)
            assert isinstance(refusal, Error)
            assert "store_unavailable" == refusal.code
            for _ in range(25):
                assert 503 == await readiness(server), "it probed what is not damaged"
                await asyncio.sleep(0.1)
        let_pages_be_read_anew(tmp_path)
        await wait_until(lambda: b"store_available" in b"".join(server.lines))
        while isinstance(ack := await send(socket, 20), Error):
            await asyncio.sleep(0.1)
        assert not ack.duplicate
        await server.kill()
        await server.start()
        assert 20 * 500 == await total(server)


async def test_a_damaged_file_is_named_at_the_start_and_nothing_of_it_is_served(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, producer(server) as socket:
        for seq in range(1, 20):
            assert isinstance(await send(socket, seq), Ack)
        await server.kill()
    with damaged(tmp_path / "ncs.db", *journal_page(tmp_path)):
        await assert_it_does_not_start(server_on(tmp_path), r"ncs\.db: .*malformed")
    async with server_on(tmp_path) as server:
        assert 19 * 500 == await total(server)
