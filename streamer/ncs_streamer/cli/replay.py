"""`ncs replay`: run a journal again beside the live stream, and compare."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import Progress

from ncs_engine import EngineParams

from ..archive import begin_replay, describe, entries_between
from ..comparison import Comparison
from ..replay import Divergence, Replay
from ..settings import SettingsError
from ..state_hash import engine_name
from ..store import Store, StreamKey
from .output import print_json
from .side_by_side import side_by_side
from .stored import add_store_options, choose, offset, opened

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="run a journal again, and compare",
        description="Run the journal of a stream, or a part of it, through an engine of"
        " its own, and compare the hashes with those in the journal; the stream itself"
        " is not touched, and a server may be running. With --params also run it with"
        " other engine parameters and compare the outcomes. Exit code 1: the replay"
        " came to something else.",
    )
    parser.add_argument(
        "--from", dest="first", type=offset, metavar="OFFSET", help="[all that is kept]"
    )
    parser.add_argument(
        "--to", dest="last", type=offset, metavar="OFFSET", help="[the end]"
    )
    parser.add_argument(
        "--params",
        nargs="+",
        metavar="FILE|NAME=VALUE",
        help="engine parameters to try, or YAML files with such",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_store_options(parser)
    parser.set_defaults(run=lambda args: asyncio.run(_run(args)))


async def _run(args: argparse.Namespace) -> int:
    tried = _params(args.params or [])
    async with opened(args) as store:
        key = choose(await store.streams(), args)
        tail = await store.journal.tail(key)
        last = args.last or tail
        if last > tail or (args.first or 1) > last:
            raise SettingsError(
                f"offsets {args.first or 1} to {last} are not within the journal, which"
                f" ends at offset {tail}"
            )
        replay = await begin_replay(store, key, args.first)
        before = replay.entries, replay.model.offset
        try:
            comparison = Comparison(replay.model, [tried] if tried else [])
        except ValueError as error:
            raise SettingsError(f"--params: {error}") from None
        await _replay(store, key, replay, comparison, last)
    report = _report(key, replay, comparison, before)
    if args.json:
        print_json(report)
    else:
        _print(report)
    return 1 if replay.divergences else 0


async def _replay(
    store: Store, key: StreamKey, replay: Replay, comparison: Comparison, last: int
) -> None:
    """Replay up to `last`, and check the snapshots on the way as well."""
    first = replay.model.offset
    told = {}
    for at, payload in await store.snapshots.load(key):
        try:
            told[at] = describe(payload).checkpoint
        except ValueError as error:
            print(f"ncs: the snapshot at offset {at}: {error}", file=sys.stderr)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("replaying", total=last - first)
        async for at, payload in entries_between(store, key, first, last):
            began = time.thread_time()
            entry, applied = replay.step(at, payload)
            comparison.in_force.note(applied, time.thread_time() - began)
            for _ in comparison.follow(at, entry, applied):
                pass
            if checkpoint := told.get(at):
                replay.check(checkpoint)
            progress.advance(task)
    if replay.model.offset < last:
        raise replay.missing("it is not there")


def _params(words: list[str]) -> dict[str, Any]:
    """Return the parameters that files and words give, checked."""
    params: dict[str, Any] = {}
    for word in words:
        name, is_pair, value = word.partition("=")
        try:
            if is_pair:
                params[name] = yaml.safe_load(value)
                continue
            content = yaml.safe_load(Path(word).read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingsError(f"--params {word}: {error}") from None
        if not isinstance(content, dict):
            raise SettingsError(f"--params {word}: must hold names and values")
        params |= content
    try:
        EngineParams().replace(**params)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"--params: {error}") from None
    return params


def _report(
    key: StreamKey, replay: Replay, comparison: Comparison, before: tuple[int, int]
) -> dict[str, Any]:
    report: dict[str, Any] = {
        "tenant": key.tenant,
        "stream": key.stream,
        "from": before[1] + 1,
        "to": replay.model.offset,
        "entries": replay.entries - before[0],
        "checked": replay.checked,
        "engine": engine_name(),
        "hash": replay.model.checkpoint.hash.hex(),
        "divergences": [_shown(divergence) for divergence in replay.divergences],
        "in_force": comparison.in_force.as_dict(),
    }
    for tried in comparison.tried:
        report["params"] = tried.params
        report["tried"] = tried.as_dict()
        report["agreement"] = tried.agreement.value
    return report


def _shown(divergence: Divergence) -> dict[str, Any]:
    return {
        "offset": divergence.journal.offset,
        "journal_hash": divergence.journal.hash.hex(),
        "replay_hash": divergence.replay.hash.hex(),
        "journal_engine": divergence.journal.engine,
        "by_another_engine": divergence.is_expected,
    }


def _print(report: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"stream {report['stream']} of tenant {report['tenant']}: offsets"
        f" {report['from']:,} to {report['to']:,}"
    )
    sides = [("in force", report["in_force"])]
    if "tried" in report:
        name = " ".join(f"{n}={v}" for n, v in report["params"].items())
        sides.append((name, report["tried"]))
    console.print(side_by_side(sides))
    if "tried" in report:
        console.print(f"agreement of the assignments (ARI): {report['agreement']:.3f}")
    for found in report["divergences"]:
        console.print(
            f"DIVERGED at offset {found['offset']:,}: the journal says"
            f" {found['journal_hash']}, the replay {found['replay_hash']}"
        )
        if found["by_another_engine"]:
            console.print(
                f"  expected: engine {found['journal_engine']} wrote the journal, this"
                f" is {report['engine']}"
            )
    if not report["divergences"]:
        console.print(
            f"the same as before: {report['checked']:,} hashes compared,"
            f" {report['hash']} at the end"
        )
