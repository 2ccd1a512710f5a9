"""Looking into a data folder that a real server left, and setting streams back."""

import asyncio
import contextlib
import io
import re
import shutil
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson
import pytest
from commands import ncs
from real_server import Socket, client_of, free_port, server_on, token, wait_until

from ncs_client import GatewayClient, NcsClientError
from ncs_client.backoff import Backoff
from ncs_engine import EngineParams
from ncs_protocol import Code
from ncs_protocol.messages import (
    Error,
    Hello,
    Points,
    Position,
    Status,
    Subscribe,
    Subscribed,
)
from ncs_streamer.archive import describe
from ncs_streamer.cli.main import main
from ncs_streamer.entry import Entry, decode_entry, encode_entry
from ncs_streamer.processes import ServerProcess
from ncs_streamer.state_hash import Checkpoint
from ncs_streamer.store import Append, SqliteStore, StreamKey

pytestmark = pytest.mark.integration

BATCHES, SIZE = 70, 50
TAIL = BATCHES + 1
CENTRES = np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0], [0.0, 40.0, 0.0]])


def batches(count: int = BATCHES, seed: int = 1) -> list[Any]:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, SIZE, 3))
    return list((CENTRES[rng.integers(3, size=(count, SIZE))] + noise).astype("f4"))


async def fill(folder: Path) -> None:
    """Let a server take batches of two streams, and kill it."""
    server = server_on(folder, "--snapshot-points", "1000")
    async with server, client_of(server) as client:
        async with client.stream(producer="gw") as session:
            for batch in batches():
                await session.send(batch, stream="plant")
            await session.send(batches(1)[0], stream="other")
        await server.kill()


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a killed server left, with two snapshots and the journal."""
    folder = tmp_path_factory.mktemp("left")
    asyncio.run(fill(folder))
    return folder


@pytest.fixture
def data(left: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(left, tmp_path / "data"))


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which every table fits."""
    monkeypatch.setenv("COLUMNS", "200")


def database(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(data / "ncs.db", isolation_level=None)


def plant(data: Path) -> tuple[str, ...]:
    return ("--data-dir", str(data), "--stream", "plant")


def run(*words: str) -> tuple[int, str, str]:
    """Run a command in this process; return (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def told(*words: str, code: int = 0) -> Any:
    """Return what a command says as JSON."""
    found, out, err = run(*words, "--json")
    assert code == found, err + out
    return orjson.loads(out)


async def told_meanwhile(*words: str, code: int = 0) -> Any:
    """Do the same beside a server."""
    return await asyncio.to_thread(lambda: told(*words, code=code))


def kept(data: Path) -> list[int]:
    return [row["offset"] for row in told("snapshot", "list", *plant(data))]


async def get(url: str, credential: str = "") -> tuple[int, str]:
    """Return (status, body)."""
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    async with aiohttp.request("GET", url, headers=headers) as answer:
        return answer.status, await answer.text()


async def health_of(server: ServerProcess) -> dict[str, Any]:
    code, body = await get(server.url + "/health")
    return {**orjson.loads(body), "code": code}


# Recovery


async def journal_of(folder: Path, entries: int) -> None:
    """Write the journal of a stream that takes a while to be replayed."""
    key = StreamKey("acme", "s")
    points = np.random.default_rng(0).normal(size=(entries, 200, 100)).astype("f4")
    params = EngineParams().as_dict()
    steps = [Entry(kind="begin", ingest_ns=0, epoch="e", params=params)]
    steps += [Entry(kind="points", ingest_ns=1, points=batch) for batch in points]
    store = SqliteStore(folder / "ncs.db")
    await store.open()
    await store.journal.append(
        [Append(key, at, encode_entry(step)) for at, step in enumerate(steps, 1)]
    )
    await store.close()


async def test_a_server_tells_how_far_it_is_while_it_replays(tmp_path: Path) -> None:
    await journal_of(tmp_path, entries=300)
    port = free_port()
    url, server = f"http://127.0.0.1:{port}", server_on(tmp_path, port=port)
    starting = asyncio.create_task(server.start())
    seen: list[dict[str, Any]] = []
    while not starting.done():
        await asyncio.sleep(0.01)
        with contextlib.suppress(aiohttp.ClientConnectionError):
            code, body = await get(url + "/readyz")
            told = orjson.loads(body)
            if told["status"] == "recovering":
                assert (503, 200) == (code, (await get(url + "/livez"))[0])
                seen.append(told)
    await starting
    assert 200 == (await get(url + "/readyz"))[0]
    await server.stop()
    assert seen
    last = seen[-1]
    assert (1, 301) == (last["streams_total"], last["entries_total"])
    assert [row["percent"] for row in seen] == sorted(row["percent"] for row in seen)
    assert 0 < last["entries_replayed"] <= 301
    assert last["points_replayed"] >= 200 * (last["entries_replayed"] - 1)
    assert last["eta_s"] >= 0


# Replay


async def test_a_replay_comes_to_the_same_beside_a_running_server(data: Path) -> None:
    async with server_on(data):
        report = await told_meanwhile("replay", *plant(data))
        assert [] == report["divergences"]
        assert TAIL == report["to"]
        assert report["checked"] > 10
        assert 3 == report["in_force"]["clusters"]
        part = await told_meanwhile(
            "replay", *plant(data), "--from", "50", "--to", "55"
        )
    assert (50, 55, 6) == (part["from"], part["to"], part["entries"])


def test_other_parameters_are_compared_on_the_same_traffic(data: Path) -> None:
    report = told(
        *("replay", *plant(data), "--params", "max_clusters=1", "learning_rate=0.2")
    )
    assert (3, 1) == (report["in_force"]["clusters"], report["tried"]["clusters"])
    assert report["in_force"]["points"] == report["tried"]["points"] > 0
    assert report["agreement"] < 0.9
    assert [] == report["divergences"]
    same = told("replay", *plant(data), "--params", "max_clusters=1000")
    assert 1.0 == same["agreement"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--params", "max_clusters=0"), "max_clusters must be in [1, 1000]"),
        (("--params", "colour=red"), "unknown parameter 'colour'"),
        (("--from", "80"), f"ends at offset {TAIL}"),
    ],
)
def test_what_cannot_be_replayed_is_told(
    left: Path, words: tuple[str, ...], said: str
) -> None:
    code, _, err = run("replay", *plant(left), *words)
    assert 2 == code
    assert said in err


def test_a_stream_that_is_not_there_is_told_with_those_that_are(
    left: Path,
) -> None:
    code, _, err = run("replay", "--data-dir", str(left), "--stream", "plnat")
    assert 2 == code
    assert (
        "there are: --tenant acme --stream other; --tenant acme --stream plant" in err
    )


def test_a_folder_without_a_store_is_not_made(tmp_path: Path) -> None:
    code, _, err = run("journal", "dump", "--data-dir", str(tmp_path / "x"))
    assert 1 == code
    assert "there is no store at" in err
    assert not (tmp_path / "x").exists()


def exported(data: Path) -> bytes:
    """Return the newest snapshot."""
    file = data / "exported"
    assert 0 == run("snapshot", "export", str(file), *plant(data))[0]
    return file.read_bytes()


def tamper(data: Path, engine: str | None = None) -> int:
    """Let an entry tell another hash, and perhaps another engine; return its offset."""
    with database(data) as connection:
        *_, (offset, payload) = connection.execute(
            "SELECT offset, payload FROM journal WHERE stream="
            "(SELECT id FROM streams WHERE stream='plant') ORDER BY offset"
        ).fetchall()
        entry = decode_entry(payload)
        assert entry.applied is not None
        told = entry.applied
        entry.applied = Checkpoint(told.offset, bytes(16), engine or told.engine)
        connection.execute(
            "UPDATE journal SET payload=? WHERE offset=? AND stream="
            "(SELECT id FROM streams WHERE stream='plant')",
            (encode_entry(entry), offset),
        )
    return told.offset


async def test_a_divergence_is_loud_and_begins_a_new_epoch(data: Path) -> None:
    epoch = describe(await asyncio.to_thread(exported, data)).epoch
    offset = tamper(data)
    report = await told_meanwhile("replay", *plant(data), code=1)
    (found,) = report["divergences"]
    assert (offset, "00" * 16) == (found["offset"], found["journal_hash"])
    async with server_on(data) as server:
        said = b"".join(server.lines).decode()
        assert '"event": "replay_diverged"' in said
        assert found["replay_hash"] in said
        health = await health_of(server)
        assert ("degraded", 200) == (health["status"], health["code"])
        assert 1 == health["components"]["journal"]["streams_diverged"]
        metrics = await get(server.url + "/metrics", token())
        assert 'divergences_total{cause="unexplained"} 1.0' in metrics[1]
        old = Position(epoch=epoch, offsets={"lossless": 1, "keyed": 1})
        async with Socket.to(server, credential=token()) as reader:
            await reader.send(Subscribe(id="s", stream="plant", since=old))
            welcome = await reader.receive()
            assert isinstance(welcome, Subscribed)
        assert welcome.epoch != epoch
        assert (False, 3) == (welcome.recovered, len(welcome.snapshot.clusters))
    entries = await asyncio.to_thread(dumped, data)
    assert welcome.epoch == entries[-1]["epoch"]
    assert ["begin", None] == [entries[-1]["kind"], entries[-1]["params"]]
    async with server_on(data) as server:
        assert b"replay_diverged" not in b"".join(server.lines)


async def test_another_engine_is_expected_to_differ(data: Path) -> None:
    tamper(data, "0.0.9+00000000")
    async with server_on(data) as server:
        said = b"".join(server.lines).decode()
        assert '"event": "replay_differs_by_engine"' in said
        assert "0.0.9+00000000" in said
        journal = (await health_of(server))["components"]["journal"]
    assert ("healthy", 1) == (journal["status"], journal["streams_of_another_engine"])


# Journal


def dumped(data: Path, *words: str, code: int = 0) -> list[dict[str, Any]]:
    found, out, err = run("journal", "dump", *plant(data), "--json", *words)
    assert code == found, err
    return [orjson.loads(line) for line in out.splitlines()]


def test_a_dump_shows_every_entry(data: Path) -> None:
    rows = dumped(data)
    assert TAIL == rows[-1]["offset"]
    assert ("points", "gw", BATCHES) == tuple(
        rows[-1][name] for name in ("kind", "producer", "seq")
    )
    assert (SIZE, 3) == (rows[-1]["points"], rows[-1]["dimension"])
    code, out, _ = run("journal", "dump", *plant(data), "--from", str(TAIL))
    assert 0 == code
    assert "50 x 3" in out
    assert f"{rows[-1]['hash'][:12]} at {rows[-1]['applied']}" in out


async def test_in_a_pipe_an_entry_and_a_snapshot_are_a_line_each(data: Path) -> None:
    where = ("--data-dir", str(data))
    code, out, _ = await ncs("journal", "dump", "--stream", "plant", *where, COLUMNS="")
    assert 0 == code
    offsets = [line.split()[0] for line in out.splitlines()[1:]]
    rows = await asyncio.to_thread(dumped, data)
    assert [str(row["offset"]) for row in rows] == offsets
    code, out, _ = await ncs("snapshot", "list", *where, COLUMNS="40")
    assert 0 == code
    assert 2 == sum(line.split()[:2] == ["acme", "plant"] for line in out.splitlines())
    assert 2 == out.count(" ago")
    assert all(" ago" in line for line in out.splitlines() if "plant" in line)


async def test_a_dump_tells_times_and_the_checksum(tmp_path: Path) -> None:
    at = 1_700_000_000_123_456_789
    points = np.zeros((2, 3), "f4")
    times = {"timestamps": [at, at + 10**9], "event_time": at}
    entry = Entry(kind="points", ingest_ns=at + 2 * 10**9, points=points, **times)
    payload = encode_entry(entry)
    store = SqliteStore(tmp_path / "ncs.db")
    await store.open()
    await store.journal.append([Append(StreamKey("acme", "plant"), 1, payload)])
    await store.close()
    [row] = await asyncio.to_thread(dumped, tmp_path)
    first = "2023-11-14T22:13:20.123456+00:00"
    assert first == row["event_time"]
    assert [first, first.replace(":20.", ":21.")] == row["event_times"]
    assert first.replace(":20.", ":22.") == row["time"]
    assert f"{zlib.crc32(payload[5:], payload[0]):08x}" == row["checksum"]


def test_a_dump_gives_the_points_as_arrays(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "points"
    words = ("--from", "58", "--to", "60", "--npz", str(file))
    code, _, err = run("journal", "dump", *plant(data), *words)
    assert 0 == code, err
    with np.load(file) as arrays:
        np.testing.assert_array_equal(arrays["X"], np.concatenate(batches()[56:59]))
        assert [58, 59, 60] == sorted({*arrays["offset"].tolist()})


def test_a_dump_shows_what_is_damaged_and_missing(data: Path) -> None:
    with database(data) as connection:
        connection.execute("UPDATE journal SET payload=x'0200' WHERE offset=58")
        connection.execute("DELETE FROM journal WHERE offset=60")
    rows = dumped(data, "--from", "57", code=1)
    problems = {row["offset"]: row["problem"] for row in rows if "problem" in row}
    assert {58: "damaged: too short", 60: "60 to 60 missing"} == problems


def test_damage_that_a_newer_snapshot_covers_is_said_to_need_nothing(
    data: Path,
) -> None:
    saved, older = kept(data)
    damage(data, older + 3)
    with database(data) as connection:
        connection.execute("DELETE FROM journal WHERE offset=?", (older + 6,))
    code, _, err = run("replay", *plant(data))
    assert 1 == code
    assert (
        f"journal_entry_damaged: stream 'plant' of tenant 'acme', offset {older + 3},"
        in err
    )
    assert "snapshot restore" not in err
    assert f"nothing has to be set back: the snapshot at offset {saved} is" in err
    advice = re.search(r"`ncs (replay [^`]*)`", err)
    assert advice is not None
    assert 0 == run(*advice[1].split(), "--data-dir", str(data))[0]
    rows = dumped(data, "--from", str(older + 1), code=1)
    found = [(r["offset"], r["covered_by"]) for r in rows if "problem" in r]
    assert [(older + 3, saved), (older + 6, saved)] == found
    _, out, _ = run("journal", "dump", *plant(data))
    assert 2 == out.count(f"the snapshot at offset {saved} is newer and good")


async def test_a_stream_that_a_snapshot_covers_is_served_whole(data: Path) -> None:
    older = (await asyncio.to_thread(kept, data))[1]
    damage(data, older + 3)
    async with server_on(data) as server, client_of(server) as client:
        status = await client.get_algorithm_status("plant")
        assert BATCHES * SIZE == status.total_points_processed
        assert (200, '{"status":"ready"}') == await get(server.url + "/readyz")


def test_damage_after_the_newest_snapshot_is_covered_by_none(data: Path) -> None:
    damage(data, at := kept(data)[0] + 2)
    [row] = [r for r in dumped(data, code=1) if "problem" in r]
    assert (at, None) == (row["offset"], row["covered_by"])
    code, _, err = run("replay", *plant(data))
    assert 1 == code
    assert f"snapshot restore --tenant acme --stream plant --offset {at - 1}" in err


# Snapshots


def test_the_list_shows_what_is_kept(data: Path) -> None:
    rows = told("snapshot", "list", *plant(data))
    assert 2 == len(rows)
    for row in rows:
        assert (2, 1, 32) == (row["format"], row["producers"], len(row["hash"]))
        assert 0 <= row["age_s"] < 600
    code, out, _ = run("snapshot", "list", "--data-dir", str(data))
    assert 0 == code
    assert rows[0]["hash"][:12] in out


async def test_an_exported_model_becomes_a_stream_of_another_server(
    data: Path, tmp_path: Path
) -> None:
    file, elsewhere = tmp_path / "plant.snapshot", tmp_path / "elsewhere"
    words = ("--offset", "59", "--data-dir", str(data), "--stream", "plant")
    code, out, err = await asyncio.to_thread(
        run, "snapshot", "export", str(file), *words
    )
    assert 0 == code, err
    assert "at offset 59" in out
    into = ("--data-dir", str(elsewhere), "--tenant", "acme", "--stream", "copy")
    code, out, err = await asyncio.to_thread(
        run, "snapshot", "import", str(file), *into
    )
    assert 0 == code, err
    assert re.search(r"gw to epoch \d+, seq 58$", out.strip())
    async with server_on(elsewhere) as server, client_of(server) as client:
        status = await client.get_algorithm_status("copy")
        assert 58 * SIZE == status.total_points_processed
    code, _, err = await asyncio.to_thread(run, "snapshot", "import", str(file), *into)
    assert 2 == code
    assert "is not empty" in err


async def test_a_stream_is_set_back_and_goes_on_from_there(data: Path) -> None:
    oldest = (await asyncio.to_thread(kept, data))[-1]
    restore = ("snapshot", "restore", *plant(data), "--offset", str(oldest + 3))
    code, _, err = await asyncio.to_thread(run, *restore)
    assert 2 == code
    assert "--yes" in err
    assert "its producers: gw to" in err
    code, out, err = await asyncio.to_thread(run, *restore, "--yes")
    assert 0 == code, err
    seq = oldest + 2
    assert f"goes back from offset {TAIL} to {oldest + 3}" in err
    assert re.search(rf"gw to epoch \d+, seq {seq}\n", err)
    (backup,) = (data / "backups").iterdir()
    assert str(backup) in out
    async with server_on(data) as server, client_of(server) as client:
        async with client.stream(producer="gw", streams=["plant"]) as session:
            ack = await session.send(batches()[seq], stream="plant")
            assert (SIZE, False) == (ack.accepted, bool(ack.duplicate))
            status = await client.get_algorithm_status("plant")
            assert (seq + 1) * SIZE == status.total_points_processed
    assert TAIL == (await told_meanwhile("replay", *plant(backup)))["to"]


async def test_a_stream_cannot_be_set_back_beneath_a_server(data: Path) -> None:
    async with server_on(data) as server:
        code, _, err = await asyncio.to_thread(
            run, *("snapshot", "restore", *plant(data), "--offset", "50", "--yes")
        )
    assert 1 == code
    assert f"in use by another server (process {server.process.pid})" in err


# Damage


def damage(data: Path, offset: int) -> None:
    """Change a byte of an entry of `plant`."""
    with database(data) as connection:
        connection.execute(
            "UPDATE journal SET payload=CAST(substr(payload, 1, 60) || x'00' ||"
            " substr(payload, 62) AS BLOB) WHERE offset=?",
            (offset,),
        )


async def test_a_damaged_stream_is_refused_and_the_others_are_served(
    data: Path,
) -> None:
    damage(data, (await asyncio.to_thread(kept, data))[0] + 2)
    flags = ("--metrics-port", "0")
    async with server_on(data, *flags) as server, client_of(server) as client:
        for ask in (client.get_algorithm_status, client.get_clusters):
            with pytest.raises(NcsClientError, match="stream_damaged"):
                await ask("plant")
        with pytest.raises(NcsClientError, match="stream_damaged"):
            await client.process_points([[1.0, 2.0, 3.0]], stream="plant")
        async with client.stream(producer="gw") as session:
            assert not (await session.send(batches(1)[0], stream="other")).duplicate
        status = await client.get_algorithm_status("other")
        assert 2 * SIZE == status.total_points_processed
        ready = await get(server.url + "/readyz")
        assert (200, {"status": "degraded", "streams_damaged": 1}) == (
            ready[0],
            orjson.loads(ready[1]),
        )
        health = await health_of(server)
        assert (200, "degraded") == (health["code"], health["status"])
        assert "plant" not in str(health)
        assert ["other", "plant"] == orjson.loads(
            (await get(server.url + "/api/v1/streams", token()))[1]
        )
        _, scrape = await get(f"http://127.0.0.1:{server.metrics_port}/metrics")
        assert "ncs_streams_damaged 1.0" in scrape


async def test_a_damaged_stream_answers_a_socket_with_a_code_and_nothing_untrue(
    data: Path,
) -> None:
    damage(data, (await asyncio.to_thread(kept, data))[0] + 2)
    async with server_on(data) as server:
        async with Socket.to(server, credential=token(), producer="gw") as socket:
            for question in (
                Points(seq=1, stream="plant", points=[[1.0, 2.0, 3.0]]),
                Subscribe(id="1", stream="plant"),
                Status(id="2", stream="plant"),
            ):
                await socket.send(question)
                answer = await socket.receive()
                assert isinstance(answer, Error)
                assert ("stream_damaged", "reconnect") == (answer.code, answer.retry)
        # "You are at 0" would have a gateway send again what is in the journal.
        async with Socket.to(server) as socket:
            await socket.send(Hello(token=token(), producer="gw", streams=["plant"]))
            answer = await socket.receive()
            assert isinstance(answer, Error)
            assert "stream_damaged" == answer.code
            assert (Code.STREAM_DAMAGED.close_code) == (await socket.closed())[0]


async def test_the_log_tells_how_to_mend_a_damaged_stream(data: Path) -> None:
    offset = (await asyncio.to_thread(kept, data))[0] + 2
    damage(data, offset)
    async with server_on(data) as server:
        log = next(line for line in server.lines if b"stream_refused" in line)
    said = orjson.loads(log)
    assert ("error", "acme", "plant", offset, "journal_entry_damaged") == tuple(
        said[name] for name in ("level", "tenant", "stream", "offset", "code")
    )
    assert f"{data}/ncs.db" in said["error"]
    advice = "ncs snapshot restore --tenant acme --stream plant --offset"
    advice += f" {offset - 1}"
    assert advice in said["error"]
    code, _, err = await asyncio.to_thread(
        run, *advice.split()[1:], "--yes", "--data-dir", str(data)
    )
    assert 0 == code, err
    async with server_on(data) as server, client_of(server) as client:
        status = await client.get_algorithm_status("plant")
        assert (offset - 2) * SIZE == status.total_points_processed
        assert (200, '{"status":"ready"}') == await get(server.url + "/readyz")


async def test_a_database_that_was_cut_off_is_told(data: Path) -> None:
    with database(data) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    file = data / "ncs.db"
    file.write_bytes(file.read_bytes()[:40_000])
    words = ("serve", "--port", "0", "--metrics-port", "off", "--data-dir", str(data))
    code, _, err = await ncs(*words)
    assert 1 == code
    assert f"store_damaged: {file}" in err
    assert "backup" in err
    assert "Traceback" not in err


async def test_a_gateway_keeps_what_it_has_for_a_damaged_stream_until_it_is_mended(
    data: Path, tmp_path: Path
) -> None:
    at = (await asyncio.to_thread(kept, data))[0] + 2
    damage(data, at)
    port = free_port()
    gateway = GatewayClient(
        f"http://127.0.0.1:{port}",
        token=token(),
        producer="gateway",
        spool_dir=tmp_path / "spool",
        stream="plant",
        backoff=lambda: Backoff(longest_s=0.2),
    )
    async with gateway:
        async with server_on(data, port=port):
            await gateway.push(batches(1)[0])
            await wait_until(lambda: "is damaged" in (gateway.stats().failure or ""))
        words = ("--offset", str(at - 1), "--yes", *plant(data))
        assert 0 == (await asyncio.to_thread(run, "snapshot", "restore", *words))[0]
        async with server_on(data, port=port) as server, client_of(server) as client:
            await gateway.flush(30)
            status = await client.get_algorithm_status("plant")
    assert (at - 1) * SIZE == status.total_points_processed
