"""`ncs snapshot`: the saved models of the streams."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from ncs_protocol import check_name

from ..archive import SnapshotInfo, describe, entries_between, model_at
from ..recovery import begin_epoch
from ..settings import SettingsError
from ..store import SqliteStore, Store, StreamKey
from ..store.copying import copy_stream
from ..store.sqlite.copying import copy_file
from ..stream_model import StreamModel
from .output import console, print_json
from .stored import add_store_options, choose, offset, opened, opened_alone

__all__ = ["add_to"]

_PRODUCERS_SHOWN = 10


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("snapshot", help="saved models: look, keep, set back")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list what is kept")
    listing.add_argument("--json", action="store_true", help="as JSON")
    _with(listing, _list)
    export = actions.add_parser(
        "export",
        help="write one to a file",
        description="Write the model of a stream to a file; a server may be running.",
    )
    export.add_argument("file", type=Path)
    export.add_argument(
        "--offset", type=offset, help="any that the journal leads to [the newest kept]"
    )
    _with(export, _export)
    load = actions.add_parser(
        "import",
        help="make a stream of a file",
        description="Make a new stream of an exported model. Its producers' marks come"
        " with it: what they had sent before is a duplicate for the new stream, too.",
    )
    load.add_argument("file", type=Path)
    _with(load, _import)
    restore = actions.add_parser(
        "restore",
        help="set a stream back",
        description="Set a stream back to what it was at an offset, or to an exported"
        " file. What comes after it in the journal is taken out, and so are the marks"
        " of the producers: they go back too, and who sends again from there is not"
        " taken for a duplicate. All that there was is kept in a folder under backups/,"
        " which is a data folder of its own. Readers are told to begin anew. All"
        " servers of the store must be stopped.",
    )
    where = restore.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--offset", type=offset, help="a kept one, or any that the journal leads to"
    )
    where.add_argument("--file", type=Path, help="an exported one")
    restore.add_argument("--yes", action="store_true", help="do not ask")
    _with(restore, _restore)


def _with(parser: argparse.ArgumentParser, action: Any) -> None:
    add_store_options(parser)
    parser.set_defaults(run=lambda args: asyncio.run(action(args)))


async def _list(args: argparse.Namespace) -> int:
    rows, code, now = [], 0, time.time()
    async with opened(args) as store:
        for key in await store.streams():
            if args.tenant in (None, key.tenant) and args.stream in (None, key.stream):
                for at, payload in await store.snapshots.load(key):
                    row = _row(key, at, payload, now)
                    rows.append(row)
                    code |= "problem" in row
    if args.json:
        print_json(rows)
    else:
        _print(rows)
    return int(code)


def _row(key: StreamKey, at: int, payload: bytes, now: float) -> dict[str, Any]:
    where = {"tenant": key.tenant, "stream": key.stream, "offset": at}
    try:
        info = describe(payload)
    except ValueError as error:
        return where | {"bytes": len(payload), "problem": f"damaged: {error}"}
    told = info.checkpoint
    return where | {
        "bytes": info.bytes,
        "format": info.format,
        "engine": None if told is None else told.engine,
        "hash": None if told is None else told.hash.hex(),
        "age_s": None if not info.ingest_ns else round(now - info.ingest_ns / 1e9, 1),
        "producers": info.producers,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(box=SIMPLE)
    for head in ("tenant", "stream", "offset", "bytes", "format", "engine", "hash"):
        numeric = head in ("offset", "bytes")
        table.add_column(head, justify="right" if numeric else "left", overflow="fold")
    table.add_column("last entry", justify="right")
    for row in rows:
        where = (
            row["tenant"],
            row["stream"],
            f"{row['offset']:,}",
            f"{row['bytes']:,}",
        )
        if "problem" in row:
            table.add_row(*where, f"[red]{row['problem']}[/red]")
            continue
        age = "" if row["age_s"] is None else f"{row['age_s']:,.0f} s ago"
        more = (row["engine"] or "", (row["hash"] or "")[:12], age)
        table.add_row(*where, str(row["format"]), *more)
    console().print(table)


async def _export(args: argparse.Namespace) -> int:
    async with opened(args) as store:
        key = choose(await store.streams(), args)
        kept = dict(await store.snapshots.load(key))
        at = args.offset or max(kept, default=await store.journal.tail(key))
        payload = kept.get(at) or (await model_at(store, key, at)).snapshot()
    describe(payload)  # a damaged one is worth nothing
    with args.file.open("xb") as file:
        file.write(payload)
    print(
        f"stream {key.stream} at offset {at:,}: {len(payload):,} bytes in {args.file}"
    )
    return 0


async def _import(args: argparse.Namespace) -> int:
    info, model = _read(args.file)
    key = StreamKey(args.tenant or "default", args.stream or info.stream)
    check_name("tenant", key.tenant)
    check_name("stream", key.stream)
    async with opened_alone(args, make=True) as (store, _):
        if key in await store.streams():
            raise SettingsError(
                f"stream {key.stream!r} of tenant {key.tenant!r} is not empty; choose"
                " another name with --stream, or set it back: ncs snapshot restore"
            )
        await _put(store, key, model)
    print(
        f"stream {key.stream} of tenant {key.tenant} is there, at offset"
        f" {info.offset:,}; {_marks(model)}"
    )
    return 0


async def _restore(args: argparse.Namespace) -> int:
    async with opened_alone(args) as (store, data_dir):
        key = choose(await store.streams(), args)
        tail = await store.journal.tail(key)
        if args.file is not None:
            _, model = _read(args.file)
        elif args.offset > tail:
            raise SettingsError(f"the stream ends at offset {tail}")
        else:
            model = await model_at(store, key, args.offset)
        removed = [
            at async for at, _ in entries_between(store, key, model.offset, tail)
        ]
        print(
            f"stream {key.stream} of tenant {key.tenant} goes back from offset {tail:,}"
            f" to {model.offset:,}: {len(removed):,} entries leave the journal;"
            f" {_marks(model)}",
            file=sys.stderr,
        )
        if not args.yes and not _is_agreed():
            print("ncs: nothing was changed", file=sys.stderr)
            return 1
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        folder = data_dir / "backups" / f"{moment}-{key.tenant}-{key.stream}"
        if isinstance(store, SqliteStore):
            file = data_dir / "ncs.db"
            await asyncio.to_thread(copy_file, file, key, folder / file.name)
        else:
            await copy_stream(store, key, folder / "ncs.db")
        await _put(store, key, model)
    print(f"done; what there was is in {folder}: ncs replay --data-dir {folder}")
    return 0


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        raise SettingsError("this is no terminal to ask at; --yes does it unasked")
    return input("Do it? [y/N] ").strip().lower() in ("y", "yes")


async def _put(store: Store, key: StreamKey, model: StreamModel) -> None:
    """Let the stream be the model, in a new epoch: its readers begin anew."""
    owner = await store.ownership.seize(key)
    model.stream = key.stream
    await store.replace(key, model.offset, model.snapshot())
    await begin_epoch(store, key, model, time.time_ns())
    await store.ownership.release(key, owner)


def _read(path: Path) -> tuple[SnapshotInfo, StreamModel]:
    payload = path.read_bytes()
    try:
        return describe(payload), StreamModel.restore(payload)
    except ValueError as error:
        raise SettingsError(f"{path} is no whole snapshot: {error}") from None


def _marks(model: StreamModel) -> str:
    if not model.marks:
        return "it knows no producer"
    shown = [
        f"{name} to epoch {mark.epoch}, seq {mark.seq}"
        for name, mark in sorted(model.marks.items())[:_PRODUCERS_SHOWN]
    ]
    more = len(model.marks) - len(shown)
    return f"its producers: {'; '.join(shown)}" + (f"; {more} more" if more else "")
