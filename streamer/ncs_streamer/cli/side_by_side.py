"""What engines with other parameters made of the same points, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

__all__ = ["side_by_side"]

_ROWS = (
    ("clusters", "{:,}"), ("quality", "{:.3f}"), ("silhouette", "{:.3f}"),
    ("stability", "{:.3f}"), ("threshold", "{:.3f}"), ("outlier_rate", "{:.2%}"),
    ("drifts", "{:,}"), ("changes", "{:,}"), ("points", "{:,}"),
    ("points_per_second", "{:,.0f}"), ("agreement", "{:.3f}"), ("truth", "{:.3f}"),
)  # fmt: skip


def side_by_side(sides: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Return a table with a column for each (name, figures)."""
    table = Table(box=SIMPLE)
    table.add_column("")
    for name, _ in sides:
        table.add_column(name, justify="right")
    for row, form in _ROWS:
        cells = [figures.get(row) for _, figures in sides]
        if any(cell is not None for cell in cells):
            shown = ("" if cell is None else form.format(cell) for cell in cells)
            table.add_row(row.replace("_", " "), *shown)
    return table
