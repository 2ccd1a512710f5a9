"""The command: play scenarios, print a table, and tell by the exit code."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from .bell import WITHIN_S
from .driver import HOME, Sdk, read_sdks
from .play import Verdict, play_all
from .scenario import Scenario, read_scenarios

__all__ = ["main"]

_T = TypeVar("_T", Scenario, Sdk)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return 0 if each SDK passes all but what it is known to lack."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("--sdks", type=Path, default=HOME / "sdks.yaml")
    parser.add_argument("--sdk", action="append", help="only this one")
    parser.add_argument("--scenario", action="append", help="only this one")
    parser.add_argument("--within-s", type=float, default=WITHIN_S, metavar="SECONDS")
    options = parser.parse_args(words)
    sdks = _chosen(read_sdks(options.sdks), options.sdk)
    scenarios = _chosen(read_scenarios(), options.scenario)
    pairs = [(scenario, sdk) for scenario in scenarios for sdk in sdks]
    verdicts = asyncio.run(play_all(pairs, _tell, options.within_s))
    Console().print(_table(scenarios, sdks, verdicts))
    surprises = [v for v in verdicts if bool(v.faults) != _lacks(sdks, v)]
    return 1 if surprises else 0


def _chosen(all_: Sequence[_T], names: Sequence[str] | None) -> list[_T]:
    return [one for one in all_ if names is None or one.name in names]


def _lacks(sdks: Sequence[Sdk], verdict: Verdict) -> bool:
    return any(s.name == verdict.sdk and verdict.scenario in s.lacks for s in sdks)


def _tell(verdict: Verdict) -> None:
    for fault in verdict.faults:
        print(f"{verdict.scenario}, {verdict.sdk}: {fault}", file=sys.stderr)


def _table(
    scenarios: Sequence[Scenario], sdks: Sequence[Sdk], verdicts: Sequence[Verdict]
) -> Table:
    found = {(v.scenario, v.sdk): v for v in verdicts}
    table = Table("scenario", *(sdk.name for sdk in sdks))
    for scenario in scenarios:
        cells = [_cell(found[scenario.name, sdk.name], sdk) for sdk in sdks]
        table.add_row(scenario.name, *cells)
    return table


def _cell(verdict: Verdict, sdk: Sdk) -> str:
    if verdict.faults:
        known = " (known)" if verdict.scenario in sdk.lacks else ""
        return f"[red]fails{known}[/red]"
    return f"passes, {verdict.seconds:g} s"
