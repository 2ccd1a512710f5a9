"""`ncs tune`: try out engine parameters on your data, and say which to take."""

from __future__ import annotations

import argparse
import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..bench.figures import machine
from ..bench.generators import GENERATORS, generate
from ..bench.tuning import (
    Targets,
    Trial,
    best_of,
    candidates,
    changes,
    recommend,
    try_out,
)
from .options import positive
from .output import print_json
from .push import Rows

__all__ = ["add_to"]

_SHOWN = 10
_FEWEST = 10


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tune",
        help="try out engine parameters on a file",
        description="Learn a stream anew with every configuration of a grid of"
        " base_threshold, learning_rate and max_clusters, and with the defaults and the"
        " presets. Exit code 1: no configuration meets the targets.",
    )
    parser.add_argument(
        "source",
        metavar="FILE|STREAM",
        help=f"CSV, .npy or .npz file (array X), or one of {', '.join(GENERATORS)}",
    )
    parser.add_argument(
        "--points", type=positive(int), default=10_000, help="points of it [10000]"
    )
    parser.add_argument("--columns", help="columns of a CSV file [all numeric ones]")
    parser.add_argument(
        "--quick", action="store_true", help="a grid of 3 x 3 x 2, not 5 x 5 x 6"
    )
    parser.add_argument(
        "--min-quality", type=positive(float), default=0.0, help="[0]", metavar="SHARE"
    )
    parser.add_argument(
        "--max-processing-time",
        type=positive(float),
        default=float("inf"),
        help="mean time of a single point, in milliseconds [no limit]",
        metavar="MS",
    )
    parser.add_argument(
        "--min-throughput",
        type=positive(float),
        default=0.0,
        help="points/s when learned in batches [0]",
        metavar="RATE",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, with every row")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    points = _points(args.source, args.columns)[: args.points]
    if len(points) < _FEWEST:
        raise SystemExit(
            f"ncs: {args.source} has {len(points)} points, needs {_FEWEST}"
        )
    targets = Targets(
        min_quality=args.min_quality,
        max_processing_ms=args.max_processing_time,
        min_points_per_second=args.min_throughput,
    )
    trials = _try_all(points, targets, quick=args.quick)
    if args.json:
        _print_json(args.source, points, trials)
    else:
        _print(trials)
    return 0 if best_of(trials).meets_targets else 1


def _try_all(
    points: NDArray[np.float64], targets: Targets, *, quick: bool
) -> list[Trial]:
    """Try the candidates in turn, with a bar on a terminal."""
    console, trials = Console(stderr=True), list[Trial]()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for name, params in progress.track(
            candidates(quick=quick), description="trying"
        ):
            try:
                trials.append(try_out(name, params, points, targets))
            except ValueError as error:
                raise SystemExit(f"ncs: {error}") from None
    return trials


def _points(source: str, columns: str | None) -> NDArray[np.float64]:
    """Return float64 (n, d) of a file or of a generated stream."""
    if source in GENERATORS:
        return generate(source).points.astype(np.float64)
    path = Path(source)
    try:
        if path.suffix in (".npy", ".npz"):
            return _array(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _rows(path, Rows(file, columns.split(",") if columns else None))
    except FileNotFoundError:
        raise SystemExit(
            f"ncs: {source} is neither a file nor a stream; ncs tune --help lists those"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SystemExit(f"ncs: {source} is no CSV file: {error}") from None


def _rows(path: Path, rows: Rows) -> NDArray[np.float64]:
    points = np.array(list(rows), dtype=np.float64)
    if rows.bad:
        line, why = rows.bad[0]
        raise SystemExit(f"ncs: {path}, line {line}: {why}")
    return points


def _array(path: Path) -> NDArray[np.float64]:
    """Return the array of a .npy file, or `X` or the only one of a .npz file."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _numbers(path, loaded)
        with loaded:
            names = loaded.files
            name = "X" if "X" in names or len(names) != 1 else names[0]
            return _numbers(path, loaded[name])
    except KeyError:
        raise SystemExit(f"ncs: {path} has several arrays and none is X") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise SystemExit(f"ncs: {path} is no readable array: {error}") from None


def _numbers(path: Path, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.ndim != 2:
        raise SystemExit(f"ncs: {path} has shape {array.shape}, needs (points, d)")
    return array.astype(np.float64)


def _print_json(source: str, points: NDArray[np.float64], trials: list[Trial]) -> None:
    best = best_of(trials)
    report = {
        "machine": machine(),
        "source": source,
        "points": len(points),
        "dimension": points.shape[1],
        "trials": [trial.as_dict() for trial in trials],
        "meeting": sum(trial.meets_targets for trial in trials),
        "best": best.as_dict() | {"changes": changes(best.params)},
        "recommendation": recommend(trials),
    }
    print_json(report)


def _print(trials: list[Trial]) -> None:
    """Print the best rows of the grid below the named ones, and what to do."""
    best = best_of(trials)
    table = Table(box=SIMPLE, title=f"{len(trials)} configurations, the best first")
    table.add_column("")
    for head in (
        "base_threshold", "learning_rate", "max_clusters", "clusters", "outliers",
        "quality", "silhouette", "points/s", "ms a point", "meets",
    ):  # fmt: skip
        table.add_column(head, justify="right")
    ranked = sorted(trials, key=lambda t: (t is not best, not t.meets_targets, -_of(t)))
    named = [trial for trial in ranked[_SHOWN:] if trial.name != "grid"]
    for trial in ranked[:_SHOWN] + named:
        table.add_row(*_cells(trial))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{sum(t.meets_targets for t in trials)} meet the targets.")
    console.print(recommend(trials))


def _of(trial: Trial) -> float:
    return trial.silhouette + trial.quality


def _cells(trial: Trial) -> tuple[str, ...]:
    params = trial.params
    return (
        trial.name,
        f"{params.base_threshold:.2f}",
        f"{params.learning_rate:.2f}",
        str(params.max_clusters),
        str(trial.clusters),
        f"{trial.outlier_share:.1%}",
        f"{trial.quality:.3f}",
        f"{trial.silhouette:.3f}",
        f"{trial.points_per_second:,.0f}",
        f"{trial.processing_ms:.3f}",
        "yes" if trial.meets_targets else "no",
    )
