"""`ncs bench sample`: what a reader of samples costs the engine."""

from __future__ import annotations

import argparse
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from ..bench.figures import machine
from ..bench.sampling import bench_sampling
from .options import positive

__all__ = ["add_to"]


def add_to(benches: Any) -> None:
    """Add the command."""
    parser = benches.add_parser("sample", help="what sampling costs the engine")
    parser.add_argument(
        "--seconds", type=positive(float), default=3.0, help="a row [3]"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    rows = bench_sampling(args.seconds)
    if args.json:
        report = {"machine": machine(), "rows": rows}
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
        return 0
    table = Table(*(name.replace("_", " ") for name in rows[0]))
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    return 0
