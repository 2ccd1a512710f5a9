"""What the commands share that look into the store: options, opening, choosing."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ..settings import SettingsError
from ..store import SqliteStore, StoreError, StreamKey, lock_folder
from .options import add_settings, settings_of

__all__ = ["add_store_options", "choose", "file_of", "offset", "opened", "opened_alone"]


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Add which stream, and the settings, of which `--data-dir` is of use."""
    parser.add_argument("--tenant", help="of the stream [the only one]")
    parser.add_argument("--stream", help="name of the stream [the only one]")
    add_settings(parser)


def offset(text: str) -> int:
    """Return the argument for a journal offset."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no offset: 1, 2, 3, ...")
    return int(text)


def file_of(args: argparse.Namespace) -> Path:
    """Return the file of the SQLite store."""
    settings = settings_of(args).settings
    if settings.store_kind == "memory":
        raise SettingsError("the memory store ends with the server; nothing is kept")
    if settings.store_kind == "redis":
        raise SettingsError("this command reads the embedded store only, not Redis")
    return settings.data_dir / "ncs.db"


@contextlib.asynccontextmanager
async def opened(args: argparse.Namespace) -> AsyncIterator[SqliteStore]:
    """Open the store for reading only; a server may be running on it.

    Raises:
        StoreError: if there is none, or it cannot be read.
    """
    store = SqliteStore(file_of(args), read_only=True)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def opened_alone(
    args: argparse.Namespace, *, make: bool = False
) -> AsyncIterator[SqliteStore]:
    """Open the store for changing; no server may run on it meanwhile.

    Args:
        args: of the command.
        make: whether to make the store if there is none.

    Raises:
        StoreError: if a server does, or the store cannot be opened.
    """
    file = file_of(args)
    if not make and not file.exists():
        raise StoreError(f"there is no store at {file}; choose its folder: --data-dir")
    with lock_folder(file.parent):
        store = SqliteStore(file)
        try:
            await store.open()
            yield store
        finally:
            await store.close()


def choose(keys: list[StreamKey], args: argparse.Namespace) -> StreamKey:
    """Return the one stream that the options mean.

    Raises:
        SettingsError: if none or several fit; lists what there is.
    """
    fitting = [
        key
        for key in keys
        if args.tenant in (None, key.tenant) and args.stream in (None, key.stream)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if not keys:
        raise SettingsError("the store has no streams")
    listed = "; ".join(f"--tenant {k.tenant} --stream {k.stream}" for k in keys[:20])
    problem = "several streams fit" if fitting else "there is no such stream"
    raise SettingsError(f"{problem}; there are: {listed}")
