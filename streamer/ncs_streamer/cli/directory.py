"""Opening the store for the users and keys in it, beside servers that run on it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Awaitable, Callable

from ..cluster.orders import Order, say
from ..settings import SettingsError
from ..store import Store, StoreError
from ..stores import make_store, opening
from .options import settings_of

__all__ = ["recheck", "with_store"]

Action = Callable[[Store, argparse.Namespace], Awaitable[int]]


async def with_store(args: argparse.Namespace, action: Action) -> int:
    """Run `action` on the store; servers may be running on it."""
    settings = settings_of(args).settings
    if settings.store_kind == "memory":
        raise SettingsError("the memory store ends with the server; nothing to manage")
    if settings.store_kind == "sqlite" and not settings.data_dir.exists():
        print(
            f"ncs: no server has used {settings.data_dir} yet; it is made now (another"
            " folder: --data-dir)",
            file=sys.stderr,
        )
    async with opening(make_store(settings)) as store:
        return await action(store, args)


async def recheck(store: Store) -> None:
    """Have all nodes look now who may stay."""
    with contextlib.suppress(StoreError):  # they look by themselves every few seconds
        await say(store.channel, Order("recheck"))
