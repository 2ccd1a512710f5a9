"""A data set cut into batches, and what came of them put together; without any I/O.

Every batch has a key made of the run, its place and its size. So it counts once however
often it is sent, by whichever task or process; and a run that is begun anew under its
old name, over the same data, counts only what was still missing.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec

from .points import as_points, count_of, dimensions_of, slice_of
from .results import Cluster, PointOutcome, ProcessResult
from .sizing import Fixed, Measured, formula, largest

__all__ = [
    "DEFAULTS",
    "Batch",
    "BatchResult",
    "Combined",
    "FailedBatch",
    "Run",
    "options_of",
    "settings",
]

DEFAULTS: Mapping[str, Any] = {
    "batch_size": 1000,
    "max_concurrent": 5,
    "retry_attempts": 3,
    "timeout_per_batch": 30.0,
    "memory_limit_mb": 512.0,
    "stream": "default",
    "columns": None,
    "run_id": None,
}
"""The documented `config`, and what is added to it."""


def settings(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the whole of a `config`.

    Raises:
        TypeError: for a name that is no option.
        ValueError: for a number that is too small, or if it does not go together.
    """
    if unknown := (config or {}).keys() - DEFAULTS.keys():
        raise TypeError(f"config has no option {min(unknown)!r}")
    whole = {**DEFAULTS, **(config or {})}
    if whole["batch_size"] == "auto" and whole["run_id"] is not None:
        raise ValueError("a run with a name needs batches of one size, not 'auto'")
    counts = ["max_concurrent", "retry_attempts"]
    if whole["batch_size"] != "auto":
        counts.append("batch_size")
    for name in counts:
        if whole[name] < 1:
            raise ValueError(f"{name} must be at least 1")
    for name in ("memory_limit_mb", "timeout_per_batch"):
        if not whole[name] > 0:
            raise ValueError(f"{name} must be above 0")
    return whole


def options_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `process_points` for a batch."""
    return {
        "batch_mode": True,
        "timeout": 1000 * config["timeout_per_batch"],
        "max_retries": config["retry_attempts"] - 1,
    }


class BatchResult(TypedDict):
    """What came of one batch."""

    batch_id: int
    result: ProcessResult
    processing_time: float
    """Seconds, with every attempt."""
    point_count: int


class FailedBatch(TypedDict):
    """A batch that nothing came of; sent again under its key it counts once."""

    batch_id: int
    start: int
    """Index of its first point in the data set."""
    point_count: int
    idempotency_key: str
    error: Exception


class Combined(TypedDict):
    """What came of all batches."""

    clusters: list[Cluster]
    """Each cluster that points fell into, as the last batch that met it saw it."""
    outliers: list[PointOutcome]
    """`index` is that in the data set."""
    total_processing_time: float
    """Seconds, of all batches added up."""
    total_points: int
    average_quality: float
    """Mean over `clusters`; 0 if there is none."""
    batch_count: int
    failed: list[FailedBatch]


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """A part of the data set."""

    id: int
    start: int
    points: Any
    count: int
    key: str


class Run:
    """One data set on its way.

    Args:
        dataset: rows, an array or a table; see `as_points`.
        config: see `settings`.

    Attributes:
        failed: the batches that nothing came of.
        is_over: whether there is no further batch.
    """

    def __init__(self, dataset: Any, config: Mapping[str, Any]) -> None:
        columns = config["columns"]
        # Lists are checked batch by batch: a copy of all of it could be too much.
        is_list = isinstance(dataset, Sequence) and columns is None
        self._rows: Any = dataset if is_list else as_points(dataset, columns)
        self.total = count_of(self._rows)
        self.failed: list[FailedBatch] = []
        self._sizes = _sizes(self._rows, self.total, config)
        self._name = config["run_id"] or uuid.uuid4().hex
        self._results: list[tuple[Batch, BatchResult]] = []
        self._next = self._next_id = self._settled = 0

    @property
    def progress(self) -> float:
        """The share of the points that are done with, [0, 1]."""
        return self._settled / self.total if self.total else 1.0

    def next(self) -> Batch | None:
        """Return the next batch to send, None if there is none."""
        start, stop = self._next, min(self.total, self._next + self._sizes.size)
        if start == stop:
            return None
        self._next = stop
        self._next_id += 1
        key = f"{self._name}:{start}:{stop - start}"
        rows = slice_of(self._rows, start, stop)
        return Batch(self._next_id - 1, start, rows, stop - start, key)

    def done(self, batch: Batch, result: ProcessResult, seconds: float) -> BatchResult:
        """Take note of what came of a batch."""
        self._settled += batch.count
        self._sizes.add(batch.count, seconds)
        told = BatchResult(
            batch_id=batch.id,
            result=result,
            processing_time=seconds,
            point_count=batch.count,
        )
        self._results.append((batch, told))
        return told

    def fail(self, batch: Batch, error: Exception) -> None:
        """Take note that nothing came of a batch."""
        self._settled += batch.count
        self.failed.append(
            FailedBatch(
                batch_id=batch.id,
                start=batch.start,
                point_count=batch.count,
                idempotency_key=batch.key,
                error=error,
            )
        )

    def combined(self) -> Combined:
        """Return what came of all batches so far."""
        clusters: dict[int, Cluster] = {}
        for _, told in sorted(self._results, key=lambda r: r[1]["result"].offset):
            clusters |= {c.cluster_id: c for c in told["result"].clusters}
        outliers = [
            msgspec.structs.replace(outlier, index=batch.start + outlier.index)
            for batch, told in sorted(self._results, key=lambda r: r[0].start)
            for outlier in told["result"].outliers
        ]
        qualities = [cluster.quality for cluster in clusters.values()]
        return Combined(
            clusters=[clusters[id] for id in sorted(clusters)],
            outliers=outliers,
            total_processing_time=sum(t["processing_time"] for _, t in self._results),
            total_points=sum(t["point_count"] for _, t in self._results),
            average_quality=sum(qualities) / max(1, len(qualities)),
            batch_count=len(self._results),
            failed=self.failed,
        )


def _sizes(rows: Any, total: int, config: Mapping[str, Any]) -> Fixed | Measured:
    if not total:
        return Fixed(1)
    dimensions = dimensions_of(rows)
    size, memory_mb = config["batch_size"], config["memory_limit_mb"]
    if size == "auto":
        most = formula(total, dimensions, largest(dimensions), memory_mb)
        return Measured(most)
    return Fixed(formula(total, dimensions, size, memory_mb))
