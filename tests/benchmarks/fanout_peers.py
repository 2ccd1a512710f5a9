"""How fast our server fans out, beside the peers that are installed, in one run.

Every server has the first core, all subscribers are in one process on the others and
only count. Each peer sends the same payload to all subscribers, in the way its
documentation does; what is timed is from the word to begin to the last receipt. Our
server comes last: real points, a real engine, `cluster_update` events of its usual
size, until as many deliveries are made. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from peers import PEERS, Load, Peer

import ncs_streamer.cli  # noqa: F401 - the benches and the commands import each other
from ncs_streamer.bench.crowd import Crowd, Tally, crowd
from ncs_streamer.bench.stage import STREAM, Stage, stage
from ncs_streamer.door import raise_open_files

_POLL_S = 0.1
_RATIOS = {"deliveries_per_second": "ours_to_it", "per_cpu_second": "by_cpu"}
_MOST_S = 120.0
_NODE_MODULES = Path(__file__).parents[2] / "clients/javascript/node_modules"
_CPU_TICK_S = 0.01  # processor time is told in such steps


@dataclasses.dataclass(frozen=True, slots=True)
class Ours:
    """How our server is used.

    Attributes:
        clusters: of the stream; a block of points touches most of them.
        block: points of one.
        every_s: between two blocks; None for when the one before has been told.
    """

    clusters: int
    block: int
    every_s: float | None


OURS = {
    "ours, 1 event a tick": Ours(10, 1, 0.002),
    "ours, 10 events a tick": Ours(10, 100, None),
    "ours, 100 events a tick": Ours(100, 1000, None),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """What has been used up to a moment.

    Attributes:
        at: epoch seconds.
        server_s: processor seconds of the server.
        readers_s: of the process of the subscribers.
    """

    at: float
    server_s: float
    readers_s: float

    @classmethod
    async def of(cls, server: psutil.Process, readers: Crowd) -> Account:
        """Return the account as it stands."""
        times, tally = server.cpu_times(), await readers.tally()
        return cls(time.time(), times.user + times.system, tally.cpu_s)


async def measure_peer(peer: Peer, load: Load) -> dict[str, Any]:
    """Return the row of a peer."""
    cores = psutil.Process().cpu_affinity() or [0]
    async with peer.run(load) as running:
        async with crowd(
            running.url, running.make, cores=cores[1:] or cores
        ) as readers:
            await readers.open(load.subscribers)
            process = psutil.Process(running.pid)
            before = await Account.of(process, readers)
            await running.go()
            tally = await until(readers, load.subscribers * load.events)
            return row(peer.name, tally, before, await Account.of(process, readers))


async def measure_ours(name: str, ours: Ours, load: Load) -> dict[str, Any]:
    """Return a row of our server."""
    flags = ("--store=memory", "--event-tick-ms=1")
    async with stage(*flags, clusters=ours.clusters, centroids=False) as on:
        await on.rest.open(load.subscribers)
        before = await Account.of(on.server, on.rest)
        if ours.every_s is None:
            pushing = asyncio.create_task(push_when_told(on, ours.block))
        else:
            pushing = asyncio.create_task(on.push(_MOST_S, ours.every_s, ours.block))
        tally = await until(on.rest, load.subscribers * load.events)
        after = await Account.of(on.server, on.rest)
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
    return row(name, tally, before, after)


async def push_when_told(on: Stage, block: int) -> int:
    """Push a block whenever the updates that the one before made have come."""
    told = await on.session.subscribe(STREAM, ["cluster_update"], centroids=False)
    for at in itertools.cycle(range(0, len(on.pool) - block, block)):
        ack = await on.session.send(on.pool[at : at + block], stream=STREAM)
        async for message in told:
            cause = getattr(message, "caused_by", None)
            if cause is not None and cause.to_seq >= ack.seq:
                break
    raise AssertionError("never")


async def until(readers: Crowd, messages: int) -> Tally:
    """Return what has come once there are so many."""
    tally = await readers.tally()
    began, total, size, first = (
        time.monotonic(),
        tally.messages,
        tally.size,
        tally.first,
    )
    last = tally.last
    while total < messages:
        if time.monotonic() - began > _MOST_S:
            raise SystemExit(f"only {total} of {messages} messages came")
        await asyncio.sleep(_POLL_S)
        tally = await readers.tally()
        if tally.lost:
            raise SystemExit(f"a subscriber was lost: {tally.lost[0]}")
        total, size = total + tally.messages, size + tally.size
        first, last = first or tally.first, tally.last or last
    return Tally(total, size, [], first, last, 0, 0, [], tally.cpu_s)


def row(name: str, tally: Tally, before: Account, after: Account) -> dict[str, Any]:
    """Return what is shown of a server."""
    seconds, wall = tally.last - before.at, after.at - before.at
    cpu = after.server_s - before.server_s
    return {
        "server": name,
        "deliveries_per_second": round(tally.messages / seconds),
        "per_cpu_second": round(tally.messages / max(cpu, _CPU_TICK_S)),
        "bytes_per_delivery": round(tally.size / tally.messages),
        "seconds": round(seconds, 3),
        "server_cpu": round(cpu / wall, 2),
        "readers_cpu": round((after.readers_s - before.readers_s) / wall, 2),
    }


async def measure(
    load: Load, only: list[str] | None, rounds: int
) -> list[dict[str, Any]]:
    """Return a row per server: the best of the rounds, in which all take turns."""
    best: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        for peer in PEERS:
            if peer.is_here() and (only is None or peer.name in only):
                keep_best(best, await measure_peer(peer, load))
        for name, ours in OURS.items():
            keep_best(best, await measure_ours(name, ours, load))
    return list(best.values())


def keep_best(best: dict[str, dict[str, Any]], new: dict[str, Any]) -> None:
    """Keep the faster row of a server."""
    known = best.setdefault(new["server"], new)
    if new["deliveries_per_second"] > known["deliveries_per_second"]:
        best[new["server"]] = new


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--bytes", type=int, default=380, help="of a peer's payload")
    parser.add_argument("--rounds", type=int, default=3, help="the best counts")
    parser.add_argument("--only", action="append", help="name of a peer; repeatable")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ["NODE_PATH"] = str(_NODE_MODULES)
    raise_open_files()
    for peer in PEERS:
        if not peer.is_here():
            print(f"not installed: {peer.name}; see make bench-peers", file=sys.stderr)
    load = Load(args.subscribers, args.events, args.bytes)
    rows = asyncio.run(measure(load, args.only, args.rounds))
    for name, ratio in _RATIOS.items():
        slowest = min(row[name] for row in rows[-len(OURS) :])
        for each in rows:
            each[ratio] = round(slowest / each[name], 2)
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        show(rows)
    return 0


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    names = list(rows[0])
    table = [[name.replace("_", " ") for name in names]]
    table += [[str(row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print(
            "  ".join(
                cell.ljust(width) for cell, width in zip(line, widths, strict=True)
            )
        )


if __name__ == "__main__":
    sys.exit(main())
