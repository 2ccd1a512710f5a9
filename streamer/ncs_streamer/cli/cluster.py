"""`ncs nodes`, `ncs streams`, `ncs drain`: the cluster, seen and moved from anywhere.

They need the store that the nodes share and no node: who can write there could do
anything anyway.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from ..cluster.orders import Order, say
from ..cluster.placement import preferred
from ..settings import SettingsError
from ..store import Store, StreamKey
from ..stores import make_store, opening
from .options import add_settings, settings_of
from .output import console, print_json

__all__ = ["add_to"]

Action = Callable[[Store, argparse.Namespace], Awaitable[int]]

_WAIT_S = 30.0
_PAUSE_S = 0.1


def add_to(commands: Any) -> None:
    """Add the commands."""
    nodes = commands.add_parser("nodes", help="list the nodes of the cluster")
    _with(nodes, _nodes)
    streams = commands.add_parser("streams", help="list and move streams of a cluster")
    actions = streams.add_subparsers(metavar="[ACTION]")
    # What was said before the action is not to be forgotten behind it.
    kept = argparse.SUPPRESS
    listing = actions.add_parser(
        "list", help="list them with their owners, as without", argument_default=kept
    )
    for parser in (streams, listing):
        parser.add_argument("--tenant")
        _with(parser, _streams)
    move = actions.add_parser(
        "move", help="have another node own a stream", argument_default=kept
    )
    move.add_argument("stream")
    move.add_argument("node", help="where to; it stays there until that node ends")
    move.add_argument("--tenant", default="default")
    _with(move, _move, has_json=False)
    drain = commands.add_parser(
        "drain", help="have a node give its streams away, before it is stopped"
    )
    drain.add_argument("node")
    _with(drain, _drain, has_json=False)


def _with(
    parser: argparse.ArgumentParser, action: Action, *, has_json: bool = True
) -> None:
    if has_json:
        parser.add_argument("--json", action="store_true", help="for programs")
    add_settings(parser)
    parser.set_defaults(run=lambda args: asyncio.run(_on_store(args, action)))


async def _on_store(args: argparse.Namespace, action: Action) -> int:
    settings = settings_of(args).settings
    if settings.store_kind != "redis":
        raise SettingsError(
            "there is no cluster here: nodes share a store, --store redis://..."
        )
    async with opening(make_store(settings)) as store:
        return await action(store, args)


def _show(args: argparse.Namespace, rows: list[dict[str, Any]]) -> int:
    if args.json:
        print_json(rows)
        return 0
    table = Table(box=SIMPLE)
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console().print(table)
    return 0


async def _nodes(store: Store, args: argparse.Namespace) -> int:
    nodes, owners = await store.ownership.nodes(), await store.ownership.owners()
    if not nodes:
        print("ncs: no node lives on this store", file=sys.stderr)
        return 1
    names = [node.name for node in nodes if not node.is_draining]
    rows = [
        {
            "node": node.name,
            "address": node.address,
            "speaks": node.version,
            "draining": node.is_draining,
            "streams": sum(owner.node == node.name for owner in owners.values()),
            "belong here": sum(preferred(key, names) == node.name for key in owners),
        }
        for node in nodes
    ]
    return _show(args, rows)


async def _streams(store: Store, args: argparse.Namespace) -> int:
    owners = await store.ownership.owners()
    living = {node.name for node in await store.ownership.nodes()}
    rows = []
    for key in sorted(set(owners).union(await store.streams())):
        if args.tenant not in (None, key.tenant):
            continue
        owner = owners.get(key)
        tail = await store.journal.tail(key)
        saved = max(await store.snapshots.offsets(key), default=0)
        name = owner.node if owner else ""
        rows.append(
            {
                "tenant": key.tenant,
                "stream": key.stream,
                "owner": name or None,
                "lives": name in living,
                "left to": (owner.successor or None) if owner else None,
                "epoch": owner.epoch if owner else 0,
                "offset": tail,
                "saved at": saved,
                "to replay": tail - saved,
            }
        )
    return _show(args, rows)


async def _move(store: Store, args: argparse.Namespace) -> int:
    key, node = StreamKey(args.tenant, args.stream), args.node
    living = {one.name: one for one in await store.ownership.nodes()}
    if node not in living:
        print(f"ncs: there is no node {node!r}; see ncs nodes", file=sys.stderr)
        return 2
    if living[node].is_draining:
        print(f"ncs: {node} is being drained, and takes nothing", file=sys.stderr)
        return 2
    if await store.ownership.owner(key) is None:
        print(f"ncs: nobody owns a stream {key.stream!r}", file=sys.stderr)
        return 2
    await say(store.channel, Order("move", node, *key))

    async def is_there() -> bool:
        known = await store.ownership.owner(key)
        return known is not None and known[0].node == node

    return await _wait(is_there, f"{key.stream} is on {node}")


async def _drain(store: Store, args: argparse.Namespace) -> int:
    node = args.node
    living = {one.name: one for one in await store.ownership.nodes()}
    if node not in living:
        print(f"ncs: there is no node {node!r}; see ncs nodes", file=sys.stderr)
        return 2
    if all(one.is_draining for one in living.values() if one.name != node):
        print(f"ncs: nobody could take what {node} has; just stop it", file=sys.stderr)
        return 2
    await say(store.channel, Order("drain", node))

    async def is_empty() -> bool:
        owners = await store.ownership.owners()
        return all(owner.node != node for owner in owners.values())

    return await _wait(is_empty, f"{node} owns nothing any more, and may be stopped")


async def _wait(condition: Callable[[], Awaitable[bool]], done: str) -> int:
    try:
        async with asyncio.timeout(_WAIT_S):
            while not await condition():  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        print(
            f"ncs: not done after {_WAIT_S:.0f} s; see the log of the nodes",
            file=sys.stderr,
        )
        return 1
    print(done)
    return 0
