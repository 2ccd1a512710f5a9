"""`ncs bench durability`: what it costs to have every acknowledged point on disk."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from rich.console import Console
from rich.table import Table

from ..bench.durability import bench_durability, fsyncs_a_second, time_recovery
from ..bench.figures import machine
from .options import positive
from .output import print_json, table_of

__all__ = ["add_to"]


def add_to(benches: Any) -> None:
    """Add the benchmark."""
    parser = benches.add_parser(
        "durability", help="points/s by level of durability, and recovery"
    )
    parser.add_argument(
        "--seconds", type=positive(float), default=3.0, help="a measurement [3]"
    )
    parser.add_argument(
        "--rounds", type=positive(int), default=2, help="turns of each level [2]"
    )
    parser.add_argument(
        "--points", type=positive(int), default=1_000_000, help="to recover [1000000]"
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
    return {
        "machine": machine(),
        "disk_fsyncs_per_second": round(fsyncs_a_second(args.seconds)),
        "rows": await bench_durability(seconds=args.seconds, rounds=args.rounds),
        "recovery": await time_recovery(args.points),
    }


def _show(report: dict[str, Any]) -> None:
    figures = Table(show_header=False)
    figures.add_row("disk fsyncs per second", str(report["disk_fsyncs_per_second"]))
    for name, value in report["recovery"].items():
        figures.add_row(name.replace("_", " "), str(value))
    console = Console()
    console.print(table_of(report["rows"]))
    console.print(figures)
