"""What the commands share that look into the store: options, opening, choosing."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from ..settings import Settings, SettingsError
from ..store import SqliteStore, Store, StoreError, StreamKey, lock_folder
from ..stores import make_store, opening
from .options import add_settings, settings_of

__all__ = ["add_store_options", "choose", "offset", "opened", "opened_alone"]


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


def _settings(args: argparse.Namespace) -> Settings:
    settings = settings_of(args).settings
    if settings.store_kind == "memory":
        raise SettingsError("the memory store ends with the server; nothing is kept")
    return settings


@contextlib.asynccontextmanager
async def opened(args: argparse.Namespace) -> AsyncIterator[Store]:
    """Open the store for reading only; servers may be running on it.

    Raises:
        StoreError: if there is none, or it cannot be read.
    """
    settings = _settings(args)
    store: Store
    if settings.store_kind == "redis":
        store = make_store(settings)
    else:
        store = SqliteStore(settings.data_dir / "ncs.db", read_only=True)
    async with opening(store):
        yield store


@contextlib.asynccontextmanager
async def opened_alone(
    args: argparse.Namespace, *, make: bool = False
) -> AsyncIterator[tuple[Store, Path]]:
    """Open the store for changing; no server may run on it meanwhile.

    In Redis it is the streams that are fenced, see `Ownership.seize`: a server that
    starts meanwhile takes them over, and what is written here is refused.

    Args:
        args: of the command.
        make: whether to make the store if there is none.

    Yields:
        It, and the folder for backups.

    Raises:
        StoreError: if a server does, or the store cannot be opened.
    """
    settings = _settings(args)
    folder = settings.data_dir
    with contextlib.ExitStack() as stack:
        if settings.store_kind == "sqlite":
            file = folder / "ncs.db"
            if not make and not file.exists():
                raise StoreError(
                    f"there is no store at {file}; choose its folder: --data-dir"
                )
            stack.enter_context(lock_folder(folder))
        async with opening(make_store(settings)) as store:
            if nodes := await store.ownership.nodes():
                names = ", ".join(node.name for node in nodes)
                raise StoreError(
                    f"{store.place} is in use by: {names}. Stop all of them first; one"
                    f" that was killed counts until {settings.lease_s:g} s after"
                )
            yield store, folder


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
