"""Carrying cluster ids from one density step to the next.

A component takes the old id that most of its weight carries; an id goes to one
component only, and an id that is given up is never given again.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .result import OUTLIER

__all__ = ["Carried", "carry_ids"]


@dataclasses.dataclass(slots=True)
class Carried:
    """The new labelling and how it came out of the old one."""

    label: NDArray[np.int64]
    """int64 (m,): new cluster id of each micro-cluster, -1 for none."""
    created: list[int]
    split: list[tuple[int, int, float]]
    """(new id, id it came out of, share of the old weight that it took along)."""
    merged: list[tuple[int, int]]
    """(id given up, id that took it in)."""
    removed: list[int]
    next_id: int


def carry_ids(
    component: NDArray[np.int64],
    weight: NDArray[np.float64],
    old: NDArray[np.int64],
    alive: set[int],
    next_id: int,
) -> Carried:
    """Give every component a cluster id.

    Args:
        component: int64 (m,), component of each micro-cluster, -1 for none.
        weight: float64 (m,).
        old: int64 (m,), the cluster ids until now, -1 for none.
        alive: ids that clusters carry until now.
        next_id: the first id that was never given.
    """
    overlaps = kernel.active.overlaps(component, old, weight)
    overlap = _heaviest_first(overlaps)
    id_of: dict[int, int] = {}
    taken: set[int] = set()
    for _, comp, cluster in overlap:
        if comp not in id_of and cluster not in taken:
            id_of[comp] = cluster
            taken.add(cluster)
    parent: dict[int, tuple[int, float]] = {}
    whole: dict[int, float] = {}
    for shared, comp, cluster in overlap:
        parent.setdefault(comp, (cluster, shared))
        whole[cluster] = whole.get(cluster, 0.0) + shared
    result = Carried(old, [], [], [], [], next_id)
    heaviest = _by_weight(overlaps)
    for comp in heaviest:
        if comp not in id_of:
            id_of[comp] = result.next_id
            result.next_id += 1
            if comp in parent:
                cluster, shared = parent[comp]
                result.split.append((id_of[comp], cluster, shared / whole[cluster]))
            else:
                result.created.append(id_of[comp])
    # The last one is for components at -1.
    label = np.full(max(heaviest, default=-1) + 2, OUTLIER)
    label[heaviest] = [id_of[comp] for comp in heaviest]
    result.label = label[component]
    went_to: dict[int, int] = {}
    for _, comp, cluster in overlap:
        went_to.setdefault(cluster, id_of[comp])
    for cluster in sorted(alive - taken):
        if cluster in went_to:
            result.merged.append((cluster, went_to[cluster]))
        else:
            result.removed.append(cluster)
    return result


def _heaviest_first(
    overlaps: list[tuple[int, int, float]],
) -> list[tuple[float, int, int]]:
    """Return (weight, component, old id), ties to the oldest id."""
    return sorted(
        (
            (w, comp, cluster)
            for comp, cluster, w in overlaps
            if comp != OUTLIER and cluster != OUTLIER
        ),
        key=lambda row: (-row[0], row[2], row[1]),
    )


def _by_weight(overlaps: list[tuple[int, int, float]]) -> list[int]:
    """Return the components, heaviest first."""
    total: dict[int, float] = {}
    for comp, _, w in overlaps:
        if comp != OUTLIER:
            total[comp] = total.get(comp, 0.0) + w
    return sorted(total, key=lambda comp: (-total[comp], comp))
