"""The tables of `ncs bench quality`, for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..bench.methods import NCS
from ..bench.quality import Row
from ..bench.summary import SEPARABLE

__all__ = ["print_tables"]


def print_tables(console: Console, rows: Sequence[Row], summary: Any) -> None:
    """Print what was scored; a table without rows is left out."""
    _print_by_method(console, rows, "ari", "ARI of the ids given at arrival")
    _print_own(console, rows)
    _print_kinds(console, summary)
    _print_means(console, summary)
    _print_by_method(console, rows, "auc", "Outliers: area under the ROC curve")
    _print_outliers(console, summary["outliers"])
    _print_drift(console, rows, summary["drift"])
    _print_headlines(console, summary)


def _table(title: str, first: str, others: Iterable[str]) -> Table:
    table = Table(
        box=SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0)
    )
    table.add_column(first, overflow="fold")
    for head in others:
        table.add_column(head.replace("KMeans", "\nKMeans"), justify="right")
    return table


def _shown(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _best_in_bold(values: Sequence[float | None]) -> list[str]:
    best = max((value for value in values if value is not None), default=None)
    return [
        f"[bold]{_shown(value)}[/]" if value == best is not None else _shown(value)
        for value in values
    ]


def _methods(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(row["method"] for row in rows))


def _print_by_method(
    console: Console, rows: Sequence[Row], score: str, title: str
) -> None:
    """Print one score: a line per stream, a column per method."""
    scored = [row for row in rows if row.get(score) is not None]
    if not scored:
        return
    methods = _methods(scored)
    table = _table(title, "stream", methods)
    for stream in dict.fromkeys(row["stream"] for row in scored):
        of = {row["method"]: row[score] for row in scored if row["stream"] == stream}
        table.add_row(stream, *_best_in_bold([of.get(method) for method in methods]))
    console.print(table)


def _print_own(console: Console, rows: Sequence[Row]) -> None:
    """Print every score of the clusters of NCS: a line per stream."""
    own = [row for row in rows if row["method"] == NCS.name and "ari" in row]
    if not own:
        return
    heads = ("ARI", "AMI", "purity", "silhou-\nette", "of the\ntruth", "clusters")
    table = _table(f"{NCS.name} in detail", "stream", (*heads, "of the\ntruth", "pt/s"))
    names = ("ari", "ami", "purity", "silhouette", "true_silhouette")
    for row in own:
        table.add_row(
            row["stream"],
            *(_shown(row[name]) for name in names),
            str(row["clusters"]),
            str(row["true_clusters"]),
            _shown(row["points_per_second"], 0),
        )
    console.print(table)


def _print_kinds(console: Console, summary: Any) -> None:
    """Print mean ARI: a line per kind and per origin, a column per method."""
    groups = summary["by_kind"] | summary["by_origin"]
    if not groups:
        return
    methods = list(summary["all"])
    table = _table("Mean ARI by kind and by origin", "streams", methods)
    for name, means in groups.items():
        values = [
            means[method]["ari"] if method in means else None for method in methods
        ]
        count = max(mean["streams"] for mean in means.values())
        table.add_row(f"{name} ({count})", *_best_in_bold(values))
    console.print(table)


def _print_means(console: Console, summary: Any) -> None:
    """Print the means over all streams: a line per method."""
    if not summary["all"]:
        return
    heads = ("ARI", "AMI", "purity", "silhouette\nto truth", "clusters\nto truth")
    table = _table("Means over all streams", "method", (*heads, "pt/s", "NCS higher"))
    for method, mean in summary["all"].items():
        won = summary["wins"].get(method)
        table.add_row(
            method,
            *(_shown(mean[name]) for name in ("ari", "ami", "purity")),
            _shown(summary["silhouette"][method]["ratio_to_truth"]),
            _shown(mean["clusters_per_true"], 2),
            _shown(mean["points_per_second"], 0),
            f"{won['higher']} of {won['streams']}" if won else "",
        )
    console.print(table)


def _print_outliers(console: Console, outliers: Any) -> None:
    if not outliers:
        return
    kinds = ("strewn", "faults", "labelled")
    heads = [f"{score}\n{kind}" for score in ("AUC", "F1") for kind in kinds]
    table = _table("Outliers, means", "method", (*heads, "flagged of\nclean data"))
    for method, mean in outliers.items():
        names = [f"{kind}_{score}" for score in ("auc", "f1") for kind in kinds]
        cells = [_shown(mean[name]) for name in names]
        table.add_row(method, *cells, _shown(mean["clean_false_flag_rate"], 4))
    console.print(table)


def _print_drift(console: Console, rows: Sequence[Row], drift: Any) -> None:
    if not drift:
        return
    heads = ("found", "median\ndelay", "false\nalarms", "births", "median\npoints")
    table = _table("Drift: reports and births", "stream or method", heads)
    for row in rows:
        if "drift_delays" in row and row["method"] == NCS.name:
            table.add_row(
                row["stream"],
                *_noticed(row["drift_delays"]),
                str(row["drift_false_alarms"]),
                *_noticed(row.get("birth_delays", ())),
            )
    for method, mean in drift.items():
        table.add_row(
            f"{method}, all",
            f"{mean['found']} of {mean['changes']}",
            _shown(mean["median_delay_points"], 0),
            f"{_shown(mean['false_per_10k'], 2)} per 10k",
            f"{mean['births_found']} of {mean['births']}" if mean["births"] else "-",
            _shown(mean["median_birth_points"], 0),
        )
    console.print(table)


def _noticed(delays: Sequence[int | None]) -> tuple[str, str]:
    known = [delay for delay in delays if delay is not None]
    if not delays:
        return "-", "-"
    median = _shown(float(np.median(known)), 0) if known else "-"
    return f"{len(known)} of {len(delays)}", median


def _print_headlines(console: Console, summary: Any) -> None:
    """Print what is promised of NCS, as far as there are streams for it."""
    shape = summary["silhouette"].get(NCS.name, {})
    flags = summary["outliers"].get(NCS.name, {})
    drift = summary["drift"].get(NCS.name, {})
    worst = _shown(shape.get("separated_worst"))
    figures = {
        "silhouette against the true labels' where that is at least"
        f" {SEPARABLE} ({shape.get('separable_streams')} streams)": (
            shape.get("ratio_to_truth"),
            3,
        ),
        f"silhouette on the declared set of separated blobs (worst {worst})": (
            shape.get("separated_mean"),
            3,
        ),
        "share of clean Gaussian points that are flagged": (
            flags.get("clean_false_flag_rate"),
            5,
        ),
        "drift reports per 10,000 clean Gaussian points": (
            drift.get("clean_false_per_10k"),
            2,
        ),
    }
    table = _table(f"{NCS.name}: figures it is held to", "figure", ("value",))
    for name, (value, digits) in figures.items():
        if value is not None:
            table.add_row(name, _shown(value, digits))
    if table.row_count:
        console.print(table)
