"""`ncs bench fanout`: deliveries a second, and what disturbs those who read."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from ..bench import fanout
from ..bench.figures import machine
from ..door import raise_open_files, room_for_sockets
from .options import counts, positive
from .output import console, print_json, table_of

__all__ = ["add_to"]

_READERS = 100  # beside a stuck one, or while points flow at a rate


def add_to(benches: Any) -> None:
    """Add the benchmark."""
    parser = benches.add_parser(
        "fanout", help="deliveries/s by number of subscribers, stuck readers, storms"
    )
    parser.add_argument(
        "--subscribers",
        type=counts,
        default=None,
        help="how many [1,100,1000,10000; with --stuck or --rate 100]",
        metavar="N,...",
    )
    parser.add_argument(
        "--seconds", type=positive(float), default=3.0, help="a measurement [3]"
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--stuck", action="store_true", help="what slow readers cost the others"
    )
    parser.add_argument(
        "--rounds",
        type=positive(int),
        default=2,
        help="with --stuck, each with new slow readers [2]",
    )
    modes.add_argument(
        "--storm", type=positive(int), metavar="N", help="N are cut off and come back"
    )
    modes.add_argument(
        "--rate", type=positive(float), metavar="R", help="R points/s, on disk"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    raise_open_files()
    wanted = args.subscribers or (1, 100, 1000, 10_000)
    possible = fanout.fit(wanted)
    if left_out := sorted(set(wanted) - set(possible)):
        print(
            f"ncs: left out: {', '.join(map(str, left_out))} subscribers; the limit of"
            f" open files of this machine has room for {room_for_sockets()}",
            file=sys.stderr,
        )
    rows = asyncio.run(_measure(args, possible))
    if args.json:
        report = {"machine": machine(), "rows": rows}
        print_json(report)
    elif rows:
        console().print(table_of(rows))
    return 0 if rows else 1


async def _measure(
    args: argparse.Namespace, subscribers: tuple[int, ...]
) -> list[dict[str, Any]]:
    if args.storm is not None:
        return await fanout.bench_storm(subscribers=args.storm, seconds=args.seconds)
    if args.stuck or args.rate is not None:
        readers = subscribers[0] if args.subscribers else _READERS
        if args.stuck:
            return await fanout.bench_stuck(
                subscribers=readers, seconds=args.seconds, rounds=args.rounds
            )
        return await fanout.bench_rate(
            rate=args.rate, subscribers=readers, seconds=args.seconds
        )
    return await fanout.bench_fanout(subscribers=subscribers, seconds=args.seconds)
