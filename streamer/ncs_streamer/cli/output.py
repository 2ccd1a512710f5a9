"""How commands print what they found: as JSON for programs, as a table for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

__all__ = ["console", "print_json", "table_of"]

_WIDE = 1000


def console() -> Console:
    """Return where tables go: as wide as the terminal, or as they are if it is none.

    So that a row is a line for whoever reads from a pipe.
    """
    width = None if sys.stdout.isatty() else _WIDE
    return Console(highlight=False, width=width)


def print_json(value: Any) -> None:
    """Print a document of several lines; what JSON has not, as text."""
    print(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode())


def table_of(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None
) -> Table:
    """Return a table of rows with the same names, all of them unless some are given."""
    shown = [*rows[0]] if names is None else names
    table = Table(*(name.replace("_", " ") for name in shown))
    for row in rows:
        table.add_row(*(str(row[name]) for name in shown))
    return table
