"""The labelled data sets that come inside scikit-learn: real, small, no download.

Their classes were made by people and are not always clusters, so they are a check on
the generated streams rather than a target.
"""

from __future__ import annotations

import numpy as np

from .labelled import LabelledStream

__all__ = ["PACKAGED", "load_packaged"]

PACKAGED = ("iris", "wine", "breast_cancer", "digits")
"""Names of the data sets."""

_POINTS = 3000  # a data set is presented again until there are so many


def load_packaged(name: str) -> LabelledStream:
    """Return one of `PACKAGED` as a stream, shuffled anew for every presentation.

    Raises:
        ImportError: if scikit-learn is not installed.
    """
    from sklearn import datasets

    points, truth = getattr(datasets, f"load_{name}")(return_X_y=True)
    rng = np.random.default_rng(0)
    times = -(-_POINTS // len(points))
    order = np.concatenate([rng.permutation(len(points)) for _ in range(times)])
    return LabelledStream(
        name=name,
        origin="packaged",
        kind="real",
        tasks=frozenset(("cluster",)),
        points=points[order].astype(np.float32),
        truth=truth[order].astype(np.int64),
    )
