"""`ncs journal dump`: the entries of a journal to read, or their points as arrays."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ..archive import entries_between, newest_good
from ..entry import Entry, decode_entry
from ..sealed import DamagedError, checksum_of
from ..settings import SettingsError
from ..store import Store, StreamKey
from .stored import add_store_options, choose, offset, opened

__all__ = ["add_to"]

_LINE = "{:>10}  {:9}  {:20}  {:>19}  {:>15}  {:>12}  {:19}  {}"
_HEADS = ("offset", "kind", "producer", "epoch", "seq", "points", "time", "hash")

_Stored = AsyncIterable[tuple[int, bytes]]


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
        entries = entries_between(store, key, first - 1, last)
        async with contextlib.aclosing(entries):
            if args.npz is not None:
                return await _write_points(args.npz, entries)
            return await _print(_rows(store, key, entries), args.json)


async def _rows(
    store: Store, key: StreamKey, entries: _Stored
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield what each entry is, or what is wrong with it, and what covers that."""
    expected: int | None = None
    saved: int | None = None
    async for at, payload in entries:
        problems: list[tuple[int, int, str]] = []
        if expected is not None and at != expected:
            problems.append((expected, at - 1, f"{expected} to {at - 1} missing"))
        expected = at + 1
        row = None
        try:
            row = {"offset": at} | _row(decode_entry(payload), payload)
        except DamagedError as error:
            problems.append((at, at, f"damaged: {error}"))
        for first, last, what in problems:
            if saved is None:
                saved = await newest_good(store, key)
            covered = saved if last <= saved else None
            yield {"offset": first, "kind": "", "problem": what, "covered_by": covered}
        if row is not None:
            yield row


def _row(entry: Entry, payload: bytes) -> dict[str, Any]:
    applied, times = entry.applied, entry.timestamps
    return {
        "kind": entry.kind,
        "format": payload[0],
        "time": _utc(entry.ingest_ns),
        "event_time": None if entry.event_time is None else _utc(entry.event_time),
        "event_times": [_utc(min(times)), _utc(max(times))] if times else None,
        "producer": entry.producer,
        "producer_epoch": entry.producer_epoch if entry.producer else None,
        "from_seq": entry.from_seq if entry.producer else None,
        "seq": entry.seq if entry.producer else None,
        "key": entry.key,
        "points": entry.count,
        "dimension": entry.block.shape[1] if entry.count else None,
        "bytes": len(payload),
        "checksum": checksum_of(payload),
        "epoch": entry.epoch,
        "params": entry.params,
        "metadata": entry.metadata,
        "applied": None if applied is None else applied.offset,
        "hash": None if applied is None else applied.hash.hex(),
        "engine": None if applied is None else applied.engine,
    }


def _utc(ns: int) -> str:
    seconds, rest = divmod(ns, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return moment.isoformat(timespec="microseconds")


async def _print(rows: AsyncIterable[dict[str, Any]], as_json: bool) -> int:
    """Print each as it comes, on a line of its own; return the exit code."""
    code = 0
    if not as_json:
        print(_LINE.format(*_HEADS) + " of what was applied")
    async for row in rows:
        code |= "problem" in row
        print(orjson.dumps(row).decode() if as_json else _line(row).rstrip())
    return code


def _line(row: dict[str, Any]) -> str:
    offset = f"{row['offset']:,}"
    if "problem" in row:
        covered = row["covered_by"]
        more = f"; the snapshot at offset {covered} is newer and good: nothing is lost"
        return f"{offset:>10}  {row['problem']}{more if covered else ''}"
    points = f"{row['points']} x {row['dimension']}" if row["points"] else ""
    known = f"{row['hash'][:12]} at {row['applied']}" if row["hash"] else ""
    return _LINE.format(
        *(offset, row["kind"], row["producer"] or ""),
        *(_shown(row["producer_epoch"]), _seqs(row["from_seq"], row["seq"])),
        *(points, row["time"][:19], known),
    )


def _seqs(first: int | None, last: int | None) -> str:
    return _shown(last) if first == last else f"{first}-{last}"


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


async def _write_points(path: Path, entries: _Stored) -> int:
    batches, code, previous = [], 0, None
    async for at, payload in entries:
        code |= previous is not None and at != previous + 1
        previous = at
        try:
            entry = decode_entry(payload)
        except DamagedError:
            code = 1
            continue
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
    return code
