"""Clusters as modes of the density over the micro-clusters.

Mode seeking by persistence after ToMATo (Chazal, Guibas, Oudot, Skraba, JACM 2013):
climb from every micro-cluster to its densest neighbour; where two climbs meet, join the
lower peak to the higher one unless the saddle between them is low against the lower
peak. Peaks that now carry the same label join more readily than peaks that carry
different ones, so that a border case does not flicker.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["density", "find_modes"]

_NEIGHBOURS_WITHIN = 2.5  # bandwidths
_SAME_LABEL = 0.8  # share of the threshold that is enough between equal labels
_SLACK = 1.0  # standard deviations of a Poisson count


def density(
    squared: NDArray[np.float64], weight: NDArray[np.float64], bandwidth: float
) -> NDArray[np.float64]:
    """Return float64 (m,): Gaussian kernel density at each micro-cluster, in points.

    Args:
        squared: float64 (m, m), squared distances between the micro-clusters.
        weight: float64 (m,).
        bandwidth: standard deviation of the kernel, in the unit of the distances.
    """
    kernel = np.exp(squared * (-0.5 / (bandwidth * bandwidth)))
    kernel *= weight[:, None]
    result: NDArray[np.float64] = np.add.reduce(kernel, axis=0)
    return result


def find_modes(
    squared: NDArray[np.float64],
    weight: NDArray[np.float64],
    label: NDArray[np.int64],
    bandwidth: float,
    threshold: float,
) -> NDArray[np.int64]:
    """Return int64 (m,): for each micro-cluster the index of its peak.

    Args:
        squared: float64 (m, m), squared distances between the micro-clusters.
        weight: float64 (m,).
        label: int64 (m,), the clusters now, -1 for none; only for hysteresis.
        bandwidth: see `density`.
        threshold: share of the lower peak from which a saddle joins two peaks.
    """
    rho = density(squared, weight, bandwidth)
    near = squared <= (_NEIGHBOURS_WITHIN * bandwidth) ** 2
    peak = np.full(len(rho), -1, dtype=np.int64)
    # Stable: of two equal densities the older micro-cluster is taken first.
    for i in np.argsort(-rho, kind="stable"):
        above = np.flatnonzero(near[i] & (peak >= 0))
        if not above.size:
            peak[i] = i
            continue
        peak[i] = peak[above[np.argmax(rho[above])]]
        for other in np.unique(peak[above]):
            if other != peak[i]:
                _join(
                    int(peak[i]), int(other), float(rho[i]), threshold, rho, label, peak
                )
    return peak


def _join(
    a: int,
    b: int,
    saddle: float,
    threshold: float,
    rho: NDArray[np.float64],
    label: NDArray[np.int64],
    peak: NDArray[np.int64],
) -> None:
    high, low = (a, b) if rho[a] >= rho[b] else (b, a)
    same = label[high] == label[low] and label[high] >= 0
    share = threshold * (_SAME_LABEL if same else 1.0)
    height = float(rho[low])
    if saddle >= share * height - _SLACK * math.sqrt(height):
        peak[peak == low] = high
