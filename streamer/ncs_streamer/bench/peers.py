"""The stream clusterers that others use, each with one setting for all streams.

The settings are the best of a small search on public streams; each peer could do better
on a single stream with a setting for that stream, and so could NCS.
Features are standardised by a running scaler first: their radii have a unit.
River's learn point by point; scikit-learn's are made for blocks and get blocks of 100,
of which the first is learned before it is labelled and the others after.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .methods import Method, Verdicts
from .scaling import running_standard

__all__ = ["CLUSTERERS"]

_BLOCK = 100


def _river(name: str, **settings: Any) -> Method:
    """Return the clusterer `name` of river."""

    def run(points: NDArray[Any]) -> Verdicts:
        from river import cluster

        model = getattr(cluster, name)(**settings)
        rows = running_standard(points).tolist()
        return Verdicts(ids=np.array(_one_by_one(model, rows), dtype=np.int64))

    return Method(name, frozenset(("cluster",)), run, settings, "river")


def _one_by_one(model: Any, rows: list[list[float]]) -> list[int]:
    """Return the id of each point, before it is learned; None, no cluster, is -1."""
    ids = []
    for i, row in enumerate(rows):
        point = dict(enumerate(row))
        given = model.predict_one(point) if i else 0  # before it knows any
        ids.append(-1 if given is None else int(given))
        model.learn_one(point)
    return ids


def _sklearn(name: str, **settings: Any) -> Method:
    """Return the clusterer `name` of scikit-learn."""

    def run(points: NDArray[Any]) -> Verdicts:
        import sklearn.cluster
        from threadpoolctl import threadpool_limits

        model = getattr(sklearn.cluster, name)(**settings)
        scaled = running_standard(points)
        ids = []
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer clusters than asked for, and so on
            for start in range(0, len(scaled), _BLOCK):
                block = scaled[start : start + _BLOCK]
                if start == 0:
                    model.partial_fit(block)
                ids.append(model.predict(block))
                if start:
                    model.partial_fit(block)
        return Verdicts(ids=np.concatenate(ids).astype(np.int64))

    return Method(name, frozenset(("cluster",)), run, settings, "scikit-learn")


CLUSTERERS = (
    _river(
        "DBSTREAM",
        clustering_threshold=1.0,
        fading_factor=0.003,
        cleanup_interval=100,
        intersection_factor=0.3,
        minimum_weight=3.0,
    ),
    _river(
        "DenStream",
        decaying_factor=0.001,
        beta=0.3,
        mu=5,
        epsilon=1.0,
        n_samples_init=200,
        stream_speed=1,
    ),
    _river(
        "CluStream",
        n_macro_clusters=8,
        max_micro_clusters=30,
        time_gap=100,
        time_window=1000,
        seed=0,
        halflife=0.4,
    ),
    _river(
        "STREAMKMeans", chunk_size=20, n_clusters=8, halflife=0.5, sigma=0.5, seed=0
    ),
    _sklearn("MiniBatchKMeans", n_clusters=8, n_init=3, random_state=0),
    _sklearn("Birch", threshold=1.0, n_clusters=None),
)
"""Every peer that clusters."""
