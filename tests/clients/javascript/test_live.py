"""The JavaScript SDK against real servers that are killed, drained and cut off."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from node_program import SDK, NodeProgram, node
from real_server import client_of, free_port, server_on, token

from ncs_streamer.processes import ServerProcess
from ncs_streamer.verify.proxy import Proxy

pytestmark = pytest.mark.integration

GATEWAY = SDK / "tests" / "live" / "gateway.js"
OTHERS = SDK / "tests" / "live" / "samples_and_presence.js"
SLOW_READER = SDK / "tests" / "live" / "slow_reader.js"


async def acked(program: NodeProgram, more: int) -> None:
    """Wait until so many points more have been acknowledged."""
    enough = program.last("acked", 0) + more
    await program.until(lambda: program.last("acked", 0) >= enough)


async def asked(program: NodeProgram, times: int) -> None:
    """Wait until it has asked for a token so many times."""
    await program.until(lambda: len(program.all("wants")) >= times)


async def finish(program: NodeProgram, server: ServerProcess) -> None:
    """Stop it, and compare what it was told with what the server has."""
    program.tell("stop")
    await program.until(lambda: program.last("pushed"))
    async with client_of(server) as client:
        status = await client.get_algorithm_status("s")
        assert program.last("pushed") == status.total_points_processed
    await agree(program, server)
    assert 0 == await program.ended()
    assert 0 == program.last("gaps")
    assert "ended" == program.last("state")
    assert "null" == program.last("closed")
    assert_lossless_once(program.said)


async def agree(program: NodeProgram, server: ServerProcess) -> None:
    """Wait until its copy of the clusters is what the server has."""
    async with client_of(server) as client:
        clusters = {c.cluster_id: c for c in await client.get_clusters("s")}
    assert len(clusters) >= 3

    def agrees() -> bool:
        program.tell("view")
        copy = {c["cluster_id"]: c for c in program.last("clusters", [])}
        # Age and what depends on it go on while nothing is told of a cluster.
        names = ("size", "centroid", "radius")
        return copy.keys() == clusters.keys() and all(
            copy[id][name] == getattr(cluster, name)
            for id, cluster in clusters.items()
            for name in names
        )

    await program.until(agrees)


def assert_lossless_once(said: list[dict[str, Any]]) -> None:
    """Every lossless event came once and in order, or a snapshot said it did not."""
    last = None
    for line in said:
        if "snapshot" in line:
            last = (line["epoch"], line["snapshot"])
        elif "lossless" in line:
            assert last is not None
            assert (line["epoch"], line["lossless"]) == (last[0], last[1] + 1)
            last = (line["epoch"], line["lossless"])


async def test_a_server_that_is_killed_in_mid_stream_costs_nothing(
    tmp_path: Path,
) -> None:
    port = free_port()
    server = server_on(tmp_path, port=port)
    await server.start()
    async with node(GATEWAY, NCS_URL=server.url, NCS_TOKEN=token()) as program:
        for _ in range(2):
            await acked(program, 200)
            await server.kill()
            server = server_on(tmp_path, port=port)
            await server.start()
        await acked(program, 200)
        await finish(program, server)
    assert len(program.all("reconnect")) >= 2
    await server.stop()


@pytest.mark.parametrize("pushing", [False, True], ids=["idle", "pushing"])
async def test_a_server_that_drains_is_come_back_to(
    tmp_path: Path, pushing: bool
) -> None:
    port = free_port()
    server = server_on(tmp_path, port=port)
    await server.start()
    async with node(GATEWAY, NCS_URL=server.url, NCS_TOKEN=token()) as program:
        await acked(program, 200)
        if not pushing:
            program.tell("hold")
            await quiet(program)
        assert 0 == await server.stop()
        await program.until(lambda: "waiting" in program.all("state"))
        if not pushing:
            # To one that is pushing it may get lost: what the server has not read when
            # it closes resets the connection, and with it goes what it has said.
            assert "draining" in program.all("state")
        server = server_on(tmp_path, port=port)
        await server.start()
        program.tell("go on")
        await acked(program, 200)
        await finish(program, server)
    await server.stop()


async def quiet(program: NodeProgram) -> None:
    """Wait until nothing waits for its ack."""

    def is_quiet() -> bool:
        program.tell("view")
        return program.last("waiting") == 0

    await program.until(is_quiet)


@pytest.mark.parametrize("fault", ["lose points", "double points", "lose acks"])
async def test_frames_that_are_lost_or_doubled_are_not_lost_or_counted_twice(
    tmp_path: Path, fault: str
) -> None:
    async with (
        server_on(tmp_path) as server,
        Proxy(lambda: server.url, random.Random(1)) as proxy,
        node(
            GATEWAY,
            NCS_URL=proxy.url,
            NCS_TOKEN=token(),
            NCS_CODEC="json",
            NCS_FAULT=fault,
        ) as program,
    ):
        for _ in range(2):
            await acked(program, 150)
            proxy.cut()
        await acked(program, 150)
        await finish(program, server)


async def test_a_line_that_goes_silent_is_noticed_and_left(tmp_path: Path) -> None:
    async with (
        server_on(tmp_path, "--heartbeat-s", "1.5") as server,
        Proxy(lambda: server.url, random.Random(1)) as proxy,
        node(GATEWAY, NCS_URL=proxy.url, NCS_TOKEN=token()) as program,
    ):
        await acked(program, 100)
        proxy.swallow()
        await program.until(lambda: program.last("reconnect"))
        proxy.heal()
        await acked(program, 100)
        await finish(program, server)


async def test_tokens_that_expire_are_replaced_in_mid_stream(tmp_path: Path) -> None:
    async with (
        server_on(tmp_path) as server,
        node(GATEWAY, NCS_URL=server.url) as program,
    ):
        for given in range(4):
            await asked(program, given + 1)
            program.tell({"token": token(lifetime_s=1.0 + given)})
        await acked(program, 100)
        assert "expiring" in program.all("wants")
        program.tell({"token": token()})
        await finish(program, server)


async def test_a_second_program_of_the_same_name_ends_the_first(tmp_path: Path) -> None:
    env = {"NCS_TOKEN": token(), "NCS_PRODUCER": "one"}
    async with (
        server_on(tmp_path) as server,
        node(GATEWAY, NCS_URL=server.url, **env) as first,
    ):
        await acked(first, 20)
        first.tell("hold")  # one that is sending may be reset before it can be told
        await quiet(first)
        async with node(GATEWAY, NCS_URL=server.url, **env) as second:
            await acked(second, 20)
            async with asyncio.timeout(60):
                await first.process.wait()  # by the error of its subscription
            assert 0 != await first.ended()
    assert "producer_replaced" in first.last("closed")


async def test_a_slow_reader_is_told_what_it_misses_and_its_copy_is_exact_again(
    tmp_path: Path,
) -> None:
    flags = ("--lagging-s", "0.1", "--skipping-s", "0.3")
    async with (
        server_on(tmp_path, *flags) as server,
        client_of(server) as client,
        client.stream(streams=["s"]) as session,
        node(SLOW_READER, NCS_URL=server.url, NCS_TOKEN=token()) as program,
    ):
        n = 0
        while "skipping" not in program.all("lagging"):
            n += 1
            await session.send([[i % 4 * 30 + n % 7 / 7, n % 5] for i in range(40)],
                               stream="s")  # fmt: skip
            assert program.process.returncode is None
        assert [] == program.all("snapshot")
        program.tell("read")
        await program.until(lambda: program.all("caughtup"))
        assert 2 == len(program.all("snapshot"))  # the second one in mid-stream
        await agree(program, server)
        assert_lossless_once(program.said)
        assert [True] == program.all("bare")
        assert [] == program.all("state")  # it was the same connection all the time
        assert 0 == await program.ended()


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_samples_of_points_and_presence_are_followed(
    tmp_path: Path, codec: str
) -> None:
    async with (
        server_on(tmp_path) as server,
        node(OTHERS, NCS_URL=server.url, NCS_TOKEN=token(), NCS_CODEC=codec) as program,
    ):
        async with asyncio.timeout(60):
            await program.process.wait()
        assert 0 == await program.ended()
    samples = program.all("sample")
    shown = [value for sample in samples for value in sample["points"]["data"]]
    assert {(n, -n) for n in range(6)} == {*zip(shown[::2], shown[1::2], strict=True)}
    assert 6 == sum(sample["learned"] for sample in samples)
    for sample in samples:
        count = sample["learned"]
        assert {
            "points": ("Float32Array", [count, 2]),
            "cluster_ids": ("Int32Array", [count]),
            "is_outlier": ("Uint8Array", [count]),
        }.items() <= {
            name: (value["type"], value["shape"])
            for name, value in sample.items()
            if isinstance(value, dict)
        }.items()
    components = [sample["components"]["data"] for sample in samples
                  if "components" in sample]  # fmt: skip
    assert [[1, 0, 0, 0, 0, 1]] == components
    (gateway,) = program.all("presence")[-1]["gateways"]
    assert ("plant-7", True, 6) == (
        gateway["producer"], gateway["is_connected"], gateway["last_seq"],
    )  # fmt: skip
