"""`ncs bench cluster`: what points cost on several nodes, takeovers, events."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from rich.console import Console
from rich.table import Table

from ..bench.cluster_cost import bench_commands, bench_cost, extrapolate
from ..bench.cluster_times import bench_latency, bench_takeover
from ..bench.figures import machine
from .options import counts, positive
from .output import print_json

__all__ = ["add_to"]

_TITLES = {
    "cost": "Flat out, frames of 1,000 points; everything on this machine",
    "extrapolation": "Extrapolated",
    "takeover": "From kill -9 of an owner to the first ack of what was sent after it",
    "latency": "From the arrival of points to the event decoded",
    "commands": "Commands to Redis, frames of 1,000 points one by one",
}


def add_to(benches: Any) -> None:
    """Add the benchmark."""
    parser = benches.add_parser(
        "cluster", help="nodes on a Redis: cost of points, takeovers, events, commands"
    )
    parser.add_argument(
        "--nodes", type=counts, default=(1, 2, 3), metavar="N,...", help="[1,2,3]"
    )
    parser.add_argument(
        "--seconds", type=positive(float), default=5.0, help="a row [5]"
    )
    parser.add_argument(
        "--kills", type=positive(int), default=10, help="of owners [10]"
    )
    parser.add_argument(
        "--lease", type=positive(float), default=5.0, help="of the nodes, seconds [5]"
    )
    parser.add_argument(
        "--rate", type=positive(float), default=20_000.0, help="points/s [20000]"
    )
    parser.add_argument(
        "--frames", type=positive(int), default=300, help="to count commands of [300]"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    report = asyncio.run(_measure(args))
    if args.json:
        print_json(report)
    else:
        _show(report)
    return 0


async def _measure(args: argparse.Namespace) -> dict[str, Any]:
    lease = args.lease
    cost = await bench_cost(nodes=args.nodes, seconds=args.seconds, lease_s=lease)
    return {
        "machine": machine(),
        "redis": "appendonly yes, appendfsync always",
        "cost": cost,
        "extrapolation": extrapolate(cost),
        "takeover": await bench_takeover(kills=args.kills, lease_s=lease),
        "latency": await bench_latency(
            rate=args.rate, seconds=args.seconds, lease_s=lease
        ),
        "commands": await bench_commands(frames=args.frames, lease_s=lease),
    }


def _show(report: dict[str, Any]) -> None:
    """Print every part, the figures below each other: they are too many for a row."""
    console = Console()
    for part, title in _TITLES.items():
        found = report[part]
        rows = found if isinstance(found, list) else found.get("sizes", [found])
        table = Table(title=title, title_justify="left", show_header=False)
        for name in rows[0]:
            if name != "by_command":
                values = (str(row[name]) for row in rows)
                table.add_row(name.replace("_", " "), *values)
        console.print(table)
    console.print("extrapolated if", "; ".join(report["extrapolation"]["assumes"]))
