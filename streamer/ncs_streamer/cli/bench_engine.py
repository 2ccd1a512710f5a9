"""`ncs bench engine`: how fast the engine is by itself, beside the peers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..bench.engine_speed import (
    BLOCKS,
    DIMENSIONS,
    measure_latency,
    measure_memory,
    measure_peers,
    measure_rates,
    measure_threads,
)
from ..bench.figures import machine
from ..bench.methods import INSTALL, NCS, Method, missing_line
from ..bench.peers import CLUSTERERS
from .options import positive
from .output import print_json

__all__ = ["add_to"]

_RIVAL = "DBSTREAM"


def add_to(benches: Any) -> None:
    """Add the command."""
    parser = benches.add_parser("engine", help="speed of the engine, without a server")
    parser.add_argument(
        "--seconds", type=positive(float), default=1.0, help="a measurement [1]"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    peers = [peer for peer in CLUSTERERS if peer.installed]
    missing = [peer for peer in CLUSTERERS if not peer.installed]
    steps = len(DIMENSIONS) * len(BLOCKS) + 3 + 1 + len(peers)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=steps)

        def on_step(what: str) -> None:
            progress.update(task, description=what, advance=1)

        report = _measure(args.seconds, peers, on_step)
    report["missing"] = [
        {"method": peer.name, "package": peer.package, "install": INSTALL}
        for peer in missing
    ]
    if args.json:
        print_json(report)
    else:
        _print(report, missing)
    return 0


def _measure(
    seconds: float, peers: Sequence[Method], on_step: Callable[[str], None]
) -> dict[str, Any]:
    on_step("memory")  # first: what others have freed would hide what it takes
    memory = measure_memory(10 * seconds)
    rates = measure_rates(seconds, on_step=on_step)
    on_step("single points")
    latency = measure_latency(3 * seconds)
    on_step("two threads")
    threads = measure_threads(2 * seconds)
    beside = measure_peers([NCS, *peers], on_step)
    by_name = {row["method"]: row["points_per_second"] for row in beside}
    ratio = by_name[NCS.name] / by_name[_RIVAL] if _RIVAL in by_name else None
    return {
        "machine": machine(),
        "seconds": seconds,
        "rates": rates,
        "latency": latency,
        "threads": threads,
        "memory": memory,
        "beside": beside,
        "ratio_to_dbstream": ratio,
    }


def _print(report: dict[str, Any], missing: Sequence[Method]) -> None:
    console = Console(highlight=False)
    table = Table(box=SIMPLE, title="Points/s by dimension and points per call")
    for head in ("dimension", *(f"{block:,}" for block in BLOCKS)):
        table.add_column(head, justify="right")
    for dimension in DIMENSIONS:
        rates = [r for r in report["rates"] if r["dimension"] == dimension]
        cells = [f"{rate['points_per_second']:,.0f}" for rate in rates]
        table.add_row(str(dimension), *cells)
    console.print(table)
    late, memory, threads = report["latency"], report["memory"], report["threads"]
    console.print(
        f"Single points, {late['dimension']} dimensions, {late['points']:,} of them:"
        f" p50 {late['p50_us']:,.1f} us, p99 {late['p99_us']:,.1f} us,"
        f" p99.9 {late['p99.9_us']:,.1f} us, max {late['max_us']:,.1f} us"
    )
    console.print(
        f"Two threads on two engines: {threads['ratio']:.2f} x the rate of one"
    )
    console.print(
        f"Memory after {memory['points']:,} points: state"
        f" {memory['state_bytes'] / 1e6:.2f} MB, process grew by"
        f" {memory['resident_bytes'] / 1e6:.2f} MB, of which"
        f" {memory['resident_growth_bytes'] / 1e6:.2f} MB after the warm-up"
    )
    _print_peers(console, report["beside"])
    if missing:
        console.print(missing_line(missing))


def _print_peers(console: Console, beside: list[dict[str, Any]]) -> None:
    table = Table(box=SIMPLE, title="Beside peers, from the first point, 10 dimensions")
    table.add_column("method")
    table.add_column("points/s", justify="right")
    table.add_column("NCS is", justify="right")
    ours = beside[0]["points_per_second"]
    for row in beside:
        rate = row["points_per_second"]
        ratio = f"{ours / rate:.2f} x" if row is not beside[0] else ""
        table.add_row(row["method"], f"{rate:,.0f}", ratio)
    console.print(table)
