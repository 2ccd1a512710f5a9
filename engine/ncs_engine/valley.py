"""The valley test: whether two crowds of micro-clusters have a valley between them.

The members are projected on the axis that discriminates best between the two crowds
(Fisher 1936), with covariances shrunk towards a sphere. Every member is projected on
the axis that would have come out without it: otherwise few points in many dimensions
always look apart. The answer is the depth of the valley in a kernel density estimate
along that axis: density in the valley / the lower of the two peaks.

This is the reference of `native/valley.c`, which decides the same.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["FULL_COVARIANCE_TO", "Crowds", "valley"]

FULL_COVARIANCE_TO = 16
"""Dimensions up to which covariances are used, and not variances alone."""

_GRID = 32
_MARGIN = 0.25  # of the distance of the means, beyond both
_INFLATE = 1.5  # of variances: a tiling of micro-clusters shall look flat
_NARROWEST = 0.25  # of the pooled spread; the bandwidth is not taken from less
_FINEST = 0.02  # of the distance of the means; the smallest bandwidth

Floats = NDArray[np.float64]


@dataclasses.dataclass(slots=True)
class Crowds:
    """Nodes of a tree over micro-clusters, with what the test needs of each."""

    x: Floats
    """float64 (m, d): centres."""
    v: Floats
    """float64 (m, d): variances per feature."""
    w: Floats
    """float64 (m,): weights."""
    blur: Floats
    """float64 (m,): variance added where points coincide."""
    members: list[NDArray[np.int64]]
    """Node -> its micro-clusters."""
    mean: list[Floats]
    """Node -> float64 (d,)."""
    scatter: list[Floats]
    """Node -> float64 (d, d) or (d,): weighted sum of squares about the mean."""
    mass: list[float]
    """Node -> weight."""


def valley(crowds: Crowds, a: int, b: int) -> float:
    """Return the valley between nodes `a` and `b`: 1 for none, 0 for an empty one.

    O(n d^2) for n members in up to 16 dimensions, O(n d) in more.
    """
    mass = np.array([crowds.mass[a], crowds.mass[b]])
    shape = _pooled(crowds, a, b)
    if shape is None:
        return 1.0
    root, inverse = shape
    axis = crowds.mean[b] - crowds.mean[a]
    axis = np.linalg.solve(root.T, np.linalg.solve(root, axis)) if root.ndim == 2 else (
        axis * inverse
    )  # fmt: skip
    length = math.sqrt(float(axis @ axis))
    if not length > 0.0:
        return 1.0
    axis = axis / length
    foot = [float(axis @ crowds.mean[node]) for node in (a, b)]
    gap = foot[1] - foot[0]
    if not gap > 0.0:
        return 1.0
    where, width = [], []
    for side, node in enumerate((a, b)):
        own = crowds.members[node]
        off = crowds.x[own] - crowds.mean[node]
        white = np.linalg.solve(root, off.T).T if root.ndim == 2 else off / root
        pull = crowds.v[own] @ inverse + np.square(white).sum(axis=1)
        pull /= _all_but_one(mass[side]) * length
        pull = np.minimum(pull, gap)
        where.append(off @ axis + foot[side] + (-pull if side else pull))
        blur = crowds.v[own] @ (axis * axis)
        width.append(blur * _INFLATE + crowds.blur[own])
    weights = [crowds.w[crowds.members[node]] for node in (a, b)]
    return _depth(where, width, weights, mass)


def _all_but_one(mass: float) -> float:
    return mass - 1.0 if mass > 1.5 else 0.5


def _pooled(crowds: Crowds, a: int, b: int) -> tuple[Floats, Floats] | None:
    """Return the pooled covariance, shrunk: (a root of it, inverse for variances)."""
    mass = crowds.mass[a] + crowds.mass[b]
    pooled = (crowds.scatter[a] + crowds.scatter[b]) / (mass - 2.0 if mass > 3 else 1.0)
    d = crowds.x.shape[1]
    full = pooled.ndim == 2
    trace = float(np.trace(pooled) if full else pooled.sum())
    if not trace > 0.0:
        return None
    share = d / (mass + d) if full else 3.0 / (mass + 3.0)
    ball = (share + 1e-9) * trace / d
    pooled = (1.0 - share) * pooled + (ball * np.eye(d) if full else ball)
    if not full:
        return np.sqrt(pooled), 1.0 / pooled
    try:
        root = np.linalg.cholesky(pooled)
    except np.linalg.LinAlgError:
        return None
    return root, 1.0 / np.square(np.diag(root))


def _depth(
    where: list[Floats], width: list[Floats], weight: list[Floats], mass: Floats
) -> float:
    """Return the depth of the valley between two sides on the axis."""
    centre = [
        float((w * q).sum()) / m for w, q, m in zip(weight, where, mass, strict=True)
    ]
    apart = centre[1] - centre[0]
    if not apart > 0.0:
        return 1.0
    var = np.array(
        [
            float((w * (np.square(q - c) + s)).sum()) / _all_but_one(m)
            for w, q, c, s, m in zip(weight, where, centre, width, mass, strict=True)
        ]
    )
    both = math.sqrt(float(var @ mass) / float(mass.sum()))
    sd = max(math.sqrt(float(var.min())), _NARROWEST * both)
    # Silverman (1986), for each side alone.
    h = max(sd * max(float(mass.min()), 1.0) ** -0.2, _FINEST * apart)
    step = (1.0 + 2.0 * _MARGIN) * apart / (_GRID - 1)
    grid = centre[0] - _MARGIN * apart + step * np.arange(_GRID)
    q, s, w = (np.concatenate(parts) for parts in (where, width, weight))
    # Kernels (1 - u^2 / 16)^8: near a Gaussian, but finite.
    reach = 16.0 * (s + h * h)
    kernel = np.maximum(1.0 - np.square(grid - q[:, None]) / reach[:, None], 0.0) ** 8
    density = (kernel * (w / np.sqrt(reach))[:, None]).sum(axis=0)
    left = np.maximum.accumulate(density)
    right = np.maximum.accumulate(density[::-1])[::-1]
    lower = np.minimum(left, right)
    first = math.ceil(_MARGIN * apart / step)
    last = math.floor((1.0 + _MARGIN) * apart / step)
    between = slice(first, last + 1)
    ratio = np.ones(_GRID)
    np.divide(density, lower, out=ratio, where=lower > 0.0)
    return min(1.0, float(ratio[between].min(initial=1.0)))
