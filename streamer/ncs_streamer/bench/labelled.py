"""Labelled streams: points in the order of arrival, and what is true of them.

A folder of `.npz` files can be read, so that data whose licence keeps it out of this
repository is scored all the same. A file that is not as described is an error which
names it: a stream that is left out silently would change the means.
"""

from __future__ import annotations

import dataclasses
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_POINTS", "TASKS", "LabelledStream", "StreamFileError", "read_folder"]

TASKS = frozenset(("cluster", "outlier", "outlier_label", "drift"))
"""What a stream can be scored for.

`cluster`: ids against `truth`, without the points of which it is -1. `outlier`: those
are the positives. `outlier_label`: the points of which `truth` is 1 are the positives,
and it says nothing about clusters. `drift`: `drift_points` is complete.
"""


MIN_POINTS = 100
"""A stream has at least so many points: less are no stream."""


class StreamFileError(ValueError):
    """A file of labelled data is not as it has to be.

    Attributes:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledStream:
    """A stream and its truth. Not to be modified."""

    name: str
    origin: str
    """Where it comes from: `generated`, `packaged` or `data`."""
    kind: str
    """What sort it is of, for the means: `stationary`, `drift`, ..."""
    tasks: frozenset[str]
    """Some of `TASKS`."""
    points: NDArray[np.float32]
    """float32 (n, d), n at least `MIN_POINTS`, d at least 1, finite, as they arrive."""
    truth: NDArray[np.int64]
    """int64 (n,): the class of each point, -1 for an outlier."""
    drift_points: tuple[int, ...] = ()
    """Ascending: number of points before each change."""

    @property
    def path(self) -> str:
        """Its unique name: origin and name."""
        return f"{self.origin}/{self.name}"

    @property
    def positive(self) -> NDArray[np.bool_]:
        """bool (n,): the outliers."""
        label = 1 if "outlier_label" in self.tasks else -1
        return np.equal(self.truth, label)

    def head(self, n: int) -> LabelledStream:
        """Return its first `n` points as a stream; views, nothing is copied."""
        drift_points = tuple(at for at in self.drift_points if at < n)
        return dataclasses.replace(
            self,
            points=self.points[:n],
            truth=self.truth[:n],
            drift_points=drift_points,
        )


def read_folder(
    folder: Path, wanted: Callable[[str], bool] = lambda name: True
) -> list[LabelledStream]:
    """Read `NAME.npz` files: `X` (n, d), `y` (n,), and `drift_points` where there are.

    `kind` and `tasks` come from the file (text; tasks separated by commas) or from a
    Markdown table with the columns `name`, `kind` and `tasks` in a `README.md` in the
    folder or the one above. Otherwise the kind is `unknown` and the tasks follow from
    what there is: clusters, outliers if a class is -1, drift if there are drift points.

    Args:
        folder: where the files are.
        wanted: takes a name and says whether to read it.

    Raises:
        StreamFileError: for no folder, no file in it, or a file that is not as above.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise StreamFileError(folder, "there is no .npz file in it")
    described = _table(folder.parent) | _table(folder)
    return [
        _read(path, described.get(path.stem, {})) for path in paths if wanted(path.stem)
    ]


def _table(folder: Path) -> dict[str, dict[str, str]]:
    """Return name -> row of the table in the folder's README.md; {} without one."""
    rows: dict[str, dict[str, str]] = {}
    head: list[str] = []
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|"):
            head = []
        elif not head:
            head = cells
        elif {"name", "kind", "tasks"} <= set(head):
            row = dict(zip(head, cells, strict=False))
            rows[row["name"]] = row
    return rows


def _read(path: Path, described: dict[str, str]) -> LabelledStream:
    arrays = _arrays(path)
    missing = {"X", "y"} - arrays.keys()
    if missing:
        raise StreamFileError(path, f"it has no array {min(missing)}")
    points, truth = arrays["X"], arrays["y"]
    changes = arrays.get("drift_points", np.empty(0, np.int64))
    _check(path, points, truth, changes)
    inferred = _infer(truth, "drift_points" in arrays)
    tasks = str(arrays.get("tasks", described.get("tasks", inferred)))
    wanted = frozenset(task.strip() for task in tasks.split(","))
    if not wanted <= TASKS:
        unknown = min(wanted - TASKS)
        raise StreamFileError(path, f"task {unknown!r} is none of {sorted(TASKS)}")
    return LabelledStream(
        name=path.stem,
        origin="data",
        kind=str(arrays.get("kind", described.get("kind", "unknown"))),
        tasks=wanted,
        points=np.ascontiguousarray(points, dtype=np.float32),
        truth=truth.astype(np.int64),
        drift_points=tuple(sorted(changes.tolist())),
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as raw:  # np.load leaves it open when it fails
            if not zipfile.is_zipfile(raw):
                raise ValueError("it is no archive")
            raw.seek(0)
            with np.load(raw, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except (
        OSError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise StreamFileError(path, f"it is no readable .npz file: {error}") from None


def _check(
    path: Path, points: NDArray[Any], truth: NDArray[Any], changes: NDArray[Any]
) -> None:
    """Raise StreamFileError for the first thing that is wrong."""
    if points.ndim != 2 or not points.size or points.dtype.kind not in "fiu":
        got = f"{points.dtype} {points.shape}"
        raise StreamFileError(path, f"X must be numbers (n, d), it is {got}")
    if len(points) < MIN_POINTS:
        raise StreamFileError(
            path, f"it has {len(points)} points, at least {MIN_POINTS} are needed"
        )
    with np.errstate(over="ignore"):
        finite = np.isfinite(points.astype(np.float32)).all()
    if not finite:
        raise StreamFileError(path, "X has values that are not finite in float32")
    if truth.shape != points.shape[:1] or truth.dtype.kind not in "iu":
        got = f"{truth.dtype} {truth.shape}"
        raise StreamFileError(
            path, f"y must be whole numbers ({len(points)},), it is {got}"
        )
    if changes.ndim != 1 or changes.dtype.kind not in "iu":
        got = f"{changes.dtype} {changes.shape}"
        raise StreamFileError(
            path, f"drift_points must be whole numbers (m,), it is {got}"
        )
    if changes.size and not 0 <= changes.min() <= changes.max() < len(points):
        raise StreamFileError(path, f"drift_points must be in [0, {len(points)})")


def _infer(truth: NDArray[Any], has_drift_points: bool) -> str:
    tasks = ["cluster"]
    if (truth == -1).any():
        tasks.append("outlier")
    if has_drift_points:
        tasks.append("drift")
    return ",".join(tasks)
