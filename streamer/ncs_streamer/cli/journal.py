"""`ncs journal dump`: the entries of a journal to read, or their points as arrays."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ..archive import entries_between
from ..entry import Entry, decode_entry
from ..sealed import DamagedError
from ..settings import SettingsError
from .stored import add_store_options, choose, offset, opened

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("journal", help="look into a journal")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    dump = actions.add_parser(
        "dump",
        help="show entries",
        description="Show the entries of a stream's journal, one a line; a server may"
        " be running. Exit code 1: an entry is damaged or missing.",
    )
    dump.add_argument("--from", dest="first", type=offset, metavar="OFFSET")
    dump.add_argument("--to", dest="last", type=offset, metavar="OFFSET")
    dump.add_argument("--json", action="store_true", help="as JSON, one entry a line")
    dump.add_argument(
        "--npz",
        type=Path,
        metavar="FILE",
        help="write the points instead: X (n, d), offset (n,) and ingest_ns (n,)",
    )
    add_store_options(dump)
    dump.set_defaults(run=lambda args: asyncio.run(_dump(args)))


async def _dump(args: argparse.Namespace) -> int:
    first = args.first or 1
    async with opened(args) as store:
        key = choose(await store.streams(), args)
        last = args.last or await store.journal.tail(key)
        payloads = [
            stored async for stored in entries_between(store, key, first - 1, last)
        ]
    rows = [*_rows(payloads)]
    if args.npz is not None:
        _write_points(args.npz, payloads)
    elif args.json:
        for row in rows:
            print(orjson.dumps(row).decode())
    else:
        _print(rows)
    return 1 if any("problem" in row for row in rows) else 0


def _rows(payloads: list[tuple[int, bytes]]) -> Iterator[dict[str, Any]]:
    expected = payloads[0][0] if payloads else 0
    for at, payload in payloads:
        if at != expected:
            missing = f"{expected} to {at - 1} missing"
            yield {"offset": expected, "kind": "", "problem": missing}
        expected = at + 1
        try:
            yield {"offset": at} | _row(decode_entry(payload), payload)
        except DamagedError as error:
            yield {"offset": at, "kind": "", "problem": f"damaged: {error}"}


def _row(entry: Entry, payload: bytes) -> dict[str, Any]:
    applied = entry.applied
    return {
        "kind": entry.kind,
        "format": payload[0],
        "time": datetime.fromtimestamp(entry.ingest_ns / 1e9, UTC).isoformat(),
        "producer": entry.producer,
        "producer_epoch": entry.producer_epoch if entry.producer else None,
        "from_seq": entry.from_seq if entry.producer else None,
        "seq": entry.seq if entry.producer else None,
        "key": entry.key,
        "points": entry.count,
        "dimension": entry.block.shape[1] if entry.count else None,
        "bytes": len(payload),
        "epoch": entry.epoch,
        "params": entry.params,
        "metadata": entry.metadata,
        "applied": None if applied is None else applied.offset,
        "hash": None if applied is None else applied.hash.hex(),
        "engine": None if applied is None else applied.engine,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(box=SIMPLE)
    for head in ("offset", "kind", "producer", "epoch", "seq", "points", "time"):
        numeric = head in ("offset", "epoch", "seq")
        table.add_column(head, justify="right" if numeric else "left", overflow="fold")
    table.add_column("hash of what was applied", overflow="fold")
    for row in rows:
        if "problem" in row:
            table.add_row(f"{row['offset']:,}", f"[red]{row['problem']}[/red]")
            continue
        points = f"{row['points']} x {row['dimension']}" if row["points"] else ""
        known = f"{row['hash'][:12]} at {row['applied']}" if row["hash"] else ""
        table.add_row(
            *(f"{row['offset']:,}", row["kind"], row["producer"] or ""),
            *(_shown(row["producer_epoch"]), _seqs(row["from_seq"], row["seq"])),
            *(points, row["time"][:19], known),
        )
    Console(highlight=False).print(table)


def _seqs(first: int | None, last: int | None) -> str:
    return _shown(last) if first == last else f"{first}-{last}"


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _write_points(path: Path, payloads: list[tuple[int, bytes]]) -> None:
    batches = []
    for at, payload in payloads:
        try:
            entry = decode_entry(payload)
        except DamagedError:
            continue  # the exit code tells
        if entry.count:
            batches.append((at, entry))
    widths = sorted({entry.block.shape[1] for _, entry in batches})
    if len(widths) != 1:
        found = " and ".join(map(str, widths)) or "no"
        raise SettingsError(
            f"the entries have points of {found} dimensions; choose others with --from"
            " and --to"
        )
    counts = [entry.count for _, entry in batches]
    with path.open("wb") as file:  # np.savez would put .npz behind another name
        np.savez(
            file,
            X=np.concatenate([entry.block for _, entry in batches]),
            offset=np.repeat([at for at, _ in batches], counts),
            ingest_ns=np.repeat([entry.ingest_ns for _, entry in batches], counts),
        )
