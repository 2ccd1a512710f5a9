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

PSEUDO_MEMBERS = 12.0


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


def weighted_mean(points: Sequence[Vector], weight: Vector) -> list[float]:
    whole = math.fsum(weight)
    return [
        math.fsum(w * x for w, x in zip(weight, column, strict=True)) / whole
        for column in zip(*points, strict=True)
    ]


def sum_of_squares(points: Sequence[Vector], weight: Vector) -> float:
    mean = weighted_mean(points, weight)
    squares = [squared_distance(point, mean) for point in points]
    return math.fsum(w * s for w, s in zip(weight, squares, strict=True))


def ward(points: Sequence[Vector], weight: Vector) -> list[set[int]]:
    """Return what every merge makes: of all pairs that which adds the fewest squares.

    From the definition of Ward (1963), without any formula of how costs are updated.
    """

    def squares(group: set[int]) -> float:
        own = sorted(group)
        return sum_of_squares([points[i] for i in own], [weight[i] for i in own])

    groups = [{i} for i in range(len(points))]
    made = []
    while len(groups) > 1:
        added = {
            (i, j): squares(a | b) - squares(a) - squares(b)
            for j, b in enumerate(groups)
            for i, a in enumerate(groups[:j])
        }
        i, j = min(added, key=lambda pair: added[pair])
        made.append(groups[i] | groups[j])
        groups[i] = made[-1]
        del groups[j]
    return made


def evidence(merges: Sequence[tuple[float, float]], threshold: float) -> list[float]:
    """Return the evidence for 1, 2, ... clusters.

    Args:
        merges: (members of the smaller side, valley between the sides), in order.
        threshold: valley from which two crowds are one.
    """
    result = []
    for k in range(1, len(merges) + 2):
        total = 0.0
        for fewer, valley in merges[len(merges) - (k - 1) :]:
            seen = (fewer * valley + PSEUDO_MEMBERS) / (fewer + PSEUDO_MEMBERS)
            total += fewer * (threshold - seen)
        result.append(total)
    return result


def within_reach(points: Sequence[Vector], start: int, reach: float) -> set[int]:
    """Return the places of all points to which one can hop from the one at `start`."""
    found, todo = {start}, [start]
    while todo:
        here = points[todo.pop()]
        for i, there in enumerate(points):
            if i not in found and squared_distance(here, there) <= reach * reach:
                found.add(i)
                todo.append(i)
    return found


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
