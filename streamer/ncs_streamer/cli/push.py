"""`ncs push`: replay a CSV file, or lines from a pipe, into a stream."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import dataclasses
import math
import os
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

import ncs_client
from ncs_client import (
    AsyncNCSClient,
    BatchesLostError,
    NcsClientError,
    RefusedError,
)
from ncs_protocol.messages import Ack

from .options import add_client_options, credential_of, positive, say_reconnect

__all__ = ["Rows", "add_to"]

_POLL_S = 0.01
_PATIENCE_S = 0.25  # a batch that a slow pipe does not fill goes out after so long


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("push", help="replay a CSV file into a stream")
    parser.add_argument("file", metavar="FILE|-", help="CSV, or - for standard input")
    add_client_options(parser)
    parser.add_argument(
        "--batch", type=positive(int), default=100, help="rows a frame [100]"
    )
    parser.add_argument(
        "--rate", type=positive(float), help="rows a second [as fast as it goes]"
    )
    parser.add_argument(
        "--columns", help="names or numbers (from 1) of the columns [all numeric ones]"
    )
    parser.add_argument("--producer", help="name for exactly-once delivery")
    parser.add_argument(
        "--spool",
        type=Path,
        metavar="DIR",
        help="put rows on disk here first, and push on while the server is away;"
        " needs --producer",
    )
    parser.set_defaults(run=lambda args: asyncio.run(_push(args, credential_of(args))))


async def _push(args: argparse.Namespace, credential: str) -> int:
    if args.spool is not None and args.producer is None:
        raise SystemExit("ncs: --spool needs --producer, a name for what is in it")
    tally = _Tally()
    send = _send if args.spool is None else _spool
    rows = None
    try:
        with _open(args.file) as file:
            rows = Rows(file, args.columns.split(",") if args.columns else None)
            if rows.note:
                print(rows.note, file=sys.stderr)
            await send(args, credential, rows, tally)
    except NcsClientError as error:
        tally.errors.append(str(error))
    except UnicodeDecodeError:
        tally.errors.append(f"{args.file} is not UTF-8 text")
    except csv.Error as error:
        tally.errors.append(f"{args.file} is not CSV: {error}")
    finally:
        _report(tally, rows)
    return 1 if tally.errors or rows is None or rows.bad else 0


def _open(name: str) -> contextlib.AbstractContextManager[TextIO]:
    if name != "-":
        return open(name, newline="", encoding="utf-8-sig")
    # A thread may still wait for it when the program ends: so it is not sys.stdin
    # itself, which Python would flush then, and it is not closed, which would wait.
    return contextlib.nullcontext(open(os.dup(0), newline="", encoding="utf-8-sig"))


@dataclasses.dataclass(slots=True)
class _Tally:
    accepted: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)


def _report(tally: _Tally, rows: Rows | None) -> None:
    bad = rows.bad if rows else []
    for number, why in bad[:5]:
        print(f"line {number} left out: {why}", file=sys.stderr)
    if len(bad) > 5:
        print(f"... and {len(bad) - 5} more lines", file=sys.stderr)
    for error in tally.errors[:5]:
        print(f"ncs: {error}", file=sys.stderr)
    print(
        f"{tally.accepted} {'point is' if tally.accepted == 1 else 'points are'} in the"
        f" model; {len(bad)} {'line' if len(bad) == 1 else 'lines'} left out"
    )


async def _send(
    args: argparse.Namespace, credential: str, rows: Rows, tally: _Tally
) -> None:
    async with AsyncNCSClient(args.url, credential) as client:
        session = client.stream(
            producer=args.producer, streams=[args.stream], on_reconnect=say_reconnect
        )
        async with session:
            async for lines, batch in _paced(args, rows):
                future = await session.submit(np.array(batch), stream=args.stream)
                future.add_done_callback(_counter(tally, len(batch), lines))


async def _spool(
    args: argparse.Namespace, credential: str, rows: Rows, tally: _Tally
) -> None:
    """Push through a spool; what an earlier run left in it goes along."""

    gateway = ncs_client.GatewayClient(  # loaded here: it needs a POSIX system
        args.url,
        token=credential,
        producer=args.producer,
        stream=args.stream,
        spool_dir=args.spool,
        drain_bytes_per_s=None,
    )
    async with gateway:
        earlier = gateway.stats().depth_batches
        async for lines, batch in _paced(args, rows):
            try:
                await gateway.push(batch)
                tally.accepted += len(batch)
            except RefusedError as error:
                tally.errors.append(f"lines {lines[0]} to {lines[1]}: {error}")
        waiting = gateway.stats().depth_batches
        if waiting and not gateway.stats().is_connected:
            many = f"{waiting} batch{'es wait' if waiting > 1 else ' waits'}"
            print(f"ncs: {many} in {args.spool}", file=sys.stderr)
        try:
            await gateway.flush()
            if earlier:
                many = f"{earlier} batch{'es' if earlier > 1 else ''}"
                print(f"{many} of an earlier run went first", file=sys.stderr)
        except BatchesLostError as error:
            tally.errors.append(f"{error}; they are counted below")


async def _paced(
    args: argparse.Namespace, rows: Rows
) -> AsyncIterator[tuple[tuple[int, int], list[list[float]]]]:
    """Give (first line, last line) and rows at the rate asked for; show progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    began, sent = time.monotonic(), 0
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("pushing", total=None)
        async for lines, batch in _batches(rows, args.batch):
            yield lines, batch
            sent += len(batch)
            progress.update(task, description=f"{sent} points", completed=sent)
            if args.rate:
                due = began + sent / args.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))


def _counter(tally: _Tally, size: int, lines: tuple[int, int]) -> Any:
    def count(future: asyncio.Future[Ack]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            tally.accepted += size
        else:
            tally.errors.append(f"lines {lines[0]} to {lines[1]}: {error}")

    return count


async def _batches(
    rows: Rows, size: int
) -> AsyncIterator[tuple[tuple[int, int], list[list[float]]]]:
    """Give (first line, last line) and rows, read in a thread: a pipe may be slow."""
    read: queue.Queue[tuple[int, list[float]] | BaseException | None]
    read = queue.Queue(4 * size)

    def work() -> None:
        try:
            for row in rows:
                read.put((rows.line, row))
        except BaseException as error:
            read.put(error)
        else:
            read.put(None)

    threading.Thread(target=work, daemon=True).start()
    while True:
        first = last = 0
        batch: list[list[float]] = []
        until = math.inf
        while len(batch) < size:
            try:
                item = read.get_nowait()
            except queue.Empty:
                if time.monotonic() >= until:
                    break
                await asyncio.sleep(_POLL_S)
                continue
            if not isinstance(item, tuple):
                if batch:
                    yield (first, last), batch
                if item is not None:
                    raise item
                return
            last, row = item
            if not batch:
                first, until = last, time.monotonic() + _PATIENCE_S
            batch.append(row)
        yield (first, last), batch


class Rows:
    """Rows of numbers out of a CSV file, with or without a heading.

    Args:
        file: opened with ``newline=""``.
        wanted: names or numbers of columns; None for all that are not text in the first
            row of data.

    Attributes:
        bad: (line number, reason) of the lines that were left out.
        line: number of the last line that was read.
        note: what to tell about the choice of columns.
    """

    def __init__(self, file: TextIO, wanted: list[str] | None = None) -> None:
        self.bad: list[tuple[int, str]] = []
        self.line = 0
        self.note = ""
        self._reader = csv.reader(file)
        first = next(self._reader, [])
        heading = first if any(not _is_number(cell) for cell in first) else None
        self._ahead = [] if heading or not first else [first]
        sample = first
        if heading:
            sample = next(self._reader, [])
            self._ahead = [sample] if sample else []
        if not sample:
            raise SystemExit("ncs: there is no row of data")
        if wanted is None:
            self._columns = [
                i for i, cell in enumerate(sample) if _is_number(cell) or not cell
            ]
        else:
            self._columns = [_column(name, heading, len(sample)) for name in wanted]
        if not self._columns:
            hint = "; is it separated by commas?" if len(sample) == 1 else ""
            raise SystemExit(f"ncs: the first row of data has no number in it{hint}")
        left = [i for i in range(len(sample)) if i not in self._columns]
        if wanted is None and left:
            names = heading or [str(i + 1) for i in range(len(sample))]
            self.note = "columns: " + ", ".join(names[i] for i in self._columns)
            self.note += " (left out: " + ", ".join(names[i] for i in left) + ")"

    def __iter__(self) -> Iterator[list[float]]:
        return self

    def __next__(self) -> list[float]:
        while True:
            cells = self._ahead.pop() if self._ahead else next(self._reader)
            self.line = self._reader.line_num
            if not cells:
                continue
            try:
                row = [float(cells[column]) for column in self._columns]
            except IndexError:
                why = f"{len(cells)} columns, needs {max(self._columns) + 1}"
            except ValueError as error:
                why = str(error)
            else:
                if all(map(math.isfinite, row)):
                    return row
                why = "a value is not finite"
            self.bad.append((self.line, why))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(name: str, heading: list[str] | None, count: int) -> int:
    if heading and name in heading:
        return heading.index(name)
    if name.isdigit() and 1 <= int(name) <= count:
        return int(name) - 1
    raise SystemExit(f"ncs: there is no column {name!r}, there are {count}")
