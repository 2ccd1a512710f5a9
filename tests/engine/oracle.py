"""What the engine computes, worked out the slow and obvious way.

Plain loops over plain numbers, written from the docstrings: whoever doubts a test can
check this file by reading it.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

Vector = Sequence[float]

NEIGHBOURS_WITHIN = 2.5
SAME_LABEL = 0.8
SLACK = 1.0


def squared_distance(a: Vector, b: Vector) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += (x - y) * (x - y)
    return total


def nearest(point: Vector, others: Sequence[Vector]) -> int:
    best = 0
    for i in range(len(others)):
        if squared_distance(point, others[i]) < squared_distance(point, others[best]):
            best = i
    return best


def two_pass(points: Sequence[Vector]) -> tuple[list[float], list[float]]:
    """Return (mean, variance) per feature."""
    means, variances = [], []
    for column in zip(*points, strict=True):
        mean = math.fsum(column) / len(column)
        means.append(mean)
        squares = [(value - mean) * (value - mean) for value in column]
        variances.append(math.fsum(squares) / len(column))
    return means, variances


def winsorised(block: Sequence[Vector]) -> list[list[float]]:
    """Return the rows with every value within 10 robust sigma of its feature's median.

    A feature of which most values are equal stays as it is.
    """
    columns = []
    for column in zip(*block, strict=True):
        middle = statistics.median(column)
        mad = statistics.median(abs(value - middle) for value in column)
        low, high = middle - 14.826 * mad, middle + 14.826 * mad
        inside = [min(max(value, low), high) for value in column]
        columns.append(inside if mad > 0 else list(column))
    return [list(row) for row in zip(*columns, strict=True)]


def silhouettes(centroids: Sequence[Vector], radii: Vector) -> list[float]:
    """Return (b - a) / max(a, b) per cluster, not below 0."""
    result = []
    for i, centroid in enumerate(centroids):
        others = [c for j, c in enumerate(centroids) if j != i]
        if not others:
            result.append(0.5)
            continue
        a = radii[i]
        b = math.sqrt(min(squared_distance(centroid, other) for other in others))
        result.append(max(0.0, (b - a) / max(a, b)))
    return result


def density(points: Sequence[Vector], weight: Vector, bandwidth: float) -> list[float]:
    """Return the Gaussian kernel density at each point, in points."""
    result = []
    for here in points:
        total = 0.0
        for there, w in zip(points, weight, strict=True):
            distance = math.sqrt(squared_distance(here, there))
            total += w * math.exp(-((distance / bandwidth) ** 2) / 2)
        result.append(total)
    return result


def modes(
    points: Sequence[Vector],
    weight: Vector,
    label: Sequence[int],
    bandwidth: float,
    threshold: float,
) -> list[int]:
    """Return the peak of each point.

    Flood the landscape from the top: a point without a higher neighbour is a new peak,
    any other belongs to the peak of its densest higher neighbour; a point from which
    several peaks can be seen is a saddle between its own peak and the others.
    """
    height = density(points, weight, bandwidth)
    reach = NEIGHBOURS_WITHIN * bandwidth
    order = sorted(range(len(points)), key=lambda i: (-height[i], i))
    went_into: dict[int, int] = {}  # a peak that was joined -> the higher one

    def summit(peak: int) -> int:
        while peak in went_into:
            peak = went_into[peak]
        return peak

    first_peak: dict[int, int] = {}
    for i in order:
        higher = [
            j
            for j in sorted(first_peak)
            if math.sqrt(squared_distance(points[i], points[j])) <= reach
        ]
        if not higher:
            first_peak[i] = i
            continue
        densest = max(higher, key=lambda j: height[j])  # the first of equals
        first_peak[i] = first_peak[densest]
        for other in sorted({summit(first_peak[j]) for j in higher}):
            own, other = summit(first_peak[i]), summit(other)
            if own == other:
                continue
            low = other if height[own] >= height[other] else own
            high = own if low == other else other
            needed = threshold * height[low]
            if label[low] == label[high] != -1:
                needed *= SAME_LABEL
            needed -= SLACK * math.sqrt(height[low])
            if height[i] >= needed:
                went_into[low] = high
    return [summit(first_peak[i]) for i in range(len(points))]


@dataclasses.dataclass
class Carried:
    """What became of the ids."""

    label: list[int]
    created: set[int] = dataclasses.field(default_factory=set)
    split: dict[int, tuple[int, float]] = dataclasses.field(default_factory=dict)
    merged: dict[int, int] = dataclasses.field(default_factory=dict)
    removed: set[int] = dataclasses.field(default_factory=set)


def carry(
    component: Sequence[int],
    weight: Vector,
    old: Sequence[int],
    alive: set[int],
    next_id: int,
) -> Carried:
    """Hand out ids: of all claims the heaviest first, ties to the oldest id."""
    claims: dict[tuple[int, int], float] = {}
    total: dict[int, float] = {}
    for comp, cluster, w in zip(component, old, weight, strict=True):
        if comp != -1:
            total[comp] = total.get(comp, 0.0) + w
        if comp != -1 and cluster != -1:
            claim = comp, cluster
            claims[claim] = claims.get(claim, 0.0) + w
    held: dict[int, int] = {}
    ranked = sorted(claims, key=lambda claim: (-claims[claim], claim[1], claim[0]))
    for comp, cluster in ranked:
        if comp not in held and cluster not in held.values():
            held[comp] = cluster
    kept = set(held.values())
    result = Carried([])
    for comp in sorted(total, key=lambda c: (-total[c], c)):
        if comp in held:
            continue
        held[comp] = next_id
        came_out_of = [cluster for other, cluster in ranked if other == comp]
        if came_out_of:
            parent = came_out_of[0]
            whole = sum(w for (_, cluster), w in claims.items() if cluster == parent)
            result.split[next_id] = parent, claims[comp, parent] / whole
        else:
            result.created.add(next_id)
        next_id += 1
    for cluster in alive - kept:
        heirs = [comp for comp, claimed in ranked if claimed == cluster]
        if heirs:
            result.merged[cluster] = held[heirs[0]]
        else:
            result.removed.add(cluster)
    result.label = [held.get(comp, -1) for comp in component]
    return result
