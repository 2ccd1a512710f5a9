"""The server under every fault: acked = applied, each once. `make chaos` is longer."""

import asyncio
import secrets
import signal
import sys
from pathlib import Path

import jumping_clock
import orjson
import psutil
import pytest
from commands import ncs, start

from ncs_streamer.verify.drive import STREAM
from ncs_streamer.verify.faults import KINDS, REDIS_KINDS
from ncs_streamer.verify.run import Plan, verify
from ncs_streamer.verify.witness import journal_of

pytestmark = pytest.mark.chaos


@pytest.mark.timeout(330)
async def test_every_fault_leaves_every_point_where_it_belongs() -> None:
    flags = ("--seconds", "3", "--kills", "4", "--producers", "3", "--json")
    code, out, err = await ncs("verify", *flags, within_s=300.0)
    assert 0 == code, out + err
    report = orjson.loads(out)
    assert f"seed {report['seed']}" in err
    assert set(KINDS) == {name.split()[0] for name in report["faults"]}
    assert 4 == report["faults"]["kill"] + report["faults"].get("kill starting", 0)
    assert report["kills_under_load"]
    assert 0 < report["acked"] <= report["applied"] <= report["sent"]
    assert report["sent"] - report["applied"] <= report["in_doubt"]
    assert 0 < report["duplicates_refused"] <= report["offered_again"]
    assert report["events"] and report["ack_ms"]["p99"] and report["recovery_ms"]["p50"]


@pytest.mark.timeout(330)
async def test_a_store_in_redis_holds_too_and_with_its_redis_killed() -> None:
    flags = ("--seconds", "3", "--kills", "2", "--producers", "3", "--json")
    code, out, err = await ncs("verify", "--store", "redis", *flags, within_s=300.0)
    assert 0 == code, out + err
    report = orjson.loads(out)
    assert set(REDIS_KINDS) == {name.split()[0] for name in report["faults"]}
    assert report["faults"]["redis deadly"]
    assert 0 < report["acked"] <= report["applied"] <= report["sent"]
    assert report["sent"] - report["applied"] <= report["in_doubt"]


@pytest.mark.timeout(330)
async def test_several_nodes_hold_too_whichever_of_them_is_met() -> None:
    flags = ["--store", "redis", "--nodes", "3", "--seconds", "2", "--kills", "2"]
    flags += ["--faults", "kill,drain,stop", "--producers", "3", "--json"]
    code, out, err = await ncs("verify", *flags, within_s=300.0)
    assert 0 == code, out + err
    report = orjson.loads(out)
    assert {"kill": 2, "drain": 1, "stop": 1} == report["faults"]
    assert 0 < report["acked"] <= report["applied"] <= report["sent"]
    assert 0 == report["in_doubt"] and report["events"]


async def test_several_nodes_need_a_store_that_they_can_share() -> None:
    code, _, err = await ncs("verify", "--nodes", "2")
    assert 2 == code
    assert "--store redis" in err


async def test_a_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    plan = Plan(
        seconds=2.0,
        kills=1,
        producers=2,
        subscribers=1,
        faults=("kill",),
        seed=secrets.randbelow(2**32),
    )
    program = (sys.executable, jumping_clock.__file__)
    report = await verify(plan, tmp_path, program=program)
    assert [] == report.violations, plan
    times = [entry.ingest_ns for _, entry in journal_of(tmp_path, STREAM)]
    assert times != sorted(times), "it did not jump"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_all_that_it_started(
    number: signal.Signals,
) -> None:
    process = await start("verify", "--seconds", "60", "--faults", "gateway")
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while await process.stderr.readline() != b"ncs: gateway\n":
            pass
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        await process.communicate()
    assert process.returncode == 128 + number
    assert started and not [child for child in started if child.is_running()]
