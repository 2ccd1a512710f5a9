import asyncio
import signal
from pathlib import Path

import orjson
import psutil
import pytest
from commands import ncs, start
from real_server import client_of, free_port, server_on, token, wait_until

from ncs_client import AsyncNCSClient, RefusedError
from ncs_engine import kernel_info
from ncs_streamer.processes import ServerProcess

pytestmark = pytest.mark.integration

CSV = "time,temperature,pressure\n" + "".join(
    f"12:{i:02d},{20 + i % 3 * 10}.5,{1000 + i % 3 * 50}\n" for i in range(60)
)


async def test_push_replays_the_numeric_columns_of_a_csv_file(tmp_path: Path) -> None:
    file = tmp_path / "sensors.csv"
    file.write_text(CSV)
    async with server_on(tmp_path / "data") as server, client_of(server) as client:
        at = ("--url", server.url, "--stream", "csv")
        code, out, err = await ncs("push", str(file), *at, NCS_API_KEY=token())
        assert (0, "60 points are in the model; 0 lines left out\n") == (code, out), err
        clusters = await client.get_clusters("csv")
    assert 60 == sum(cluster.size for cluster in clusters)
    assert {2} == {len(cluster.centroid) for cluster in clusters}


async def test_push_reads_a_pipe_and_names_the_lines_it_leaves_out(
    tmp_path: Path,
) -> None:
    lines = "1.0,2.0\n3.0,oops\n4.0\n5.0,6.0\n"
    async with server_on(tmp_path) as server:
        code, out, err = await ncs(
            "push", "-", "--url", server.url, stdin=lines, NCS_API_KEY=token()
        )
    assert (1, "2 points are in the model; 2 lines left out\n") == (code, out)
    assert "line 2 left out: could not convert string to float: 'oops'" in err
    assert "line 3 left out: 1 columns, needs 2" in err


async def push(server: ServerProcess, lines: str, *words: str) -> tuple[int, str, str]:
    words = ("push", "-", "--url", server.url, *words)
    return await ncs(*words, stdin=lines, NCS_API_KEY=token())


async def test_push_leaves_out_what_is_no_finite_number(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        code, out, err = await push(server, "1,2\nnan,2\n,3\n4,inf\n5,6\n")
    assert (1, "2 points are in the model; 3 lines left out\n") == (code, out)
    assert "line 2 left out: a value is not finite" in err


async def test_push_names_the_lines_that_the_server_refuses(tmp_path: Path) -> None:
    lines = "".join(f"{1e9 if i == 15 else i},2\n" for i in range(1, 31))
    async with server_on(tmp_path) as server:
        code, out, err = await push(server, lines, "--batch", "10")
    assert (1, "20 points are in the model; 0 lines left out\n") == (code, out)
    assert "ncs: lines 11 to 20: out_of_range: Point 4 has 1e+09" in err


async def test_push_with_a_spool_begins_before_the_server_is_there(
    tmp_path: Path,
) -> None:
    port = free_port()
    words = ("push", "-", "--url", f"http://127.0.0.1:{port}", "--batch", "10")
    spooled = ("--spool", str(tmp_path / "spool"), "--producer", "plant-7")
    lines = "".join(f"{i % 3},2\n" for i in range(100))
    pushing = asyncio.create_task(
        ncs(*words, *spooled, stdin=lines, NCS_API_KEY=token())
    )
    await wait_until((tmp_path / "spool" / "backfill" / "lock").exists)
    async with server_on(tmp_path / "data", port=port) as server:
        code, out, err = await pushing
        assert (0, "100 points are in the model; 0 lines left out\n") == (code, out), (
            err
        )
        async with client_of(server) as client:
            status = await client.get_algorithm_status("default")
    assert 100 == status.total_points_processed


async def test_push_with_a_spool_says_what_the_server_refused(tmp_path: Path) -> None:
    async with server_on(tmp_path / "data") as server:
        async with client_of(server) as client:
            await client.process_points([[1.0, 2.0, 3.0]], stream="default")
        spooled = ("--spool", str(tmp_path / "spool"), "--producer", "plant-7")
        code, _, err = await push(server, "1,2\n" * 10, *spooled)
    assert 1 == code
    assert "ncs: batches lost: 1 refused; the first for dimension_mismatch: " in err


async def test_push_with_a_spool_wants_a_producer(tmp_path: Path) -> None:
    spooled = ("--spool", str(tmp_path / "spool"))
    code, _, err = await ncs("push", "-", *spooled, NCS_API_KEY=token())
    assert 1 == code
    assert "--spool needs --producer" in err


async def test_push_tells_which_columns_it_takes(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        _, out, err = await push(server, "a,name,b\n,x,2\n3,y,4\n")
    assert "columns: a, b (left out: name)" in err
    assert "1 point is in the model; 1 line left out\n" == out


@pytest.mark.parametrize("lines", ["", "a,b\n"])
async def test_push_of_nothing_says_so(tmp_path: Path, lines: str) -> None:
    code, _, err = await ncs("push", "-", "--key", "x", stdin=lines)
    assert (1, "ncs: there is no row of data\n") == (code, err)


async def test_push_of_what_is_no_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"1,2\n3,\xe9\n")
    code, _, err = await ncs("push", "x.csv", "--key", "x", cwd=tmp_path)
    assert 1 == code
    assert "x.csv is not UTF-8 text" in err


async def test_push_sends_what_a_slow_pipe_gave_and_stops_on_interrupt(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        process = await start("push", "-", "--url", server.url, NCS_API_KEY=token())
        assert process.stdin is not None
        process.stdin.write(b"1,2\n3,4\n")
        async with asyncio.timeout(20):
            while 2 != (await client.get_algorithm_status()).total_points_processed:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)  # while it waits for more
        async with asyncio.timeout(10):
            out, err = await process.communicate()
    assert 130 == process.returncode
    assert b"2 points are in the model" in out
    assert b"Traceback" not in err


async def test_push_takes_the_columns_that_are_named(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        await ncs(
            *("push", "-", "--url", server.url, "--columns", "pressure"),
            stdin=CSV,
            NCS_API_KEY=token(),
        )
        assert 1 == (await client.get_algorithm_status()).dimension


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push", "nowhere.csv", "--key", "x"), "nowhere.csv"),
        (("push", "-", "--key", "x", "--url", "http://127.0.0.1:9"), "127.0.0.1:9"),
        (("tail",), "no credential: give --key or set NCS_API_KEY"),
        (("tail", "--key", "x", "--events", "gossip"), "'gossip' is no event"),
        (("tail", "--key", "x", "--clusters", "a,b"), "--clusters 'a,b'"),
        (("tail", "--key", "x", "--since", "now"), "'now' is not what"),
        (("token", "--scopes", "all"), "'all' is no scope"),
        (("serve", "--port", "100000"), "100000 is no port"),
        (("push", "-", "--key", "x", "--url", "127.0.0.1:9"), "like http://host:port"),
        (("push", "-", "--key", "x", "--rate", "0"), "0 is not above 0"),
        (("push", "-", "--key", "x", "--columns", "3"), "no column '3', there are 2"),
        (("bench", "ingest", "--seconds", "0"), "0 is not above 0"),
        (("bench", "ingest", "--frames", "1,a"), "'a' is no whole number"),
        (("bench", "events", "--subscribers", "0"), "0 is not above 0"),
        (("demo", "--rate", "-1"), "-1 is not above 0"),
        (("token", "--minutes", "0"), "0 is not above 0"),
        (("keys", "create", "x", "--days", "-1"), "-1 is not above 0"),
    ],
)
async def test_a_mistake_is_one_sentence_and_an_exit_code(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    code, _, err = await ncs(*words, stdin="1,2\n", cwd=tmp_path)
    assert 0 != code
    assert said in err
    assert "Traceback" not in err


async def test_tail_prints_events_as_json_lines(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        tail = await start(
            *("tail", "--url", server.url, "--json", "--limit", "3"),
            *("--events", "cluster_update"),
            NCS_API_KEY=token(),
        )
        assert tail.stdout is not None
        first = orjson.loads(await tail.stdout.readline())
        assert "subscribed" == first["type"]
        await client.process_points([[1.0, 2.0], [30.0, 40.0]])
        async with asyncio.timeout(20):
            rest = [orjson.loads(await tail.stdout.readline()) for _ in range(3)]
            assert 0 == await tail.wait()
    assert {"cluster_update"} == {event["type"] for event in rest}
    assert ["created", "created"] == [event["data"]["change"] for event in rest[:2]]


async def test_tail_asks_for_what_is_wanted(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        tail = await start(
            *("tail", "--url", server.url, "--json", "--limit", "3"),
            *("--events", "cluster_update", "--clusters", "0", "--no-centroids"),
            *("--max-hz", "50", "--min-growth", "0.5", "--min-move", "1e6"),
            NCS_API_KEY=token(),
        )
        assert tail.stdout is not None
        await tail.stdout.readline()
        async with client.stream() as session:
            for _ in range(8):
                await session.send([[1.0, 2.0], [30.0, 40.0]] * 3)
                await asyncio.sleep(0.05)
        async with asyncio.timeout(20):
            events = [orjson.loads(await tail.stdout.readline()) for _ in range(3)]
            assert 0 == await tail.wait()
    assert [0, 0, 0] == [event["key"] for event in events]
    assert {None} == {event["data"].get("centroid") for event in events}
    created, *updates = (event["data"]["size"] for event in events)
    assert updates[1] > 1.5 * updates[0] >= 1.5 * created


async def test_tail_prints_a_line_for_a_person_and_goes_on_after_an_interrupt(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        words = ("tail", "--url", server.url)
        tail = await start(*words, NCS_API_KEY=token())
        assert tail.stdout is not None and tail.stderr is not None
        assert b"snapshot   0 clusters" in await tail.stdout.readline()
        await client.process_points([[1.0, 2.0]])
        assert b"created    cluster 0, size 1" in await tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert 130 == await tail.wait()
            *_, since = (await tail.stderr.read()).decode().split("to go on from here:")
        await client.process_points([[100.0, 200.0]])
        again = (*words, *since.split(), "--limit", "1")
        code, out, _ = await ncs(*again, NCS_API_KEY=token())
    assert 0 == code
    resumed, missed = out.splitlines()
    assert "resumed" in resumed
    assert "created    cluster 1, size 1" in missed


async def test_users_log_in_until_they_are_disabled(tmp_path: Path) -> None:
    at = ("--data-dir", str(tmp_path))
    async with server_on(tmp_path) as server, client_of(server) as client:
        add = ("users", "add", "alice", "--role", "producer", *at)
        assert 0 == (await ncs(*add, stdin="correct horse\n"))[0]
        assert 1 == (await ncs(*add, stdin="correct horse\n"))[0]
        await client.login("alice", "correct horse")
        _, listed, _ = await ncs("users", "list", *at)
        assert "alice                producer   tenant default" in listed
        await ncs("users", "password", "alice", *at, stdin="battery staple\n")
        with pytest.raises(RefusedError, match="login_failed"):
            await client.login("alice", "correct horse")
        await client.login("alice", "battery staple")
        await ncs("users", "disable", "alice", *at)
        with pytest.raises(RefusedError, match="user_not_found"):
            await client.get_clusters()
        await ncs("users", "enable", "alice", *at)
        assert [] == await client.get_clusters()
        await ncs("users", "remove", "alice", *at)
        with pytest.raises(RefusedError, match="user_not_found"):
            await client.get_clusters()


async def test_a_short_password_is_refused(tmp_path: Path) -> None:
    code, _, err = await ncs(
        "users", "add", "bob", "--data-dir", str(tmp_path), stdin="short\n"
    )
    assert 1 == code
    assert "at least 8 characters" in err


async def test_keys_are_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    at = ("--data-dir", str(tmp_path))
    async with server_on(tmp_path) as server, client_of(server) as client:
        _, key, _ = await ncs("keys", "create", "gw", "--scopes", "read", *at)
        client.use_token(key.strip())
        assert [] == await client.get_clusters()
        _, listed, _ = await ncs("keys", "list", *at)
        assert key.strip() not in listed
        key_id = listed.split()[0]
        assert 0 == (await ncs("keys", "revoke", key_id, *at))[0]
        with pytest.raises(RefusedError, match="key_invalid"):
            await client.get_clusters()
        assert "revoked" in (await ncs("keys", "list", *at))[1]


async def test_a_token_of_the_command_is_good_at_the_server(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        _, made, _ = await ncs(
            "token", "--tenant", "umbrella", "--scopes", "read,write"
        )
        client.use_token(made.strip())
        await client.process_points([[1.0]])
        client.use_token(token("acme"))
        assert [] == await client.get_clusters()


async def test_config_show_names_the_source_of_every_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NCS_MAX_CLUSTERS=30\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("learning_rate: 0.1\n")
    code, out, err = await ncs(
        *("config", "show", "--json", "--outbox-kb", "99"), cwd=tmp_path, PORT="8001"
    )
    assert 0 == code, err
    shown = orjson.loads(out)
    sources = {name: (row["value"], row["source"]) for name, row in shown.items()}
    assert (99, "flag --outbox-kb") == sources["outbox_kb"]
    assert (8001, "environment PORT") == sources["port"]
    assert (30, ".env NCS_MAX_CLUSTERS") == sources["max_clusters"]
    assert (0.1, "file config/config.yaml") == sources["learning_rate"]
    assert (20.0, "default") == sources["heartbeat_s"]
    assert ("***", "environment SECRET_KEY") == sources["secret_key"]
    assert str(kernel_info()) == sources["engine_kernel"][0]


async def test_the_server_starts_in_any_folder(tmp_path: Path) -> None:
    server = await start(
        *("serve", "--port", "0", "--metrics-port", "0", "--log-format", "json"),
        cwd=tmp_path,
    )
    assert server.stdout is not None
    async with asyncio.timeout(20):
        while b'"event": "serving"' not in (await server.stdout.readline()):
            pass
    server.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        assert 0 == await server.wait()
    assert (tmp_path / "data" / "ncs.db").exists()


@pytest.mark.performance
@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("ingest", "--frames", "1,50"), {"points_per_second", "p95_latency_ms"}),
        (("events", "--rate", "500"), {"p50_latency_ms", "p99_latency_ms"}),
    ],
)
async def test_bench_measures_and_reports_as_json(
    words: tuple[str, ...], keys: set[str]
) -> None:
    code, out, err = await ncs("bench", *words, "--seconds", "0.5", "--json")
    assert 0 == code, err
    report = orjson.loads(out)
    assert report["rows"]
    for row in report["rows"]:
        assert keys <= row.keys()
        assert all(row[key] > 0 for key in keys)


def children_of(process: asyncio.subprocess.Process) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


async def test_the_demo_ends_when_its_server_does(tmp_path: Path) -> None:
    demo = await start("demo", "--port", "0", cwd=tmp_path)
    assert demo.stdout is not None
    async with asyncio.timeout(60):
        while b"Dashboard" not in await demo.stdout.readline():
            pass
        children_of(demo)[0].kill()
        _, err = await demo.communicate()
    assert 1 == demo.returncode
    assert b"the server ended by itself; see data/demo/server.log" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_a_demo_that_is_ended_while_it_starts_leaves_no_server(
    tmp_path: Path, number: signal.Signals
) -> None:
    demo = await start("demo", "--port", "0", cwd=tmp_path)
    await wait_until(lambda: children_of(demo), every_s=0.001)
    (server,) = children_of(demo)
    demo.send_signal(number)
    async with asyncio.timeout(30):
        await demo.communicate()
    await wait_until(lambda: not server.is_running())


async def test_the_demo_streams_both_inputs_and_stops_cleanly(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    demo = await start("demo", "--port", "0", "--data-dir", str(data), cwd=tmp_path)
    lines: list[str] = []

    async def read() -> None:
        assert demo.stdout is not None
        async for line in demo.stdout:
            lines.append(line.decode())

    reading = asyncio.create_task(read())
    await wait_until(lambda: sum("points/s" in line for line in lines) >= 2, 40)
    demo.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        assert 0 == await demo.wait()
    await reading
    said = "".join(lines)
    assert "/#key=nck_dev_" in said
    assert "machine" in said
    assert "plant" in said
    assert f"everything acknowledged is in {data}" in said
    log = (data / "server.log").read_text()
    assert '"event": "stopped"' in log
    assert '"level": "error"' not in log


async def test_shadow_prints_what_other_parameters_would_make_of_a_stream(
    tmp_path: Path,
) -> None:
    async with server_on(tmp_path) as server, client_of(server) as client:
        points = [[float(i % 3 * 20), float(i % 7)] for i in range(600)]
        await client.process_points(points, stream="live")
        before = await client.get_clusters("live")
        at = ("--url", server.url, "--stream", "live")
        words = ("shadow", "max_clusters=1,2", "--preset", "streaming_iot", *at)
        code, out, err = await ncs(*words, NCS_API_KEY=token())
        assert 0 == code, err
        assert "stream live: the last 600 points, offsets 1 to 2\n" in out
        rows = [line.split() for line in out.splitlines()[4:8]]
        names = ["in", "max_clusters=1", "max_clusters=2", "streaming_iot"]
        assert names == [row[0] for row in rows]
        assert [str(len(before)), "1"] == [rows[0][2], rows[1][1]]
        code, out, _ = await ncs(*words, "--json", NCS_API_KEY=token())
        assert 1 == len(orjson.loads(out)["configurations"][0]["cluster_summaries"])
        assert before == await client.get_clusters("live")


async def test_shadow_says_what_is_wrong(tmp_path: Path) -> None:
    async with server_on(tmp_path) as server:
        at = ("--url", server.url)
        code, _, err = await ncs("shadow", "vigour=1", *at, NCS_API_KEY=token())
        assert (1, True) == (code, "unknown parameter 'vigour'" in err)
        code, _, err = await ncs("shadow", "vigour", *at, NCS_API_KEY=token())
        assert (2, True) == (code, "'vigour' is not like base_threshold=0.8" in err)
        code, _, err = await ncs("shadow", *at, NCS_API_KEY=token())
        assert (1, True) == (code, "nothing to try" in err)


async def test_the_demo_of_a_cluster_shows_it_and_ends_with_all_of_it(
    tmp_path: Path,
) -> None:
    demo = await start("demo", "--nodes", "2", "--port", "0", cwd=tmp_path)
    assert demo.stdout is not None
    try:
        while b"ncs nodes --store " not in (line := await demo.stdout.readline()):
            assert line
        store = line.decode().split()[-1]
        advice = (await demo.stdout.readline()).decode().partition("ncs ")[2]
        at = (await demo.stdout.readline()).decode().partition("--url ")[2].strip()
        code, key, _ = await ncs(*advice.split(), cwd=tmp_path)
        assert code == 0
        async with AsyncNCSClient(at, key.strip()) as client:
            await client.process_points([[1.0, 2.0]], stream="mine")
        code, out, _ = await ncs("streams", "--store", store, "list", "--tenant", "no")
        assert (code, out.strip()) == (0, "")
        code, out, _ = await ncs("nodes", "--json", "--store", store)
        assert code == 0
        assert [row["node"] for row in orjson.loads(out)] == ["node-1", "node-2"]
        while b"points/s" not in (line := await demo.stdout.readline()):
            assert line
        owned = await owner_of(store, "plant")
        other = "node-2" if owned == "node-1" else "node-1"
        for command in (("streams", "move", "plant", other), ("drain", other)):
            code, _, err = await ncs(*command, "--store", store, cwd=tmp_path)
            assert (code, err) == (0, "")
        assert await owner_of(store, "plant") == owned
        code, out, _ = await ncs("nodes", "--json", "--store", store)
        draining = {row["node"]: row["draining"] for row in orjson.loads(out)}
        assert draining == {owned: False, other: True}
        for command, why in (
            (("streams", "move", "plant", other), f"{other} is being drained"),
            (("drain", owned), f"nobody could take what {owned} has"),
        ):
            code, _, err = await ncs(*command, "--store", store, cwd=tmp_path)
            assert (code, why in err) == (2, True)
    finally:
        demo.send_signal(signal.SIGINT)
        await demo.communicate()
    assert demo.returncode == 0


async def owner_of(store: str, stream: str) -> str:
    code, out, _ = await ncs("streams", "--json", "--store", store)
    assert code == 0
    return next(row["owner"] for row in orjson.loads(out) if row["stream"] == stream)
