"""What is done to all micro-clusters at once: keep some, remap, forget.

This is the reference of `native/upkeep.c`, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .microclusters import MicroClusters

__all__ = ["forget", "keep", "remap"]


def keep(micro: MicroClusters, count: int, mask: NDArray[np.bool_]) -> int:
    """Keep those of the first `count` that are marked; return how many.

    Args:
        micro: INOUT, all arrays; not its `count`.
        count: see above.
        mask: bool (count,).
    """
    kept = int(np.count_nonzero(mask))
    for name in micro.ARRAYS:
        array = getattr(micro, name)
        array[..., :kept] = array[..., :count][..., mask]
    return kept


def remap(
    micro: MicroClusters,
    count: int,
    factor: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> None:
    """Follow a move of the standardiser: centre * factor + offset. O(count d).

    Args:
        micro: INOUT, centres and spread of the first `count`.
        count: see above.
        factor: float64 (d,).
        offset: float64 (d,).
    """
    active = micro.centres[:, :count]
    active *= factor[:, None]
    active += offset[:, None]
    micro.spread[:, :count] *= (factor * factor)[:, None]


def forget(
    micro: MicroClusters,
    count: int,
    faded: float,
    learned: int,
    since: int,
    patience: float,
    least: float,
) -> int:
    """Forget what is long ago; return how many micro-clusters are kept. O(count).

    What is silent for much longer than its share of the points would let expect loses
    half in every further gap; the less is left, the longer the gaps.

    Args:
        micro: INOUT, all arrays; not its `count`.
        count: how many are in use.
        faded: what is left of every weight.
        learned: points learned.
        since: points since this was done last.
        patience: expected gaps without a point, that nothing is lost for.
        least: weight of what is kept, at least.
    """
    weight = micro.weight[:count]
    weight *= faded
    total = float(np.cumsum(weight)[-1]) if count else 0.0
    share = weight / max(total, 1.0)
    silence = (learned - micro.seen[:count]) * share
    gaps = np.minimum(silence - patience, since * share)
    for i in np.flatnonzero(gaps > 0.0).tolist():
        weight[i] *= 0.5 ** float(gaps[i])  # not by NumPy, whose powers are its own
    return keep(micro, count, weight >= least)
