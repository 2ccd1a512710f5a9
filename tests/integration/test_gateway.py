"""Gateways with a spool: killed, cut off, full, and never twice."""

import asyncio
import contextlib
import json
import random
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from gateway_process import Ledger, command
from real_server import (
    client_of,
    free_port,
    journal_of,
    server_on,
    token,
    wait_until,
)

from ncs_client import BatchesLostError, GatewayClient, SpoolError, SpoolOptions
from ncs_client.backoff import Backoff
from ncs_streamer.entry import Entry
from ncs_streamer.processes import ServerProcess

pytestmark = pytest.mark.integration

KILLS = 8
MAX_RSS_MB = 40.0
KEEP_JOURNAL = ("--snapshot-points", "100000000")


def gateway_to(url: str, folder: Path, **changes: Any) -> GatewayClient:
    return GatewayClient(
        url,
        **{
            "token": token(),
            "producer": "gateway",
            "spool_dir": folder,
            "stream": "s",
            "backoff": lambda: Backoff(longest_s=0.2),
            **changes,
        },
    )


def numbers(entries: list[Entry]) -> list[int]:
    return [entry.metadata["n"] for entry in entries if entry.metadata is not None]


def assert_numbers_follow(entries: list[Entry]) -> None:
    """Each producer has one epoch, and in it 1, 2, 3 ..."""
    seqs: dict[str | None, list[int]] = defaultdict(list)
    for entry in entries:
        seqs[entry.producer] += range(entry.from_seq, entry.seq + 1)
    assert all([*range(1, len(s) + 1)] == s for s in seqs.values())
    assert len(seqs) == len({(e.producer, e.producer_epoch) for e in entries})


class Killer:
    """Keeps a gateway and a server running, and kills them."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.more = more
        self.kills = 0
        self.server: ServerProcess
        self.gateway: asyncio.subprocess.Process

    async def start_server(self) -> None:
        data = self.folder / "data"
        self.server = server_on(data, *KEEP_JOURNAL, port=self.port)
        await self.server.start()

    async def start_gateway(self) -> None:
        url = f"http://127.0.0.1:{self.port}"
        self.gateway = await asyncio.create_subprocess_exec(
            *command(url, self.folder, token(), *self.more),
            stdout=asyncio.subprocess.PIPE,
        )

    async def kill_gateway(self) -> None:
        if self.gateway.returncode is None:
            self.gateway.send_signal(signal.SIGKILL)
        await self.gateway.wait()
        self.kills += 1
        await self.start_gateway()

    async def finish(self) -> dict[str, Any]:
        """Let the gateway flush and end; return its statistics."""
        (self.folder / "stop").touch()
        async with asyncio.timeout(60):
            said, _ = await self.gateway.communicate()
        assert 0 == self.gateway.returncode
        stats: dict[str, Any] = json.loads(said)
        return stats


@pytest.mark.parametrize("fsync", ["always", "interval"])
async def test_killed_at_any_moment_every_confirmed_batch_is_in_the_model_once(
    tmp_path: Path, fsync: str
) -> None:
    chance = random.Random(fsync)
    killer = Killer(tmp_path, "--fsync", fsync)
    await killer.start_gateway()
    await asyncio.sleep(0.5)
    await killer.start_server()
    try:
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.0, 0.9))
            what = chance.choice(["gateway", "gateway", "gateway", "server", "both"])
            if what != "gateway":
                await killer.server.kill()
            if what != "server":
                await killer.kill_gateway()
            if what != "gateway":
                await asyncio.sleep(chance.uniform(0.0, 0.5))
                await killer.start_server()
        stats = await killer.finish()
        async with client_of(killer.server) as client:
            status = await client.get_algorithm_status("s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            killer.gateway.kill()
        await killer.server.kill()

    entries = await journal_of(tmp_path / "data")
    ledger = Ledger(tmp_path / "ledger")
    begun, confirmed = ledger.numbers("begun"), ledger.numbers("done")
    applied = Counter(numbers(entries))
    assert len(confirmed) > 20 * KILLS, "there was no load"
    assert confirmed <= applied.keys() <= begun
    assert {1} == set(applied.values())
    assert len(begun - confirmed) <= killer.kills
    assert sum(entry.count for entry in entries) == status.total_points_processed
    assert_numbers_follow(entries)
    assert 0 == stats["depth_batches"]
    assert {} == stats["dropped_batches"]


async def test_after_an_outage_what_is_live_goes_before_the_backlog(
    tmp_path: Path,
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    gateway = gateway_to(url, tmp_path / "spool", drain_bytes_per_s=20_000.0)
    async with gateway:
        for number in range(300):
            await gateway.push([[1.0, 2.0]], metadata={"n": number})
        server = server_on(tmp_path / "data", *KEEP_JOURNAL, port=port)
        await server.start()
        await wait_until(lambda: gateway.stats().is_connected)
        began = time.monotonic()
        for number in range(1000, 1050):
            await gateway.push([[1.0, 2.0]], metadata={"n": number})
        await wait_until(lambda: not gateway.stats().live_batches)
        assert gateway.stats().backfill_batches > 0
        await gateway.flush(30)
        drained_s = time.monotonic() - began
        stats = gateway.stats()
        await server.kill()
    entries = await journal_of(tmp_path / "data")
    order = numbers(entries)
    assert sorted(order) == [*range(300), *range(1000, 1050)]
    assert order.index(1049) < order.index(299)
    live = [entry for entry in entries if entry.producer == "gateway"]
    assert (1, 50) == (live[0].from_seq, live[-1].seq)
    assert drained_s > 0.5, "300 batches of about 90 bytes at 20 kB/s"
    assert stats.clock_offset_s is not None
    assert abs(stats.clock_offset_s) < 0.1
    assert stats.last_acked["gateway.backfill"][1] == 300


async def test_a_spool_that_is_lost_begins_a_new_epoch(tmp_path: Path) -> None:
    async with server_on(tmp_path / "data", *KEEP_JOURNAL) as server:
        for life in range(3):
            async with gateway_to(server.url, tmp_path / "spool") as gateway:
                await wait_until(lambda: gateway.stats().is_connected)
                for number in range(10):
                    n = 10 * life + number
                    await gateway.push([[1.0]], metadata={"n": n})
                await gateway.flush(20)
            shutil.rmtree(tmp_path / "spool")
        await server.kill()
    entries = await journal_of(tmp_path / "data")
    assert [*range(30)] == sorted(numbers(entries))
    assert len({entry.producer_epoch for entry in entries}) >= 3


async def test_a_server_that_forgot_everything_gets_what_is_left(
    tmp_path: Path,
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with gateway_to(url, tmp_path / "spool") as gateway:
        for life in range(3):
            server = server_on(tmp_path / f"data-{life}", *KEEP_JOURNAL, port=port)
            await server.start()
            for number in range(10):
                n = 10 * life + number
                await gateway.push([[1.0]], metadata={"n": n})
            await gateway.flush(20)
            await server.kill()
    for life in range(3):
        found = sorted(numbers(await journal_of(tmp_path / f"data-{life}")))
        assert {*range(10 * life, 10 * life + 10)} <= {*found}
        assert len(found) == len(set(found))


async def test_dropping_the_oldest_leaves_no_gap_that_the_server_refuses(
    tmp_path: Path,
) -> None:
    port = free_port()
    drops: Counter[str] = Counter()
    options = SpoolOptions(
        max_bytes=40_000, segment_bytes=2000, overflow="drop_oldest", fsync="never"
    )

    def dropped(reason: str, batches: int) -> None:
        drops[reason] += batches

    gateway = gateway_to(
        f"http://127.0.0.1:{port}",
        tmp_path / "spool",
        spool=options,
        on_drop=dropped,
        drain_bytes_per_s=None,
    )
    async with gateway:
        for number in range(1000):
            await gateway.push([[1.0, 2.0]], metadata={"n": number})
        assert gateway.stats().depth_bytes <= 40_000
        server = server_on(tmp_path / "data", *KEEP_JOURNAL, port=port)
        await server.start()
        with pytest.raises(BatchesLostError, match=r"lost: \d+ overflow$") as lost:
            await gateway.flush(30)
        assert lost.value.dropped == gateway.stats().dropped_batches == drops
        assert ("overflow", "") == (lost.value.code, lost.value.detail)
        await server.kill()
    entries = await journal_of(tmp_path / "data")
    assert 500 < drops["overflow"] < 1000
    assert [*range(drops["overflow"], 1000)] == numbers(entries)
    assert_numbers_follow(entries)


async def test_what_the_server_refuses_is_told_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    drops: list[Any] = []
    async with server_on(tmp_path / "data", *KEEP_JOURNAL) as server:
        gateway = gateway_to(
            server.url,
            tmp_path / "spool",
            on_drop=lambda *told: drops.append(told),
        )
        async with gateway:
            await gateway.push([[1.0, 2.0]])
            await gateway.flush(20)  # that fixes the dimension
            for number in range(200):
                point = [1.0, 2.0, 3.0] if number % 5 == 4 else [1.0, 2.0]
                await gateway.push([point], metadata={"n": number})
            with pytest.raises(BatchesLostError, match="40 refused; ") as lost:
                await gateway.flush(60)
            await gateway.push([[1.0, 2.0]], metadata={"n": 200})
            await gateway.flush(20)  # what was told is not told again
        await server.kill()
    assert {"refused": 40} == lost.value.dropped
    assert "dimension_mismatch" == lost.value.code
    assert "3" in lost.value.detail
    found = numbers(await journal_of(tmp_path / "data"))
    assert [n for n in range(201) if n % 5 != 4] == sorted(found)
    assert [("refused", 1)] * 40 == drops


async def test_two_gateways_of_one_name_do_not_fight(tmp_path: Path) -> None:
    told: list[Any] = []
    async with server_on(tmp_path / "data") as server:
        one = gateway_to(
            server.url,
            tmp_path / "one",
            on_backpressure=lambda *event: told.append(event),
        )
        async with one:
            with pytest.raises(SpoolError, match="in use"):
                await gateway_to(server.url, tmp_path / "one").open()
            await wait_until(lambda: one.stats().is_connected)
            async with gateway_to(server.url, tmp_path / "two") as two:
                await wait_until(lambda: ("producer_replaced", None) in told)
                await two.push([[1.0]])
                await two.flush(20)
                assert await one.push([[1.0]]), "it is safe on the disk of the first"


async def test_a_key_that_is_no_good_costs_nothing_and_is_told(tmp_path: Path) -> None:
    told: list[Any] = []
    async with server_on(tmp_path / "data") as server:
        gateway = gateway_to(
            server.url,
            tmp_path / "spool",
            token="nck_dev_nonsense",
            on_backpressure=lambda *event: told.append(event),
        )
        async with gateway:
            await gateway.push([[1.0]])
            await wait_until(lambda: told)
            assert ("key_invalid", 30.0) == told[0]
            assert "key_invalid" in (gateway.stats().failure or "")
        async with gateway_to(server.url, tmp_path / "spool") as gateway:
            await gateway.flush(20)
        async with client_of(server) as client:
            status = await client.get_algorithm_status("s")
    assert 1 == status.total_points_processed


HEAVY = """
import asyncio, sys, random
from ncs_client import GatewayClient, SpoolOptions

def rss(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith(field)) / 1024

async def main(url, folder, token, megabytes):
    options = SpoolOptions(max_bytes=400 * 2**20, fsync="interval")
    gateway = GatewayClient(url, token=token, producer="g", spool_dir=folder,
                            stream="s", spool=options, drain_bytes_per_s=None)
    async with gateway:
        points = [[random.gauss(9 * (n % 4), 1) for _ in range(10)] for n in range(500)]
        while gateway.stats().depth_bytes < megabytes * 2**20:
            await gateway.push(points)
        print("spooled", rss("VmRSS"), rss("VmHWM"), flush=True)
        async with asyncio.timeout(60):
            while megabytes == 0 and gateway.stats().acked_batches < 400:
                await asyncio.sleep(0.05)
        print("draining", rss("VmRSS"), rss("VmHWM"), flush=True)

asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
"""


async def heavy(url: str, folder: Path, megabytes: int) -> list[float]:
    """Run a gateway; return its memory in MB at each point that it tells of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HEAVY, url, str(folder), token(), str(megabytes),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(100):
        said, _ = await process.communicate()
    assert 0 == process.returncode
    return [float(word) for line in said.splitlines() for word in line.split()[1:]]


async def test_a_gateway_with_a_backlog_of_200_mb_stays_below_40_mb_of_memory(
    tmp_path: Path,
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    memory = await heavy(url, tmp_path / "spool", 200)
    async with server_on(tmp_path / "data", port=port):
        memory += await heavy(url, tmp_path / "spool", 0)
    print("RSS and its peak, spooled, reopened, drained:", memory)
    assert max(memory) < MAX_RSS_MB
