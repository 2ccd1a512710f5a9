"""Means of the rows of a quality run: per kind, per origin, and the headline figures.

A mean is taken over the streams for which the figure is defined, and says over how
many; medians of delays are over the changes that were noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .generators import SEPARATED
from .methods import NCS
from .quality import Row

__all__ = ["SEPARABLE", "mean_of", "means_by", "summarize", "wins"]

SEPARABLE = 0.5
"""Silhouette of the true labels from which a stream is called separable.

Kaufman and Rousseeuw, Finding Groups in Data, 1990, table 4: from 0.51 on a reasonable
structure has been found.
"""

_MEANS = ("ari", "ami", "purity", "silhouette", "points_per_second")


def summarize(rows: Sequence[Row]) -> dict[str, Any]:
    """Return all means, by method, as plain numbers."""
    return {
        "all": means_by(rows, lambda row: "all").get("all", {}),
        "by_kind": means_by(rows, lambda row: str(row["kind"])),
        "by_origin": means_by(rows, lambda row: str(row["origin"])),
        "wins": wins(rows),
        "silhouette": _silhouettes(rows),
        "outliers": _outliers(rows),
        "drift": _drift(rows),
    }


def means_by(
    rows: Sequence[Row], key: Callable[[Row], str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return group -> method -> means of the scores of clusters, and of how many."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    clustered = [row for row in rows if row.get("ari") is not None]
    for group in sorted({key(row) for row in clustered}):
        of_group = [row for row in clustered if key(row) == group]
        groups[group] = {
            method: {
                "streams": len(own),
                **{name: mean_of(own, name) for name in _MEANS},
                "clusters_per_true": _mean(
                    row["clusters"] / max(1, row["true_clusters"]) for row in own
                ),
            }
            for method, own in _by_method(of_group)
        }
    return groups


def wins(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Return peer -> on how many streams NCS has the higher ARI, and of how many."""
    ours = {row["stream"]: row.get("ari") for row in rows if row["method"] == NCS.name}
    result = {}
    for method, own in _by_method(rows):
        pairs = [(ours.get(row["stream"]), row.get("ari")) for row in own]
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        if method != NCS.name and known:
            higher = sum(a > b for a, b in known)
            result[method] = {"higher": higher, "streams": len(known)}
    return result


def mean_of(rows: Iterable[Row], name: str) -> float | None:
    """Return the mean of a score over the rows that have it; None without any."""
    return _mean(row[name] for row in rows if row.get(name) is not None)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None


def _by_method(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows of each method, in order of appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["method"], []).append(row)
    return list(groups.items())


def _silhouettes(rows: Sequence[Row]) -> dict[str, Any]:
    """Return method -> silhouette against the truth's, and on the declared set."""
    result = {}
    for method, own in _by_method(row for row in rows if "silhouette" in row):
        separable = [
            row["silhouette"] / row["true_silhouette"]
            for row in own
            if row["silhouette"] is not None
            and (row["true_silhouette"] or 0.0) >= SEPARABLE
        ]
        declared = [row["silhouette"] for row in own if row["kind"] == SEPARATED]
        result[method] = {
            "separable_streams": len(separable),
            "ratio_to_truth": _mean(separable),
            "separated_streams": len(declared),
            "separated_mean": _mean(value or 0.0 for value in declared),
            "separated_worst": min((value or 0.0 for value in declared), default=None),
        }
    return result


def _outliers(rows: Sequence[Row]) -> dict[str, Any]:
    """Return method -> scores on strewn, faulty and labelled streams, and on none.

    Lone outliers are strewn into a stream of the kind `anomaly`; in other kinds what is
    no class are faults as well, which last.
    """
    result = {}
    for method, own in _by_method(row for row in rows if "auc" in row):
        labelled = [row for row in own if "outlier_label" in row["tasks"]]
        others = [row for row in own if row not in labelled]
        strewn = [row for row in others if row["kind"] == "anomaly"]
        faults = [row for row in others if row["kind"] != "anomaly"]
        clean = [row for row in own if row["kind"] == "clean"]
        result[method] = {
            **_flags("strewn", strewn),
            **_flags("faults", faults),
            **_flags("labelled", labelled),
            "clean_false_flag_rate": mean_of(clean, "false_flag_rate"),
        }
    return result


def _flags(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    scores = ("auc", "precision", "recall", "f1")
    return {
        f"{name}_streams": sum(row["auc"] is not None for row in rows),
        **{f"{name}_{score}": mean_of(rows, score) for score in scores},
    }


def _drift(rows: Sequence[Row]) -> dict[str, Any]:
    """Return method -> what it noticed of the changes, and false alarms."""
    result = {}
    for method, own in _by_method(row for row in rows if "drift_delays" in row):
        delays = [delay for row in own for delay in row["drift_delays"]]
        births = [delay for row in own for delay in row.get("birth_delays", ())]
        clean = [row for row in own if row["kind"] == "clean"]
        result[method] = {
            "changes": len(delays),
            "found": sum(delay is not None for delay in delays),
            "median_delay_points": _median(delays),
            "false_per_10k": _false_per_10k(own),
            "clean_false_per_10k": _false_per_10k(clean),
            "births": len(births),
            "births_found": sum(delay is not None for delay in births),
            "median_birth_points": _median(births),
        }
    return result


def _false_per_10k(rows: Sequence[Row]) -> float | None:
    seen = sum(row["drift_points_seen"] for row in rows)
    return 1e4 * sum(row["drift_false_alarms"] for row in rows) / seen if seen else None


def _median(delays: Iterable[int | None]) -> float | None:
    known = [delay for delay in delays if delay is not None]
    return float(np.median(known)) if known else None
