"""Seeded streams of which the truth is known, one function each, named in `GENERATORS`.

They are the part of the harness that needs no download. Every stream is the same on
every run; a harder or easier one is a new name, not a change of an old one, because
figures of different versions are compared by name.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..demo.plant import Plant
from .labelled import LabelledStream

__all__ = ["GENERATORS", "SEPARATED", "generate"]

Points = NDArray[np.float64]
Labels = NDArray[np.int64]
Made = tuple[Points, Labels, tuple[int, ...]]

SEPARATED = "separated"
"""The kind of the declared set of well-separated blobs."""

_QUIET = 500  # points before the first injected outlier
_OUTLIER_GAP = 6.0  # deviations from every centre


def _centres(rng: np.random.Generator, k: int, d: int, apart: float) -> Points:
    """Return float64 (k, d), uniform in a cube, no two nearer than `apart`."""
    side = apart * (1.0 + k ** (1.0 / d))
    found: Points = np.empty((0, d))
    while len(found) < k:
        new = rng.uniform(0.0, side, d)
        if not len(found) or np.linalg.norm(found - new, axis=1).min() >= apart:
            found = np.vstack([found, new])
        side *= 1.001  # so that it ends
    middle: Points = found - side / 2
    return middle


def _blobs(
    rng: np.random.Generator, n: int, at: Points, share: Points | None = None
) -> tuple[Points, Labels]:
    """Return points of unit Gaussians around `at`, and which."""
    truth = rng.choice(len(at), size=n, p=share)
    return at[truth] + rng.normal(size=(n, at.shape[1])), truth


def _stationary(k: int, d: int, apart: float) -> Callable[..., Made]:
    def make(rng: np.random.Generator) -> Made:
        return *_blobs(rng, 6000, _centres(rng, k, d, apart)), ()

    return make


def _separated(k: int, d: int) -> Callable[..., Made]:
    # Two points of a blob are sqrt(2 d) apart on average, so that the silhouette of
    # the truth is about 1 - sqrt(2) / 30 = 0.953 in any dimension.
    return _stationary(k, d, 30.0 * d**0.5)


def _anisotropic(rng: np.random.Generator) -> Made:
    k, d = 7, 3
    at = _centres(rng, k, d, 9.0)
    noise, truth = _blobs(rng, 6000, np.zeros((k, d)))
    stretch = rng.uniform(0.3, 2.0, (k, d))
    turn = np.linalg.qr(rng.normal(size=(k, d, d)))[0]
    shaped = np.einsum("nd,nde->ne", noise * stretch[truth], turn[truth])
    return at[truth] + shaped, truth, ()


def _imbalanced(rng: np.random.Generator) -> Made:
    k, d = 8, 6
    share = 0.5 ** np.arange(k)
    at = _centres(rng, k, d, 14.0)
    noise, truth = _blobs(rng, 6000, np.zeros((k, d)), share / share.sum())
    return at[truth] + noise * rng.uniform(0.5, 2.0, k)[truth, None], truth, ()


def _collinear(rng: np.random.Generator) -> Made:
    ray = rng.uniform(0.5, 1.0, 5)
    ray /= np.linalg.norm(ray)
    return *_blobs(rng, 6000, ray * np.arange(10.0, 70.0, 10.0)[:, None]), ()


def _far_offset(rng: np.random.Generator) -> Made:
    points, truth = _blobs(rng, 6000, _centres(rng, 6, 4, 9.0))
    return points + 1e4, truth, ()


def _scales(rng: np.random.Generator) -> Made:
    points, truth = _blobs(rng, 6000, _centres(rng, 8, 6, 9.0))
    return points * np.logspace(-3, 3, 6), truth, ()


def _outliers(share: float) -> Callable[..., Made]:
    def make(rng: np.random.Generator) -> Made:
        at = _centres(rng, 6, 3, 12.0)
        points, truth = _blobs(rng, 8000, at)
        low, high = at.min(axis=0) - 15.0, at.max(axis=0) + 15.0
        for i in _QUIET + np.flatnonzero(rng.random(8000 - _QUIET) < share):
            far = rng.uniform(low, high)
            while np.linalg.norm(at - far, axis=1).min() < _OUTLIER_GAP:
                far = rng.uniform(low, high)
            points[i], truth[i] = far, -1
        return points, truth, ()

    return make


def _clean(d: int) -> Callable[..., Made]:
    def make(rng: np.random.Generator) -> Made:
        return rng.normal(size=(20_000, d)), np.zeros(20_000, np.int64), ()

    return make


def _phases(
    rng: np.random.Generator, at: Points, alive: list[list[int]], length: int
) -> Made:
    """Return phases of `length` points, each with its own set of live blobs."""
    parts, truths = [], []
    for live in alive:
        points, chosen = _blobs(rng, length, at[live])
        parts.append(points)
        truths.append(np.array(live)[chosen])
    changes = tuple(range(length, length * len(alive), length))
    return np.concatenate(parts), np.concatenate(truths), changes


def _abrupt_half(rng: np.random.Generator) -> Made:
    alive = [[3 * i + j for j in range(6)] for i in range(6)]
    return _phases(rng, _centres(rng, 21, 5, 10.0), alive, 2000)


def _abrupt_all(rng: np.random.Generator) -> Made:
    alive = [[6 * i + j for j in range(6)] for i in range(4)]
    return _phases(rng, _centres(rng, 24, 4, 10.0), alive, 3000)


def _births_and_deaths(rng: np.random.Generator) -> Made:
    alive = [[0, 1, 2, 3, 4]]
    for phase in range(1, 9):  # one is born, then the oldest one dies, in turn
        last = alive[-1]
        alive.append([*last, max(last) + 1] if phase % 2 else last[1:])
    return _phases(rng, _centres(rng, 9, 4, 10.0), alive, 1500)


def _burst(rng: np.random.Generator) -> Made:
    at = _centres(rng, 7, 4, 10.0)
    points, truth = _blobs(rng, 8000, at[:6])
    burst = slice(4000, 4400)
    points[burst] = at[6] + rng.normal(size=(400, 4))
    truth[burst] = 6
    return points, truth, (4000,)


def _moving(rng: np.random.Generator) -> Made:
    k, n = 5, 12_000
    at = _centres(rng, k, 2, 12.0)
    points, truth = _blobs(rng, n, at)
    angle = rng.uniform(0.0, 2 * np.pi, k)
    heading = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + 1e-3 * np.arange(n)[:, None] * heading[truth], truth, ()


def _plant(rng: np.random.Generator) -> Made:
    # Every 25th point: 24 machines report in turn, so each of them is in it, and the
    # 12,000 points reach from the start to past the regime that is new after 45 s.
    block = Plant(int(rng.integers(2**32))).block(25 * 12_000)
    return block.points[::25].astype(np.float64), block.regimes[::25], ()


_CLUSTER, _BOTH = "cluster", "cluster,outlier"
GENERATORS: dict[str, tuple[str, str, Callable[..., Made]]] = {
    "separated_k3_d2": (SEPARATED, _CLUSTER, _separated(3, 2)),
    "separated_k8_d3": (SEPARATED, _CLUSTER, _separated(8, 3)),
    "separated_k12_d10": (SEPARATED, _CLUSTER, _separated(12, 10)),
    "separated_k20_d32": (SEPARATED, _CLUSTER, _separated(20, 32)),
    "blobs_k5_d2": ("stationary", _CLUSTER, _stationary(5, 2, 6.0)),
    "blobs_k20_d10": ("stationary", _CLUSTER, _stationary(20, 10, 9.0)),
    "blobs_k50_d32": ("stationary", _CLUSTER, _stationary(50, 32, 14.0)),
    "anisotropic": ("stationary", _CLUSTER, _anisotropic),
    "imbalanced": ("stationary", _CLUSTER, _imbalanced),
    "collinear": ("stationary", _CLUSTER, _collinear),
    "far_offset": ("stationary", _CLUSTER, _far_offset),
    "scales": ("stationary", _CLUSTER, _scales),
    "outliers_1pct": ("anomaly", _BOTH, _outliers(0.01)),
    "outliers_5pct": ("anomaly", _BOTH, _outliers(0.05)),
    "births_and_deaths": ("drift", "cluster,drift", _births_and_deaths),
    "burst": ("drift", "cluster,drift", _burst),
    "abrupt_half": ("drift", "cluster,drift", _abrupt_half),
    "abrupt_all": ("drift", "cluster,drift", _abrupt_all),
    "moving": ("drift", _CLUSTER, _moving),
    "plant": ("iot", _BOTH, _plant),
    "clean_d3": ("clean", "outlier,drift", _clean(3)),
    "clean_d10": ("clean", "outlier,drift", _clean(10)),
}
"""Name -> kind, tasks separated by commas, function of a random generator."""


def generate(name: str) -> LabelledStream:
    """Return the stream of one of `GENERATORS`; the same points every time."""
    kind, tasks, make = GENERATORS[name]
    rng: Any = np.random.default_rng(zlib.crc32(name.encode()))
    points, truth, drift_points = make(rng)
    return LabelledStream(
        name=name,
        origin="generated",
        kind=kind,
        tasks=frozenset(tasks.split(",")),
        points=points.astype(np.float32),
        truth=truth.astype(np.int64),
        drift_points=drift_points,
    )
