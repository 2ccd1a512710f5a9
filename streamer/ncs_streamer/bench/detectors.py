"""Peers for outliers and for drift, each with one setting for all streams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .methods import Method, Verdicts
from .scaling import running_standard, running_unit
from .sdostream import SDOstream

__all__ = ["DETECTORS"]

_SDO = {"observers": 200, "nearest": 5, "memory": 1000.0, "idle": 0.3, "seed": 0}
_TREES = {"n_trees": 25, "height": 8, "window_size": 250, "seed": 0}
_ADWIN = {"delta": 0.002}


def _z_norm(points: NDArray[Any]) -> Verdicts:
    """Score by the norm of the standardised point: the least that one can do."""
    return Verdicts(scores=np.linalg.norm(running_standard(points), axis=1))


def _sdostream(points: NDArray[Any]) -> Verdicts:
    model = SDOstream(**_SDO)  # type: ignore[arg-type]
    rows = running_standard(points)
    return Verdicts(scores=np.array([model.score_then_learn(row) for row in rows]))


def _half_space_trees(points: NDArray[Any]) -> Verdicts:
    """Score by river's trees, which take features in [0, 1]."""
    from river import anomaly

    model = anomaly.HalfSpaceTrees(**_TREES)
    scores = []
    for row in running_unit(points).tolist():
        point = dict(enumerate(row))
        scores.append(model.score_one(point))
        model.learn_one(point)
    return Verdicts(scores=np.array(scores, dtype=np.float64))


def _adwin(points: NDArray[Any]) -> Verdicts:
    """Report drift when one of river's detectors, one per feature, does."""
    from river import drift

    features = [drift.ADWIN(**_ADWIN) for _ in range(points.shape[1])]
    reports = []
    for learned, row in enumerate(running_standard(points).tolist(), 1):
        for feature, value in zip(features, row, strict=True):
            feature.update(value)
        if any(feature.drift_detected for feature in features):
            reports.append(learned)
    return Verdicts(drift=tuple(reports))


DETECTORS = (
    Method("SDOstream", frozenset(("outlier",)), _sdostream, _SDO),
    Method(
        "HalfSpaceTrees", frozenset(("outlier",)), _half_space_trees, _TREES, "river"
    ),
    Method("z-norm", frozenset(("outlier",)), _z_norm),
    Method("ADWIN", frozenset(("drift",)), _adwin, _ADWIN, "river"),
)
"""Every peer that scores outliers or finds drift."""
