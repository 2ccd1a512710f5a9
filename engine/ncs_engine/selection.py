"""Which components of the micro-clusters are clusters: heavy enough, not too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .result import OUTLIER

if TYPE_CHECKING:
    from .microclusters import MicroClusters

__all__ = ["drop_light", "limit", "weight_to_stay"]

_WEIGHT_TO_STAY = 1.25


def weight_to_stay(to_be_born: float) -> float:
    """Return the weight that a cluster needs that is there, given that of a newborn."""
    return min(_WEIGHT_TO_STAY, to_be_born)


def drop_light(
    component: NDArray[np.int64],
    weight: NDArray[np.float64],
    old: NDArray[np.int64],
    to_be_born: float,
) -> None:
    """Set components without the weight of a cluster to -1, in place.

    What breaks off a cluster has to have the weight of a newborn one.
    """
    total: dict[int, float] = {}
    heir: dict[int, tuple[float, int]] = {}
    for comp, cluster, shared in kernel.active.overlaps(component, old, weight):
        total[comp] = total.get(comp, 0.0) + shared
        if cluster != OUTLIER:
            heir[cluster] = max(heir.get(cluster, (0.0, 0)), (shared, -comp))
    heirs = {-minus for _, minus in heir.values()}
    to_stay = weight_to_stay(to_be_born)
    kept = np.arange(max(total, default=-1) + 2)
    kept[-1] = OUTLIER
    for comp, own in total.items():
        if own < (to_stay if comp in heirs else to_be_born):
            kept[comp] = OUTLIER
    component[:] = kept[component]


def limit(
    component: NDArray[np.int64],
    weight: NDArray[np.float64],
    micro: MicroClusters,
    most: int,
) -> None:
    """Let the lightest components beyond `most` join their nearest, in place."""
    if int(component.max(initial=OUTLIER)) < most:
        return
    comps = [int(c) for c in np.unique(component) if c >= 0]
    if len(comps) <= most:
        return
    squared = micro.pairwise_squared_distances()
    heaviest = sorted(comps, key=lambda c: (-float(weight[component == c].sum()), c))
    kept = np.isin(component, heaviest[:most])
    for comp in heaviest[most:]:
        members = component == comp
        gaps = squared[members][:, kept].min(axis=0)
        component[members] = component[kept][int(gaps.argmin())]
