"""`ncs bench`: measure a server of its own on this machine, or the engine alone."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from typing import Any

from ..bench.events import bench_events
from ..bench.fairness import SECRET, bench_fairness
from ..bench.figures import machine
from ..bench.ingest import bench_ingest
from ..processes import ServerProcess
from . import (
    bench_cluster,
    bench_durability,
    bench_engine,
    bench_fanout,
    bench_quality,
    bench_sample,
    verify,
)
from .options import counts, positive
from .output import console, print_json, table_of

__all__ = ["add_to"]

_ONLY_IN_JSON = frozenset(
    (
        "duration_seconds",
        "total_requests",
        "total_points",
        "error_rate",
        "average_latency_ms",
        "subscribers",
        "points_per_second_sent",
        "events",
    )
)


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("bench", help="measure this machine, or quality")
    benches = parser.add_subparsers(metavar="WHAT")
    verify.add_to_bench(parser)
    ingest = benches.add_parser("ingest", help="points a second, acknowledged")
    ingest.add_argument(
        "--dimension", type=positive(int), default=10, help="coordinates [10]"
    )
    ingest.add_argument(
        "--frames",
        type=counts,
        default=(1, 1000),
        help="points per frame [1,1000]",
        metavar="N,...",
    )
    events = benches.add_parser("events", help="latency from ingest to event")
    events.add_argument(
        "--rate", type=positive(float), default=5000.0, help="points/s [5000]"
    )
    events.add_argument(
        "--subscribers", type=positive(int), default=10, help="readers [10]"
    )
    fairness = benches.add_parser(
        "fairness", help="what a flooding tenant costs a quiet one"
    )
    runs = ((ingest, _ingest), (events, _events), (fairness, _fairness))
    for bench, run in runs:
        bench.add_argument(
            "--seconds", type=positive(float), default=3.0, help="a row [3]"
        )
        bench.add_argument(
            "--store", choices=("sqlite", "memory"), default="sqlite", help="[sqlite]"
        )
        bench.add_argument("--json", action="store_true", help="as JSON")
        bench.set_defaults(run=lambda args, run=run: asyncio.run(_bench(args, run)))
    bench_cluster.add_to(benches)
    bench_durability.add_to(benches)
    bench_engine.add_to(benches)
    bench_fanout.add_to(benches)
    bench_quality.add_to(benches)
    bench_sample.add_to(benches)


async def _ingest(server: ServerProcess, args: argparse.Namespace) -> Any:
    return await bench_ingest(
        server,
        seconds=args.seconds,
        dimension=args.dimension,
        frames=args.frames,
    )


async def _events(server: ServerProcess, args: argparse.Namespace) -> Any:
    return await bench_events(
        server, seconds=args.seconds, rate=args.rate, subscribers=args.subscribers
    )


async def _fairness(server: ServerProcess, args: argparse.Namespace) -> Any:
    with tempfile.TemporaryDirectory(prefix="ncs-bench-") as folder:
        flags = ("--data-dir", folder, "--store", args.store)
        async with ServerProcess(*flags, env={"SECRET_KEY": SECRET}) as elsewhere:
            return await bench_fairness(server, elsewhere, seconds=args.seconds)


async def _bench(args: argparse.Namespace, run: Any) -> int:
    with tempfile.TemporaryDirectory(prefix="ncs-bench-") as folder:
        flags = ("--data-dir", folder, "--store", args.store)
        async with ServerProcess(*flags, env={"SECRET_KEY": SECRET}) as server:
            rows = await run(server, args)
    if args.json:
        print_json({"machine": machine(), "store": args.store, "rows": rows})
        return 0
    shown = [name for name in rows[0] if name not in _ONLY_IN_JSON]
    console().print(table_of(rows, shown))
    return 0
