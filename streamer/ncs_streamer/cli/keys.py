"""`ncs keys`: API keys, in the store of this machine."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

from ncs_protocol import check_name

from ..auth import SCOPES, make_key
from ..store import Store
from .directory import recheck, with_store
from .options import add_settings, positive, settings_of

__all__ = ["add_to"]

_DAY_S = 86_400.0


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("keys", help="manage API keys")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key and print it, once")
    create.add_argument("name", help="what the key is for")
    create.add_argument("--tenant", default="default")
    create.add_argument(
        "--scopes",
        default="read,write",
        help=f"of {', '.join(SCOPES)} [read,write]",
    )
    create.add_argument("--days", type=positive(float), help="lifetime [for ever]")
    _with(create, _create)
    listing = actions.add_parser("list", help="list the keys")
    listing.add_argument("--tenant")
    _with(listing, _list)
    revoke = actions.add_parser("revoke", help="make a key unusable")
    revoke.add_argument("key_id")
    _with(revoke, _revoke)


def _with(parser: argparse.ArgumentParser, action: Any) -> None:
    add_settings(parser)
    parser.set_defaults(run=lambda args: asyncio.run(with_store(args, action)))


async def _create(store: Store, args: argparse.Namespace) -> int:
    check_name("tenant", args.tenant)
    scopes = tuple(dict.fromkeys(args.scopes.split(",")))
    for scope in scopes:
        if scope not in SCOPES:
            print(f"ncs: {scope!r} is no scope: {', '.join(SCOPES)}", file=sys.stderr)
            return 2
    now = time.time()
    key, row = make_key(
        environment=settings_of(args).settings.environment,
        name=args.name,
        tenant=args.tenant,
        permissions=scopes,
        now=now,
        expires_at=None if args.days is None else now + args.days * _DAY_S,
    )
    await store.directory.put_key(row)
    print(f"key {row.key_id}, to be revoked by this id:", file=sys.stderr)
    print(key)
    return 0


async def _list(store: Store, args: argparse.Namespace) -> int:
    for key in await store.directory.keys(args.tenant):
        state = "" if key.is_active else "  revoked"
        if key.expires_at is not None:
            state += f"  until {datetime.fromtimestamp(key.expires_at, UTC):%Y-%m-%d}"
        scopes = ",".join(key.permissions)
        print(
            f"{key.key_id}  {key.prefix}...  {key.name:20} {scopes:16}"
            f" tenant {key.tenant}{state}"
        )
    return 0


async def _revoke(store: Store, args: argparse.Namespace) -> int:
    if not await store.directory.revoke_key(args.key_id):
        print(f"ncs: there is no key {args.key_id}", file=sys.stderr)
        return 1
    await recheck(store)
    print(f"revoked {args.key_id}; its sessions end within seconds")
    return 0
