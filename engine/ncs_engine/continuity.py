"""Whether the components that were found are the clusters in force, as they mostly are.

Then every component goes on with the id that it has, and nothing has to be told. What
is in no cluster yet may have come into one, or stay in none.

This is the reference of `native/continuity.c`, which decides the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .result import OUTLIER

__all__ = ["go_on"]


def go_on(
    component: NDArray[np.int64],
    weight: NDArray[np.float64],
    label: NDArray[np.int64],
    clusters: int,
    to_stay: float,
    to_be_born: float,
) -> bool:
    """Let the clusters go on if the components are these; return whether they do.

    That is so if every cluster is in one component, none of which has two clusters, and
    each with a cluster has the weight to stay, each without one too little for a birth.

    Args:
        component: int64 (m,), numbered from 0.
        weight: float64 (m,).
        label: INOUT, int64 (m,), the clusters in force, -1 for none; if they go on,
            all of a component have its cluster.
        clusters: how many there are.
        to_stay: weight of a cluster, at least.
        to_be_born: weight of a newborn cluster, at least.
    """
    names, labels = component.tolist(), label.tolist()
    heir: dict[int, int] = {}
    place: dict[int, int] = {}
    own = {name: [0.0, 0.0] for name in names}
    for name, cluster, w in zip(names, labels, weight.tolist(), strict=True):
        own[name][cluster == OUTLIER] += w
        if cluster == OUTLIER:
            continue
        if heir.setdefault(name, cluster) != cluster:
            return False
        if place.setdefault(cluster, name) != name:
            return False
    for name, (known, stray) in own.items():
        is_one = known + stray >= (to_stay if name in heir else to_be_born)
        if is_one != (name in heir):
            return False
    if len(heir) != clusters:
        return False
    label[:] = [heir.get(name, OUTLIER) for name in names]
    return True
