"""Opening the directory of users and keys of this machine's store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable

from ..auth import Directory
from ..settings import SettingsError
from ..stores import make_store
from .options import settings_of

__all__ = ["with_directory"]

Action = Callable[[Directory, argparse.Namespace], Awaitable[int]]


async def with_directory(args: argparse.Namespace, action: Action) -> int:
    """Run `action` on the directory; a server may be running on the same store."""
    settings = settings_of(args).settings
    if settings.store_kind == "memory":
        raise SettingsError("the memory store ends with the server; nothing to manage")
    if settings.store_kind == "sqlite" and not settings.data_dir.exists():
        print(
            f"ncs: no server has used {settings.data_dir} yet; it is made now (another"
            " folder: --data-dir)",
            file=sys.stderr,
        )
    store = make_store(settings)
    try:
        await store.open()
        return await action(store.directory, args)
    finally:
        await store.close()
