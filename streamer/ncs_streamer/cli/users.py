"""`ncs users`: who may log in, in the store of this machine."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import getpass
import sys
import time
from typing import Any

from ncs_protocol import check_name

from ..auth import ROLES, User, hash_password
from ..store import Store
from .directory import recheck, with_store
from .options import add_settings

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("users", help="manage users")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add a user; the password is asked for")
    add.add_argument("name")
    add.add_argument("--tenant", default="default")
    add.add_argument("--role", choices=sorted(ROLES), default="viewer")
    add.add_argument("--email", default="")
    _with(add, _add)
    _with(actions.add_parser("list", help="list the users"), _list)
    for name, action, text in (
        ("remove", _remove, "delete a user"),
        ("password", _password, "set a new password; it is asked for"),
        ("disable", _disable, "refuse a user from now on"),
        ("enable", _enable, "let a disabled user in again"),
    ):
        sub = actions.add_parser(name, help=text)
        sub.add_argument("name")
        _with(sub, action)


def _with(parser: argparse.ArgumentParser, action: Any) -> None:
    add_settings(parser)
    parser.set_defaults(run=lambda args: asyncio.run(with_store(args, action)))


async def _add(store: Store, args: argparse.Namespace) -> int:
    check_name("user", args.name)
    check_name("tenant", args.tenant)
    if await store.directory.user(args.name) is not None:
        print(f"ncs: there is a user {args.name} already", file=sys.stderr)
        return 1
    user = User(
        name=args.name,
        tenant=args.tenant,
        role=args.role,
        email=args.email,
        password_hash=hash_password(_ask_password()),
        created_at=time.time(),
    )
    await store.directory.put_user(user)
    print(f"added {user.name}: {user.role} of tenant {user.tenant}")
    return 0


async def _list(store: Store, args: argparse.Namespace) -> int:
    for user in await store.directory.users():
        state = "" if user.is_active else "  disabled"
        print(f"{user.name:20} {user.role:10} tenant {user.tenant}{state}")
    return 0


async def _remove(store: Store, args: argparse.Namespace) -> int:
    if not await store.directory.delete_user(args.name):
        return _unknown(args.name)
    await recheck(store)
    print(f"removed {args.name}")
    return 0


async def _password(store: Store, args: argparse.Namespace) -> int:
    return await _change(
        store, args.name, lambda: {"password_hash": hash_password(_ask_password())}
    )


async def _disable(store: Store, args: argparse.Namespace) -> int:
    return await _change(store, args.name, lambda: {"is_active": False})


async def _enable(store: Store, args: argparse.Namespace) -> int:
    return await _change(store, args.name, lambda: {"is_active": True})


async def _change(store: Store, name: str, changes: Any) -> int:
    user = await store.directory.user(name)
    if user is None:
        return _unknown(name)
    await store.directory.put_user(dataclasses.replace(user, **changes()))
    await recheck(store)
    print(f"changed {name}")
    return 0


def _unknown(name: str) -> int:
    print(f"ncs: there is no user {name}", file=sys.stderr)
    return 1


def _ask_password() -> str:
    """Ask on a terminal; from a pipe, take the first line."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass.getpass()
        if getpass.getpass("Again: ") != password:
            raise SystemExit("ncs: the two passwords differ")
    if len(password) < 8:
        raise SystemExit("ncs: a password needs at least 8 characters")
    return password
