"""Prequential quality: what counts of a point is what was said of it at its arrival.

Nothing is relabelled afterwards, there is no second pass, and every method has one
setting for all streams. A method's verdicts on a stream become one row of plain
numbers; `summary` makes means of the rows and the command makes tables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .drift_scores import birth_delays, score_drift
from .labelled import LabelledStream
from .methods import Method, Verdicts
from .scores import (
    ami,
    area_under_roc,
    ari,
    precision_recall_f1,
    purity,
    silhouette,
)

__all__ = ["WINDOW", "Row", "run_quality", "runs_of", "score_verdicts"]

Row = dict[str, Any]
"""One method on one stream: plain numbers, None for what is not defined."""

WINDOW = 1000
"""Points of a window: on drift streams the scores of windows are averaged."""


def run_quality(
    streams: Sequence[LabelledStream],
    methods: Sequence[Method],
    *,
    points: int,
    on_step: Callable[[LabelledStream, Method], None] = lambda *_: None,
    on_verdicts: Callable[[LabelledStream, Method, Verdicts], None] = lambda *_: None,
) -> Iterator[Row]:
    """Run every method on every stream that has a task for it; give a row each.

    Args:
        streams: what to run on.
        methods: installed ones.
        points: clusters and outliers are scored on so many first points of a stream;
            drift, of which there is little in them, on all.
        on_step: called before each run.
        on_verdicts: called after each run on a stream that has clusters, with its
            scored part.
    """
    truths: dict[str, Row] = {}
    for stream, method in runs_of(streams, methods):
        scored = stream.head(points)
        if stream.path not in truths:
            truths[stream.path] = _truth_row(scored)
        on_step(stream, method)
        method.load()
        whole = stream if "drift" in _tasks(stream) & method.tasks else scored
        began = time.perf_counter()
        verdicts = method.run(whole.points)
        seconds = time.perf_counter() - began
        if "cluster" in stream.tasks:
            on_verdicts(scored, method, verdicts)
        yield {
            "method": method.name,
            "seconds": seconds,
            "points_per_second": len(whole.points) / seconds,
            **truths[stream.path],
            **score_verdicts(stream, scored, verdicts),
        }


def runs_of(
    streams: Sequence[LabelledStream], methods: Sequence[Method]
) -> Iterator[tuple[LabelledStream, Method]]:
    """Give every stream with every method that can do one of its tasks."""
    for stream in streams:
        yield from ((stream, m) for m in methods if _tasks(stream) & m.tasks)


def _tasks(stream: LabelledStream) -> frozenset[str]:
    """Return what methods can do for it: both tasks about outliers are one to them."""
    labelled = {"outlier"} if "outlier_label" in stream.tasks else set()
    return frozenset((stream.tasks | labelled) - {"outlier_label"})


def score_verdicts(
    stream: LabelledStream, scored: LabelledStream, verdicts: Verdicts
) -> Row:
    """Return every score that the tasks of the stream and the verdicts allow.

    Args:
        stream: the whole stream.
        scored: the first part of it, on which clusters and outliers are scored.
        verdicts: on all points of `stream`, or of `scored` where there is no drift.
    """
    n = len(scored.points)
    row: Row = {}
    if "cluster" in stream.tasks and verdicts.ids is not None:
        row |= _cluster_scores(scored, verdicts.ids[:n])
    if _tasks(stream) & {"outlier"} and verdicts.scores is not None:
        row["auc"] = area_under_roc(scored.positive, verdicts.scores[:n])
        if verdicts.flags is not None:
            row |= _flag_scores(scored.positive, verdicts.flags[:n])
    if "drift" in stream.tasks and verdicts.drift is not None:
        row |= _drift_scores(stream, verdicts.drift)
        if "cluster" in stream.tasks and verdicts.ids is not None:
            row["birth_delays"] = birth_delays(stream.truth, verdicts.ids)
    return row


def _truth_row(scored: LabelledStream) -> Row:
    """Return what is true of the scored part, whatever a method says."""
    row: Row = {
        "stream": scored.path,
        "origin": scored.origin,
        "kind": scored.kind,
        "tasks": sorted(scored.tasks),
        "points": len(scored.points),
        "dimension": scored.points.shape[1],
    }
    if "cluster" in scored.tasks:
        row["true_clusters"] = _count(scored.truth)
        row["true_silhouette"] = _silhouettes(scored, scored.truth)["silhouette"]
    return row


def _cluster_scores(scored: LabelledStream, ids: NDArray[np.int64]) -> Row:
    drifts = scored.kind == "drift"
    parts = _windows(len(ids)) if drifts else [slice(0, len(ids))]
    indices: tuple[Callable[..., float], ...] = (ari, ami, purity)
    values: dict[str, list[float]] = {index.__name__: [] for index in indices}
    for part in parts:
        known = scored.truth[part] >= 0
        for index in indices if known.any() else ():
            value = index(scored.truth[part][known], ids[part][known])
            values[index.__name__].append(value)
    means = {name: _mean(found) for name, found in values.items()}
    judged = np.where(scored.truth >= 0, ids, -1)
    return {**means, **_silhouettes(scored, judged), "clusters": _count(ids)}


def _windows(n: int) -> list[slice]:
    """Return the full windows of n points, or all of them if there is none."""
    starts = range(0, n - WINDOW + 1, WINDOW)
    return [slice(start, start + WINDOW) for start in starts] or [slice(0, n)]


def _silhouettes(scored: LabelledStream, labels: NDArray[np.int64]) -> Row:
    """Return the mean silhouette of the windows, with and without the first of them.

    Features are over their deviation; points labelled -1 are in no cluster. A window at
    a time, because a partition is judged, and that of a stream changes: one point of an
    id that is no longer given would be everybody's nearest cluster for ever. For the
    same reason the start stands by itself, when no scale of the data is known.
    """
    deviation = scored.points.std(axis=0, dtype=np.float64)
    scaled = scored.points / np.where(deviation > 0, deviation, 1.0)
    values = []
    for window in _windows(len(labels)):
        within = labels[window] >= 0
        values.append(silhouette(scaled[window][within], labels[window][within]))
    return {
        "silhouette": _mean(values[1:] or values),
        "silhouette_with_start": _mean(values),
    }


def _count(labels: NDArray[np.int64]) -> int:
    """Return how many labels that are not -1 the last window has."""
    last = labels[-WINDOW:]
    return len(np.unique(last[last >= 0]))


def _flag_scores(positive: NDArray[np.bool_], flags: NDArray[np.bool_]) -> Row:
    precision, recall, f1 = precision_recall_f1(positive, flags)
    row: Row = {"false_flag_rate": float(flags[~positive].mean())}
    if positive.any():
        row |= {"precision": precision, "recall": recall, "f1": f1}
    return row


def _drift_scores(stream: LabelledStream, reports: Sequence[int]) -> Row:
    score = score_drift(stream.drift_points, reports)
    return {
        "drift_delays": list(score.delays),
        "drift_false_alarms": score.false_alarms,
        "drift_points_seen": len(stream.points),
    }


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
