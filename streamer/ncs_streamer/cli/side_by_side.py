"""What engines with other parameters made of the same points, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

__all__ = ["side_by_side"]

_FIGURES = (
    ("clusters", "clusters", "{:,}"),
    ("quality", "quality", "{:.3f}"),
    ("silhouette", "silhouette", "{:.3f}"),
    ("stability", "stability", "{:.3f}"),
    ("threshold", "threshold", "{:.3f}"),
    ("outlier_rate", "outliers", "{:.2%}"),
    ("drifts", "drifts", "{:,}"),
    ("changes", "changes", "{:,}"),
    ("points", "points", "{:,}"),
    ("points_per_second", "points/s", "{:,.0f}"),
    ("agreement", "agreement", "{:.3f}"),
    ("truth", "truth", "{:.3f}"),
)
_MOST_COLUMNS = 3  # of sides; more of them are rows, with what tells them apart
_TELLING = frozenset(
    ("clusters", "quality", "silhouette", "outliers", "drifts", "agreement", "truth")
)


def side_by_side(sides: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Return a table of (name, figures), with what any of them has."""
    rows = [("", *(name.replace(", ", ",\n") for name, _ in sides))]
    for name, title, form in _FIGURES:
        values = [figures.get(name) for _, figures in sides]
        if any(value is not None for value in values):
            cells = ("" if value is None else form.format(value) for value in values)
            rows.append((title, *cells))
    table = Table(box=SIMPLE, pad_edge=False)
    if len(sides) > _MOST_COLUMNS:
        table.padding = 0  # so that it fits into 80 columns
        told = [row for row in rows if not row[0] or row[0] in _TELLING]
        rows = list(zip(*told, strict=True))
    heads, *rest = rows
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at else "left", no_wrap=at > 0)
    for row in rest:
        table.add_row(*row)
    return table
