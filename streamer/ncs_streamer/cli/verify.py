"""`ncs verify`: break things around a server under load, and reconcile every point."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from ..bench.figures import machine
from ..verify.faults import KINDS, REDIS_KINDS, Fault, Kind
from ..verify.report import Report
from ..verify.run import Plan, verify
from .options import positive
from .output import print_json

__all__ = ["add_to", "add_to_bench"]

_POSSIBLE = tuple(
    kind for kind in KINDS if kind != "disk" or hasattr(psutil.Process, "rlimit")
)
"""Not every system lets one process limit another."""
_SHOWN = 20  # violations in the table; the JSON has all


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "verify", help="break things around a server, and reconcile every point"
    )
    _add_flags(parser)
    parser.set_defaults(run=_run)


def add_to_bench(parser: argparse.ArgumentParser) -> None:
    """Let `ncs bench --verify` do the same."""
    group = parser.add_argument_group("instead of WHAT")
    group.add_argument("--verify", action="store_true", help="be `ncs verify`")
    _add_flags(group)

    def run(args: argparse.Namespace) -> int:
        if not args.verify:
            parser.error("name what to measure, or --verify")
        return _run(args)

    parser.set_defaults(run=run)


def _add_flags(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--seconds", type=positive(float), default=20.0, help="of load [20]"
    )
    parser.add_argument("--kills", type=_count, default=10, help="kill -9s [10]")
    parser.add_argument(
        "--producers", type=positive(int), default=4, help="senders [4]"
    )
    parser.add_argument("--subscribers", type=_count, default=2, help="readers [2]")
    parser.add_argument(
        "--faults",
        type=_kinds,
        default=None,
        help=f"what is done, of {','.join((*_POSSIBLE, 'redis'))} [all that can be]",
        metavar="KIND,...",
    )
    parser.add_argument(
        "--store",
        choices=("sqlite", "redis"),
        default="sqlite",
        help="`redis` starts a redis-server of its own [sqlite]",
    )
    parser.add_argument(
        "--nodes",
        type=positive(int),
        default=1,
        help="servers on that redis, each fault meets one of them [1]",
    )
    parser.add_argument(
        "--seed", type=_count, default=None, help="of load and faults [made up]"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def _run(args: argparse.Namespace) -> int:
    """Verify, print the ledger, return 1 if a promise was not kept."""
    seed = secrets.randbelow(2**32) if args.seed is None else args.seed
    possible = REDIS_KINDS if args.store == "redis" else _POSSIBLE
    faults = possible if args.faults is None else args.faults
    if unfit := [kind for kind in faults if kind not in possible]:
        print(f"ncs: not with --store {args.store}: {unfit[0]}", file=sys.stderr)
        return 2
    if args.nodes > 1 and args.store != "redis":
        print("ncs: several nodes need --store redis", file=sys.stderr)
        return 2
    plan = Plan(
        seconds=args.seconds,
        kills=args.kills,
        producers=args.producers,
        subscribers=args.subscribers,
        faults=faults,
        seed=seed,
        store=args.store,
        nodes=args.nodes,
    )
    print(f"ncs: seed {seed}", file=sys.stderr, flush=True)

    def tell(fault: Fault) -> None:
        print(f"ncs: {fault.kind} {fault.mode}".rstrip(), file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="ncs-verify-") as folder:
        try:
            report = asyncio.run(_verify(plan, Path(folder), tell))
        except asyncio.CancelledError:
            return 128 + signal.SIGTERM
    if args.json:
        document = {"machine": machine(), **report.as_dict()}
        print_json(document)
    else:
        _show(report)
    return int(bool(report.violations))


async def _verify(plan: Plan, folder: Path, tell: Callable[[Fault], None]) -> Report:
    """Verify; SIGTERM ends it with all that it started, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await verify(plan, folder, tell=tell)


def _show(report: Report) -> None:
    table = Table("ledger", "", show_header=False)
    for name, value in report.as_dict().items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {figure}" for key, figure in value.items())
        if name != "violations":
            table.add_row(name.replace("_", " "), str(value))
    console = Console()
    console.print(table)
    for violation in report.violations[:_SHOWN]:
        console.print(
            f"{violation.kind}: {violation.detail}", style="red", markup=False
        )
    hidden = len(report.violations) - _SHOWN
    if hidden > 0:
        console.print(f"and {hidden} more", style="red")
    if not report.violations:
        console.print("acked = applied, each once; no event lost without a word")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _kinds(text: str) -> tuple[Kind, ...]:
    kinds = tuple(text.split(","))
    for kind in kinds:
        if kind not in (*_POSSIBLE, "redis"):
            raise argparse.ArgumentTypeError(
                f"{kind!r} is none of {', '.join((*_POSSIBLE, 'redis'))}"
            )
    return typing.cast(tuple[Kind, ...], kinds)
