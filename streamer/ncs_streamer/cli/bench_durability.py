"""`ncs bench durability`: what it costs to have every acknowledged point on disk."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from ..bench.durability import bench_durability, fsyncs_a_second, time_recovery
from ..bench.figures import machine
from ..processes import StartError
from .options import positive

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
    try:
        report = asyncio.run(_measure(args))
    except StartError as error:
        print(f"ncs: the server did not start:\n{error}", file=sys.stderr)
        return 1
    if args.json:
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
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
    rows = report["rows"]
    table = Table(*(name.replace("_", " ") for name in rows[0]))
    for row in rows:
        table.add_row(*map(str, row.values()))
    figures = Table(show_header=False)
    figures.add_row("disk fsyncs per second", str(report["disk_fsyncs_per_second"]))
    for name, value in report["recovery"].items():
        figures.add_row(name.replace("_", " "), str(value))
    console = Console()
    console.print(table)
    console.print(figures)
