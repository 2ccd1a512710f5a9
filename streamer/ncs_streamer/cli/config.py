"""`ncs config show`: every setting, its value, and where the value came from.

And which kernel the engine runs on: no setting of the server, but what to look at when
it is slow.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from rich.table import Table

from ncs_engine import KERNEL_ENV, kernel_info

from ..settings import setting_rows
from .options import add_settings, settings_of
from .output import console, print_json

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("config", help="look at the settings")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="all settings with values and sources")
    show.add_argument("--json", action="store_true", help="as JSON")
    add_settings(show)
    show.set_defaults(run=_show)


def _show(args: argparse.Namespace) -> None:
    loaded = settings_of(args)
    rows = []
    for row in setting_rows():
        value = row.shown(getattr(loaded.settings, row.name))
        rows.append((row.name, value, loaded.sources[row.name], row.env))
    source = KERNEL_ENV if os.environ.get(KERNEL_ENV) else "default"
    rows.append(("engine_kernel", str(kernel_info()), source, (KERNEL_ENV,)))
    if args.json:
        shown = {
            name: {"value": value, "source": source, "env": env}
            for name, value, source, env in rows
        }
        print_json(shown)
        return
    table = Table("setting", "value", "source", "environment")
    for name, value, source, env in rows:
        table.add_row(name, str(value), source, " ".join(env))
    console().print(table)
