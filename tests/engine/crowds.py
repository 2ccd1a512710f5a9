"""Crowds of micro-clusters: nodes for the valley test, shapes for the partition."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np

from ncs_engine import kernel
from ncs_engine.valley import FULL_COVARIANCE_TO, Crowds, valleys

from .streams import Labels, Points


def nodes(*sides: Points, spread: float = 0.0, weight: float = 1.0) -> Crowds:
    """Return a node per side, of micro-clusters with that variance in every feature."""
    x = np.concatenate(sides)
    n, d = x.shape
    members, mean, scatter, mass, at = [], [], [], [], 0
    for side in sides:
        members.append(np.arange(at, at + len(side)))
        at += len(side)
        mean.append(side.mean(axis=0))
        off = side - mean[-1]
        squares = weight * (off.T @ off + len(side) * spread * np.eye(d))
        scatter.append(squares if d <= FULL_COVARIANCE_TO else np.diag(squares))
        mass.append(weight * len(side))
    return Crowds(
        x,
        np.full((n, d), spread),
        np.full(n, weight),
        np.zeros(n),
        members,
        np.array(mean),
        np.array(scatter),
        np.array(mass),
    )


def valley_between(
    left: Points, right: Points, *, spread: float = 0.0, weight: float = 1.0
) -> float:
    """Return the valley between two crowds: 1 for none, 0 for an empty one."""
    both = nodes(left, right, spread=spread, weight=weight)
    return float(valleys(both, np.array([0]), np.array([1]))[0])


@dataclasses.dataclass
class Scene:
    """What a partition is made from; one row per micro-cluster."""

    centres: Points
    spread: Points
    weight: Points
    label: Labels
    recent: Points
    threshold: float = 0.84
    reach: float = 100.0

    @classmethod
    def of(cls, centres: Points, spread: float, weight: float = 20.0) -> Scene:
        """Return equal micro-clusters without labels, and four points of each."""
        m, d = centres.shape
        noise = np.random.default_rng(7).normal(size=(4 * m, d))
        recent = np.repeat(centres, 4, axis=0) + noise * spread**0.5
        every = np.full(m, float(weight))
        return cls(
            centres, np.full((m, d), spread), every, np.full(m, -1), recent[:256]
        )

    @classmethod
    def gathered(
        cls, points: Points, truth: Labels, grain: float
    ) -> tuple[Scene, Labels]:
        """Return micro-clusters as points make them that join the first one within
        `grain`, and the truth about most of the points of each."""
        leaders: list[Points] = []
        own = np.zeros(len(points), dtype=np.int64)
        for i, point in enumerate(points):
            own[i] = len(leaders)
            if leaders:
                gap = np.square(np.array(leaders) - point).sum(axis=1)
                if gap.min() <= grain * grain:
                    own[i] = gap.argmin()
            if own[i] == len(leaders):
                leaders.append(point)
        each = [own == i for i in range(len(leaders))]
        scene = cls(
            np.array([points[members].mean(axis=0) for members in each]),
            np.array([points[members].var(axis=0) for members in each]),
            np.bincount(own).astype(np.float64),
            np.full(len(leaders), -1),
            points[-256:].copy(),
        )
        return scene, np.array([np.bincount(truth[own_]).argmax() for own_ in each])

    def taking(self, order: Labels) -> Scene:
        """Return the scene with the micro-clusters in another order."""
        return dataclasses.replace(
            self,
            centres=self.centres[order],
            spread=self.spread[order],
            weight=self.weight[order],
            label=self.label[order],
        )

    def partition(self, module: ModuleType | None = None) -> list[int]:
        """Return the component of each, by the kernel in force or by `module`."""
        component = np.full(len(self.weight), -7)
        active, centres = module or kernel.active, np.ascontiguousarray(self.centres.T)
        nearest = np.zeros(len(self.recent), dtype=np.int64)
        if len(self.weight):
            with np.errstate(over="ignore"):
                active.nearest(centres, len(self.weight), self.recent, nearest)
        active.partition(
            centres,
            np.ascontiguousarray(self.spread.T),
            self.weight,
            self.label,
            len(self.weight),
            self.recent,
            nearest,
            self.threshold,
            self.reach,
            component,
        )
        return [int(name) for name in component]


def jumbled(seed: int, m: int, d: int, recent: int) -> Scene:
    """Return a scene with about everything that can be nasty in one.

    Places that coincide or are rounded, no spread at all, light ones, labels or none.
    """
    rng = np.random.default_rng(seed)
    heaps = rng.normal(0, rng.choice([1.0, 4.0, 20.0]), (int(rng.integers(1, 8)), d))
    centres = heaps[rng.integers(len(heaps), size=m)]
    centres = centres + rng.choice([0.1, 1.0]) * rng.normal(size=(m, d))
    if m and rng.random() < 0.3:
        centres[rng.random(m) < 0.3] = centres[0]
    if rng.random() < 0.3:
        centres = np.round(centres)
    spread = rng.random((m, d)) * rng.choice([0.0, 0.01, 1.0])
    spread[rng.random(m) < rng.choice([0.0, 0.4])] = 0.0
    weight = rng.choice([0.5, 1.0, 1.4, 2.0, 30.0], m) * rng.uniform(0.9, 1.1, m)
    label = rng.integers(-1, int(rng.choice([0, 5])), m)
    points = rng.normal(size=(recent if m else 0, d))
    if m:
        points += centres[rng.integers(m, size=recent)]
    threshold = float(np.sqrt(rng.choice([0.3, 0.71, 0.9])))
    reach = float(rng.choice([0.0, 1.0, 5.0]))
    return Scene(centres, spread, weight, label, points, threshold, reach)
