"""`ncs push`: replay a CSV file, or lines from a pipe, into a stream."""

from __future__ import annotations

import argparse
import asyncio
import csv
import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from ncs_client import AsyncNCSClient, NcsClientError

from .options import add_client_options, credential_of

__all__ = ["Rows", "add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("push", help="replay a CSV file into a stream")
    parser.add_argument("file", metavar="FILE|-", help="CSV, or - for standard input")
    add_client_options(parser)
    parser.add_argument("--batch", type=int, default=100, help="rows a frame [100]")
    parser.add_argument("--rate", type=float, help="rows a second [as fast as it goes]")
    parser.add_argument(
        "--columns", help="names or numbers (from 1) of the columns [all numeric ones]"
    )
    parser.add_argument("--producer", help="name for exactly-once delivery")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if args.batch < 1:
        raise SystemExit("ncs: --batch must be at least 1")
    return asyncio.run(_push(args, credential_of(args)))


async def _push(args: argparse.Namespace, credential: str) -> int:
    try:
        with _open(args.file) as file:
            rows = Rows(file, args.columns.split(",") if args.columns else None)
            accepted = await _send(args, credential, rows)
    except NcsClientError as error:
        print(f"ncs: {error}", file=sys.stderr)
        return 1
    for number, why in rows.bad[:5]:
        print(f"line {number} left out: {why}", file=sys.stderr)
    if len(rows.bad) > 5:
        print(f"... and {len(rows.bad) - 5} more lines", file=sys.stderr)
    print(f"{accepted} points are in the model; {len(rows.bad)} lines left out")
    return 1 if rows.bad else 0


def _open(name: str) -> TextIO:
    return sys.stdin if name == "-" else open(name, newline="", encoding="utf-8")


async def _send(args: argparse.Namespace, credential: str, rows: Rows) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    began, sent, accepted = time.monotonic(), 0, 0
    futures = []
    async with AsyncNCSClient(args.url, credential) as client:
        session = client.stream(producer=args.producer, streams=[args.stream])
        async with session:
            with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
                task = progress.add_task("pushing", total=None)
                while batch := list(itertools.islice(rows, args.batch)):
                    points = np.array(batch, dtype=np.float64)
                    futures.append(await session.submit(points, stream=args.stream))
                    sent += len(batch)
                    text = f"{sent} points"
                    progress.update(task, description=text, completed=sent)
                    if args.rate:
                        due = began + sent / args.rate
                        await asyncio.sleep(max(0.0, due - time.monotonic()))
            for ack in await asyncio.gather(*futures, return_exceptions=True):
                if isinstance(ack, BaseException):
                    raise ack
            accepted = sent
    return accepted


class Rows:
    """Rows of numbers out of a CSV file, with or without a heading.

    Args:
        file: opened with ``newline=""``.
        wanted: names or numbers of columns; None for all that are numeric in the first
            row of data.

    Attributes:
        bad: (line number, reason) of the lines that were left out.
    """

    def __init__(self, file: TextIO, wanted: list[str] | None = None) -> None:
        self.bad: list[tuple[int, str]] = []
        self._reader = csv.reader(file)
        first = next(self._reader, [])
        heading = first if any(not _is_number(cell) for cell in first) else None
        self._ahead = [] if heading else [first]
        sample = first
        if heading:
            sample = next(self._reader, [])
            self._ahead = [sample] if sample else []
        if wanted is None:
            self._columns = [i for i, cell in enumerate(sample) if _is_number(cell)]
        else:
            self._columns = [_column(name, heading) for name in wanted]
        if not self._columns and sample:
            raise SystemExit("ncs: the first row of data has no number in it")

    def __iter__(self) -> Iterator[list[float]]:
        return self

    def __next__(self) -> list[float]:
        while True:
            cells = self._ahead.pop() if self._ahead else next(self._reader)
            if not cells:
                continue
            try:
                return [float(cells[column]) for column in self._columns]
            except IndexError:
                why = f"{len(cells)} columns, needs {max(self._columns) + 1}"
            except ValueError as error:
                why = str(error)
            self.bad.append((self._reader.line_num, why))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(name: str, heading: list[str] | None) -> int:
    if heading and name in heading:
        return heading.index(name)
    if name.isdigit() and int(name) >= 1:
        return int(name) - 1
    raise SystemExit(f"ncs: there is no column {name!r}")
