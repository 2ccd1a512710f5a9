"""`ncs bench sample`: what a reader of samples costs the engine."""

from __future__ import annotations

import argparse
from typing import Any

from ..bench.figures import machine
from ..bench.sampling import bench_sampling
from .options import positive
from .output import console, print_json, table_of

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
        print_json({"machine": machine(), "rows": rows})
    else:
        console().print(table_of(rows))
    return 0
