"""`ncs shadow`: what other parameters would make of a live stream."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from typing import Any

import msgspec
import yaml
from rich.console import Console

from ncs_client import AsyncNCSClient, ShadowResult
from ncs_engine import PRESETS

from .options import add_client_options, credential_of, positive
from .output import print_json
from .side_by_side import side_by_side

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "shadow",
        help="try other parameters beside a live stream",
        description="Have the server learn the stream's last points with other"
        " parameters, beside the ones in force, and compare; the stream is not touched."
        " Several values for a parameter make a configuration each.",
    )
    add_client_options(parser)
    parser.add_argument(
        "params", nargs="*", type=_values, metavar="NAME=VALUE[,VALUE...]"
    )
    parser.add_argument(
        "--preset", action="append", choices=PRESETS, default=[], help="try this too"
    )
    parser.add_argument(
        "--points", type=positive(int), help="of the stream, the last ones [10000]"
    )
    parser.add_argument(
        "--empty", action="store_true", help="begin without a model; see docs/shadow.md"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, with clusters")
    parser.set_defaults(run=lambda args: asyncio.run(_run(args)))


def _values(word: str) -> tuple[str, list[Any]]:
    name, is_pair, values = word.partition("=")
    if not is_pair or not name or not values:
        raise argparse.ArgumentTypeError(f"{word!r} is not like base_threshold=0.8")
    try:
        return name, [yaml.safe_load(value) for value in values.split(",")]
    except yaml.YAMLError:
        raise argparse.ArgumentTypeError(f"{values!r} are no values") from None


def _configurations(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return every combination of the values, and the presets."""
    names = [name for name, _ in args.params]
    grid = itertools.product(*(values for _, values in args.params)) if names else ()
    found = [{"params": dict(zip(names, values, strict=True))} for values in grid]
    return [*found, *({"preset": name} for name in args.preset)]


async def _run(args: argparse.Namespace) -> int:
    wanted = _configurations(args)
    if not wanted:
        raise SystemExit("ncs: nothing to try: give NAME=VALUE or --preset")
    async with AsyncNCSClient(args.url, credential_of(args)) as client:
        told = await client.shadow(
            args.stream,
            configurations=wanted,
            last_points=args.points,
            start="empty" if args.empty else "model",
            summaries=args.json,
        )
    if args.json:
        print_json(msgspec.to_builtins(told))
    else:
        _print(told)
    return 0


def _print(told: ShadowResult) -> None:
    console = Console(highlight=False, soft_wrap=True)
    cut = "" if told.complete else "; the server's budget allowed no more"
    console.print(
        f"stream {told.stream}: the last {told.points:,} points, offsets"
        f" {told.first:,} to {told.last:,}{cut}"
    )
    sides = [("in force", told.live), *((s.name, s) for s in told.configurations)]
    console.print(side_by_side([(n, msgspec.structs.asdict(s)) for n, s in sides]))
