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

import numpy as np
from numpy.typing import NDArray

__all__ = ["FULL_COVARIANCE_TO", "Crowds", "profiles", "valleys"]

FULL_COVARIANCE_TO = 16
"""Dimensions up to which covariances are used, and not variances alone."""

_GRID = np.linspace(-0.25, 1.25, 32)  # of the way from the left mean to the right one
_BETWEEN = slice(6, 26)  # the places of the grid from one mean to the other
_INFLATE = 1.5  # of variances: a tiling of micro-clusters shall look flat
_NARROWEST = 0.25  # of the pooled spread; the bandwidth is not taken from less
_FINEST = 0.02  # of the distance of the means; the smallest bandwidth
_TINY, _HUGE = 1e-200, 1e200  # variances beyond are beyond arithmetic as well

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


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
    members: list[Labels]
    """Node -> its micro-clusters."""
    mean: Floats
    """float64 (nodes, d)."""
    scatter: Floats
    """float64 (nodes, d, d) or (nodes, d): weighted sum of squares about the mean."""
    mass: Floats
    """float64 (nodes,): weights."""


@np.errstate(all="ignore")  # what overflows sees no valley
def valleys(crowds: Crowds, a: Labels, b: Labels) -> Floats:
    """Return the valley between each node of `a` and that of `b` in the same place.

    1 for none, 0 for an empty one. O(n d^2) for n members of all these nodes in up to
    16 dimensions, O(n d) in more.

    Args:
        crowds: the nodes.
        a: int64 (p,).
        b: int64 (p,).
    """
    if not len(a):
        return np.zeros(0)
    usable, density = profiles(crowds, a, b)
    return np.where(usable, _deepest(density), 1.0)


def profiles(crowds: Crowds, a: Labels, b: Labels) -> tuple[NDArray[np.bool_], Floats]:
    """Return what the valleys are read off: the densities along the axes.

    Args:
        crowds: the nodes.
        a: int64 (p,), p >= 1.
        b: int64 (p,).

    Returns:
        (bool (p,): whether there is an axis, float64 (p, 32): density from a quarter of
        the way before the mean of `a` to a quarter beyond that of `b`).
    """
    # Sides alternate: 2 p of them, those of a pair side by side.
    node = np.stack([a, b], axis=1).ravel()
    own = np.concatenate([crowds.members[i] for i in node])
    size = np.array([len(crowds.members[i]) for i in node])
    first = np.cumsum(size) - size
    side = np.repeat(np.arange(len(node)), size)
    pair = side // 2
    mass, w = crowds.mass[node], crowds.w[own]
    rest = np.where(mass > 1.5, mass - 1.0, 0.5)

    usable, white, inverse = _whitening(crowds, a, b)
    axis = crowds.mean[b] - crowds.mean[a]
    axis = _times(np.swapaxes(white, 1, -1), _times(white, axis))
    length = np.sqrt(np.square(axis).sum(axis=1))
    axis /= length[:, None]
    foot = (np.repeat(axis, 2, axis=0) * crowds.mean[node]).sum(axis=1)
    gap = foot[1::2] - foot[::2]

    off = crowds.x[own] - crowds.mean[node[side]]
    pull = (crowds.v[own] * inverse[pair]).sum(axis=1)
    pull += np.square(_times(white[pair], off)).sum(axis=1)
    pull /= rest[side] * length[pair]  # how far the member has pulled the axis
    pull = np.minimum(pull, gap[pair])
    where = (off * axis[pair]).sum(axis=1) + foot[side]
    where += np.where(side % 2, -pull, pull)
    width = (crowds.v[own] * np.square(axis[pair])).sum(axis=1)
    width = width * _INFLATE + crowds.blur[own]

    centre = np.add.reduceat(w * where, first) / mass
    apart = centre[1::2] - centre[::2]
    squares = np.square(where - centre[side]) + width
    variance = np.add.reduceat(w * squares, first) / rest
    h = _bandwidth(
        crowds.x.shape[1], variance.reshape(-1, 2), mass.reshape(-1, 2), apart
    )
    # Kernels (1 - u^2 / 16)^8: near a Gaussian, but finite.
    reach = 16.0 * (width + np.square(h[pair]))
    grid = centre[::2, None] + apart[:, None] * _GRID
    kernel = 1.0 - np.square(grid[pair] - where[:, None]) / reach[:, None]
    np.maximum(kernel, 0.0, out=kernel)
    for _ in range(3):
        kernel *= kernel
    kernel *= (w / np.sqrt(reach))[:, None]
    usable &= (length > 0.0) & (gap > 0.0) & (apart > 0.0)
    return usable, np.add.reduceat(kernel, first[::2], axis=0)


def _times(matrix: Floats, vector: Floats) -> Floats:
    """Return the products, row by row; a matrix of one axis is a diagonal."""
    if matrix.ndim == 2:
        return matrix * vector
    product: Floats = np.einsum("nij,nj->ni", matrix, vector)
    return product


def _whitening(
    crowds: Crowds, a: Labels, b: Labels
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Return of the pooled covariances, shrunk: (usable, inverse root, inverse pivots).

    The root is that of Cholesky. Where variances alone are used both are diagonals.
    """
    d = crowds.x.shape[1]
    mass = crowds.mass[a] + crowds.mass[b]
    pooled = crowds.scatter[a] + crowds.scatter[b]
    full = pooled.ndim == 3
    freedom = np.where(mass > 3.0, mass - 2.0, 1.0)
    trace = (np.trace(pooled, axis1=1, axis2=2) if full else pooled.sum(1)) / freedom
    usable = (trace > _TINY) & (trace < _HUGE)
    share = d / (mass + d) if full else 3.0 / (mass + 3.0)
    ball = (share + 1e-9) * trace / d
    keep = (1.0 - share) / freedom
    if not full:
        pooled = pooled * keep[:, None] + ball[:, None]
        return usable, 1.0 / np.sqrt(pooled), 1.0 / pooled
    pooled = pooled * keep[:, None, None] + ball[:, None, None] * np.eye(d)
    pooled[~usable] = np.eye(d)
    root = np.linalg.cholesky(pooled)
    pivots = np.diagonal(root, axis1=1, axis2=2)
    return usable, np.linalg.inv(root), 1.0 / np.square(pivots)


def _bandwidth(d: int, variance: Floats, mass: Floats, apart: Floats) -> Floats:
    """Return Silverman's (1986) bandwidth for each side alone; the smaller one.

    Wider in few dimensions: there Ward cuts where there are gaps by chance.
    """
    both = np.sqrt((variance * mass).sum(axis=1) / mass.sum(axis=1))
    sd = np.maximum(np.sqrt(variance.min(axis=1)), _NARROWEST * both)
    wider = 1.0 + 1.0 / (d * d)
    h: Floats = wider * sd * np.maximum(mass.min(axis=1), 1.0) ** -0.2
    return np.maximum(h, _FINEST * apart, out=h)


def _deepest(density: Floats) -> Floats:
    """Return the lowest share of the lower of the peaks to the left and the right."""
    left = np.maximum.accumulate(density, axis=1)
    right = np.maximum.accumulate(density[:, ::-1], axis=1)[:, ::-1]
    lower = np.minimum(left, right)
    ratio = np.ones_like(density)
    np.divide(density, lower, out=ratio, where=lower > 0.0)
    lowest: Floats = ratio[:, _BETWEEN].min(axis=1)
    return lowest
