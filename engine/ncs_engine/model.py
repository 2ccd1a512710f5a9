"""The model of one stream of points: micro-clusters below, clusters above.

Points go one by one into micro-clusters; in a density step the clusters are found anew
as modes of the density over them. Steps come at point counts, or earlier when strange
points come in a run, never at a call boundary: the result does not depend on how points
are grouped into calls.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .clusters import ClusterBook
from .drift import DriftDetector, Sample, moved_weight
from .identity import Carried, carry_ids
from .microclusters import MicroClusters
from .modes import find_modes
from .novelty import Novelty
from .outliers import LIMIT_RADII, Background, RecentGaps, outlier_score
from .params import EngineParams
from .recent import RecentPoints
from .result import OUTLIER, Change, Drift, LearnResult
from .standardizer import Standardizer
from .vigilance import Vigilance

__all__ = ["Model"]

_STEP = 256  # points between density steps, and points remembered
_FIRST_STEPS = (32, 64, 128)  # no scale is known before the first of them
_MAX_MICROCLUSTERS = 256
_MIN_MICROCLUSTERS = 16
_HALF_LIFE = 8192.0  # points after which a weight counts half
_BANDWIDTH_RADII = 0.6
_FORGOTTEN_BELOW = 0.5  # weight
_WEIGHT_TO_BE_BORN = 5.0
_WEIGHT_TO_BE_BORN_SOON = 2.5  # when strange points agree
_WEIGHT_TO_STAY = 2.0
_CRUMB = 0.05  # of the weight of the main part
_FULL_SHARE = 0.9  # of the micro-clusters in use
_KEPT_SHARE = 0.75
_STRAY_MEMORY = 2 * _STEP  # points
_LATELY = 4 * _STEP  # points
_LYING_STILL = 1e-3
_BURST_WINDOW = 16
_BURST_FROM = 8
_YOUNG = 256  # points during which nothing is told as an outlier
_ZERO = np.float32(0.0)


class Verdict(NamedTuple):
    """What the clusters so far say of a point."""

    cluster: int
    """The id that is told, -1 for an outlier."""
    gap: float
    """Distance to the nearest micro-cluster of a cluster."""
    plain: float
    """Score by the gap alone."""
    score: float
    """As told."""
    norm: float
    """Mean square of the standardised coordinates that vary."""
    strange: bool
    """Whether it is not to take part in a cluster; so every outlier."""


class Model:
    """Everything that depends on the dimension.

    Args:
        dimension: d.
        params: read at every point, so that a new value holds from the next one on.
        book: the clusters; outlives the model at a reset.

    Attributes:
        learned: points learned.
        steps: density steps done.
        step_requested: makes the next point end in a density step.
    """

    _SCALARS = (
        "learned",
        "steps",
        "since_step",
        "burst",
        "warming_up",
        "step_requested",
    )

    def __init__(self, dimension: int, params: EngineParams, book: ClusterBook) -> None:
        self.params = params
        self.book = book
        self.dimension = dimension
        self.micro = MicroClusters(dimension, self._capacity)
        self.scaler = Standardizer(dimension, identity=params.metric == "cosine")
        self.vigilance = Vigilance(params.base_threshold)
        self.gaps = RecentGaps(_STEP)
        self.background = Background()
        self.recent = RecentPoints(_STEP, dimension)
        self.drift = DriftDetector()
        self.novelty = Novelty()
        self.learned = 0
        self.steps = 0
        self.since_step = 0
        self.burst = 0  # the last verdicts as bits, 1 for an outlier
        self.warming_up = True
        self.step_requested = False

    @property
    def _capacity(self) -> int:
        """How many micro-clusters `memory_limit_mb` leaves room for.

        Each may be a cluster, which takes a line in the book.
        """
        dimension = self.dimension
        bytes_each = 8 * (2 * dimension + 4) + ClusterBook.bytes_each(dimension)
        fixed = 8 * (_STEP * (dimension + 2) + 4 * dimension)
        room = int(self.params.memory_limit_mb * 2**20) - fixed
        return max(_MIN_MICROCLUSTERS, min(_MAX_MICROCLUSTERS, room // bytes_each))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        owners = (self.micro, self.scaler, self.gaps, self.recent)
        arrays = (getattr(owner, name) for owner in owners for name in owner.ARRAYS)
        return self.book.nbytes + int(sum(array.nbytes for array in arrays))

    def standardize(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float64 (n, d) in the space in which distances are taken."""
        if self.params.metric == "cosine":
            norm = np.sqrt(np.square(block).sum(axis=1, keepdims=True))
            unit: NDArray[np.float64] = np.zeros_like(block)
            np.divide(block, norm, out=unit, where=norm > 0)
            return unit
        return self.scaler.apply(block)

    # One point

    def learn_until_step(
        self, block: NDArray[np.float64], done: int, result: LearnResult
    ) -> int:
        """Learn points up to and including the next density step; return how many.

        Args:
            block: float64 (n, d); verdicts go to `result` from index `done` on.
            done: see `block`.
            result: INOUT.
        """
        # The standardiser stands still until the step, so one call does for all.
        chunk = block[: self._points_until_step()]
        for i, (point, z) in enumerate(
            zip(chunk, self.standardize(chunk), strict=True)
        ):
            cluster, score = self._learn_one(point, z, result.changes)
            result.cluster_ids[done + i] = cluster
            result.is_outlier[done + i] = cluster == OUTLIER
            result.outlier_scores[done + i] = score
            if self._step_is_due():
                self._density_step(result)
                return i + 1
        return len(chunk)

    def judge(self, z: NDArray[np.float64]) -> tuple[int, float]:
        """Return (cluster id or -1, score) for a standardised point; learn nothing."""
        verdict = self._verdict(z, self.micro.squared_distances(z))
        return verdict.cluster, verdict.score

    def _learn_one(
        self, point: NDArray[np.float64], z: NDArray[np.float64], changes: list[Change]
    ) -> tuple[int, float]:
        squared = self.micro.squared_distances(z)
        verdict = self._verdict(z, squared)
        cluster, score, strange = verdict.cluster, verdict.score, verdict.strange
        self.learned += 1
        self.since_step += 1
        if self.warming_up:
            cluster, strange = self._lead(z, squared, changes), False
            score = self._unknown()
        else:
            self.background.add(verdict.plain, verdict.norm)
            if not strange:
                self.gaps.add(verdict.gap)
            self.novelty.add(strange and self._agrees(squared))
            self._place(z, squared, OUTLIER if strange else cluster)
        self.recent.add(point, OUTLIER if strange else cluster)
        self.burst = ((self.burst << 1) | strange) & ((1 << _BURST_WINDOW) - 1)
        self.book.count(cluster, self.learned)
        return cluster, score

    def _verdict(self, z: NDArray[np.float64], squared: NDArray[np.float64]) -> Verdict:
        """Judge a standardised point, float64 (d,), by its squared distances.

        While the model is young most places are new to it: a point that lies far from
        all clusters is told as of the nearest one then, with a score by its norm alone,
        though it founds a micro-cluster without a label like any stranger.
        """
        label = self.micro.label[: self.micro.count]
        labelled = np.where(label >= 0, squared, np.inf)
        index = int(labelled.argmin()) if labelled.size else -1
        varying = max(1, int(np.count_nonzero(self.scaler.scale)))
        norm = float(np.cumsum(z * z)[-1]) / varying  # added up in order
        if index < 0 or labelled[index] == np.inf:
            return Verdict(OUTLIER, math.inf, 1.0, 1.0, norm, True)
        cluster, gap = int(label[index]), math.sqrt(labelled[index])
        if self.warming_up:
            return Verdict(cluster, gap, 0.0, self._unknown(), norm, False)
        plain = outlier_score(gap, self.vigilance.radius, self.gaps.usual)
        threshold = self.params.outlier_threshold
        if self.learned < _YOUNG:
            strange, plain = plain >= threshold, 0.0
            score = self._short_of_outlier(self.background.lift(plain, norm))
            return Verdict(cluster, gap, plain, score, norm, strange)
        # In the precision in which it is told, so that verdict and score agree.
        score = float(np.float32(self.background.lift(plain, norm)))
        strange = score >= threshold
        told = OUTLIER if strange else cluster
        return Verdict(told, gap, plain, score, norm, strange)

    def _unknown(self) -> float:
        """Return the score of a point that nothing is known of: an average one's."""
        return self._short_of_outlier(self.background.lift(0.0, 1.0))

    def _short_of_outlier(self, score: float) -> float:
        """Return the score, or the float32 next below the threshold if that is less."""
        threshold = np.float32(self.params.outlier_threshold)
        return float(min(np.float32(score), np.nextafter(threshold, _ZERO)))

    def _agrees(self, squared: NDArray[np.float64]) -> bool:
        """Whether a strange point lies where other strange points came of late."""
        if not squared.size:
            return False
        nearest = int(squared.argmin())
        near = squared[nearest] <= (LIMIT_RADII * self.vigilance.radius) ** 2
        late = self.micro.seen[nearest] > self.learned - _STRAY_MEMORY
        return bool(near and late and self.micro.label[nearest] < 0)

    def _place(
        self, z: NDArray[np.float64], squared: NDArray[np.float64], cluster: int
    ) -> None:
        """Let the nearest micro-cluster take the point, or found one.

        A point that is an outlier founds or joins one without a label: should more come
        to the same place, they become a cluster at the next density step.
        """
        micro = self.micro
        nearest = int(squared.argmin()) if squared.size else -1
        joins = nearest >= 0 and squared[nearest] <= self.vigilance.join_radius**2
        index = -1 if joins else micro.found(z, cluster)
        if index < 0:
            index = nearest
            micro.absorb(index, z, self.params.learning_rate)
            if micro.label[index] < 0:
                micro.label[index] = cluster
        micro.seen[index] = self.learned

    def _lead(
        self,
        z: NDArray[np.float64],
        squared: NDArray[np.float64],
        changes: list[Change],
    ) -> int:
        """Cluster a point before any scale is known, by relative similarity.

        1 - |x - c| / (|x| + |c|) against `base_threshold`: the only scale there is are
        the points themselves.
        """
        micro = self.micro
        if squared.size:
            nearest = int(squared.argmin())
            size = _norm(z) + _norm(micro.centres[:, nearest])
            similarity = 1.0 - math.sqrt(squared[nearest]) / size if size else 1.0
            most = min(self.params.max_clusters, micro.capacity)
            crowded = len(self.book) >= most
            if similarity >= self.params.base_threshold or crowded:
                micro.absorb(nearest, z, self.params.learning_rate)
                micro.seen[nearest] = self.learned
                return int(micro.label[nearest])
        cluster = self.book.create(self.learned)
        changes.append(Change("created", cluster, self.learned, size=1))
        micro.seen[micro.found(z, cluster)] = self.learned
        return cluster

    # The density step

    def _points_until_step(self) -> int:
        """Return how many points there are, at most, to the end of the next step."""
        if self.step_requested:
            return 1
        for first in _FIRST_STEPS:
            if self.learned - self.since_step < first:
                return first - self.learned
        return _STEP - self.since_step

    def _step_is_due(self) -> bool:
        scheduled = self.step_requested or self._points_until_step() == 0
        return scheduled or self._is_bursting()

    def _is_bursting(self) -> bool:
        enough = self.burst.bit_count() >= _BURST_FROM or self._is_novel()
        return enough and self.since_step >= _BURST_WINDOW

    def _is_novel(self) -> bool:
        return self.novelty.is_found(self.params.drift_sensitivity)

    def _density_step(self, result: LearnResult) -> None:
        points, ids = self.recent.last(self.since_step)
        self._rescale(points)
        drift = None
        if self.params.enable_drift_detection:
            sensitivity = self.params.drift_sensitivity
            share = self.novelty.share(sensitivity)
            strange = self._strangeness()
            drift = self.drift.observe(ids, self.learned, sensitivity, share, strange)
        self.vigilance.adapt(self.params.base_threshold, self.gaps.remembered)
        self._make_room()
        carried = self._relabel(result.changes)
        self.gaps.refresh()
        self.background.refresh()
        if self._is_novel():
            self.novelty.forget()
        self.novelty.refresh()
        self.book.follow_centroids(self.micro, self.scaler)
        self.book.judge(self.micro)
        if drift is not None:
            result.drift.append(self._as_of_now(drift, carried))
        self.steps += 1
        self.since_step = 0
        self.burst = 0
        self.warming_up = False
        self.step_requested = False

    def _strangeness(self) -> Sample:
        """Return how strange the points since the last step are."""
        of = self.background
        n = max(of.points, 1.0)
        return Sample(of.points, of.total / n, of.squares / n, of.correlation)

    def _make_room(self) -> None:
        """Forget what is long ago, and keep some entries free for what is to come."""
        micro = self.micro
        micro.weight[: micro.count] *= 0.5 ** (self.since_step / _HALF_LIFE)
        micro.keep(micro.weight[: micro.count] >= _FORGOTTEN_BELOW)
        labelled = int((micro.label[: micro.count] >= 0).sum())
        # Strays do not count: a stream with many lone outliers is not crowded.
        self.vigilance.crowd(labelled / micro.capacity)
        if micro.count > _FULL_SHARE * micro.capacity:
            # Younger ones may be what a new cluster begins with.
            micro.drop_strays(self.learned - _STRAY_MEMORY)
        if micro.count > _FULL_SHARE * micro.capacity:
            target = int(_KEPT_SHARE * micro.capacity)
            micro.merge_closest(target, micro.pairwise_squared_distances())

    def _as_of_now(self, drift: Drift, carried: Carried) -> Drift:
        """Return the drift with the clusters as they are called after the step."""
        into = dict(carried.merged)
        affected = {into.get(cluster, cluster) for cluster in drift.affected_clusters}
        if drift.detector == "novelty":
            affected.update(carried.created)
        alive = tuple(sorted(cluster for cluster in affected if cluster in self.book))
        return dataclasses.replace(drift, affected_clusters=alive)

    def _rescale(self, points: NDArray[np.float64]) -> None:
        """Follow the spread of the data: standardiser, radius, number of entries."""
        self.scaler.observe(points)
        self.micro.remap(*self.scaler.move())
        recent, _ = self.recent.last(min(self.learned, _STEP))
        self.vigilance.measure(self.standardize(recent), blend=not self.warming_up)
        if self.learned <= _STEP:
            self._rebuild()
        elif self.micro.capacity != self._capacity:
            self.micro = self.micro.resized(self._capacity, keep=self._capacity)

    def _rebuild(self) -> None:
        """Found the micro-clusters anew from all points so far, at today's radius.

        While they still fit in the ring, the scale is only being learned; what was
        placed at an earlier one would blur the model for long.
        """
        self.micro = self.micro.resized(self._capacity, keep=0)
        points, ids = self.recent.last(self.learned)
        for z, cluster in zip(self.standardize(points), ids, strict=True):
            known = cluster if cluster in self.book else OUTLIER
            self._place(z, self.micro.squared_distances(z), known)

    def _relabel(self, changes: list[Change]) -> Carried:
        """Find the clusters anew and carry their ids over."""
        micro = self.micro
        squared = micro.pairwise_squared_distances()
        weight, old = micro.weight[: micro.count], micro.label[: micro.count]
        bandwidth = _BANDWIDTH_RADII * self.vigilance.join_radius
        threshold = self.vigilance.threshold
        component = find_modes(squared, weight, old, bandwidth, threshold)
        _keep_crumbs(component, weight, old)
        found = _WEIGHT_TO_BE_BORN_SOON if self._is_novel() else _WEIGHT_TO_BE_BORN
        _drop_light(component, weight, old, found)
        _limit(component, weight, squared, self.params.max_clusters)
        alive = set(self.book.ids())
        carried = carry_ids(component, weight, old, alive, self.book.next_id)
        # What lies still tells nothing about where points fall now.
        late = micro.seen[: micro.count] > self.learned - _LATELY
        lately = weight * np.where(late, 1.0, _LYING_STILL)
        self.drift.follow(moved_weight(old, carried.label, lately))
        micro.label[: micro.count] = carried.label
        changes.extend(self.book.follow(carried, micro, self.learned))
        return carried

    # State

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what `restore` takes: JSON values, and arrays by name."""
        count, usual = self.micro.count, self.gaps.usual
        values = {
            "dimension": self.dimension,
            "scalars": {name: getattr(self, name) for name in self._SCALARS},
            "vigilance": vars(self.vigilance),
            "drift": self.drift.state(),
            "rows": self.scaler.rows,
            "gaps": [self.gaps.filled, self.gaps.at, usual if usual < np.inf else None],
            "background": {
                name: getattr(self.background, name) for name in Background.SCALARS
            },
            "novelty": {name: getattr(self.novelty, name) for name in Novelty.SCALARS},
            "recent_at": self.recent.at,
            "capacity": self.micro.capacity,
        }
        arrays = {
            f"micro.{name}": getattr(self.micro, name)[..., :count]
            for name in self.micro.ARRAYS
        }
        for owner in ("scaler", "gaps", "recent"):
            for name in getattr(self, owner).ARRAYS:
                arrays[f"{owner}.{name}"] = getattr(getattr(self, owner), name)
        return values, arrays

    @classmethod
    def restore(
        cls,
        values: dict[str, Any],
        arrays: dict[str, NDArray[Any]],
        params: EngineParams,
        book: ClusterBook,
    ) -> Model:
        """Return the model that gave `values` and `arrays`."""
        self = cls(int(values["dimension"]), params, book)
        for name in cls._SCALARS:
            setattr(self, name, values["scalars"][name])
        for name, value in values["vigilance"].items():
            setattr(self.vigilance, name, float(value))
        self.drift = DriftDetector.restore(values["drift"])
        self.scaler.rows = float(values["rows"])
        self.gaps.filled, self.gaps.at, usual = values["gaps"]
        self.gaps.usual = np.inf if usual is None else float(usual)
        background = values.get("background", {})  # of format 1, but younger than it
        for name in Background.SCALARS:
            setattr(self.background, name, float(background.get(name, 0.0)))
        for name, value in values.get("novelty", {}).items():
            setattr(self.novelty, name, float(value))
        self.recent.at = int(values["recent_at"])
        self.micro = MicroClusters(self.dimension, int(values["capacity"]))
        self.micro.count = len(arrays["micro.weight"])
        for key, array in arrays.items():
            owner, _, name = key.partition(".")
            getattr(getattr(self, owner), name)[..., : array.shape[-1]] = array
        return self


def _keep_crumbs(
    component: NDArray[np.int64], weight: NDArray[np.float64], old: NDArray[np.int64]
) -> None:
    """Leave with its cluster what would break off with next to no weight, in place.

    Such a component is a ripple in the density of the cluster and not one of its own.
    """
    heft = {c: float(weight[component == c].sum()) for c in np.unique(component)}
    for cluster in np.unique(old[old >= 0]):
        parts = np.unique(component[old == cluster])
        main = max(parts, key=lambda part: (heft[part], -part))
        for part in parts:
            members = component == part
            strangers = (old[members] >= 0) & (old[members] != cluster)
            if heft[part] < _CRUMB * heft[main] and not strangers.any():
                component[members] = main


def _drop_light(
    component: NDArray[np.int64],
    weight: NDArray[np.float64],
    old: NDArray[np.int64],
    to_be_born: float,
) -> None:
    """Set components without the weight of a cluster to -1, in place."""
    for comp in np.unique(component):
        members = component == comp
        known = bool((old[members] >= 0).any())
        needed = _WEIGHT_TO_STAY if known else to_be_born
        if float(weight[members].sum()) < needed:
            component[members] = OUTLIER


def _limit(
    component: NDArray[np.int64],
    weight: NDArray[np.float64],
    squared: NDArray[np.float64],
    most: int,
) -> None:
    """Let the lightest components beyond `most` join their nearest, in place."""
    comps = [int(c) for c in np.unique(component) if c >= 0]
    if len(comps) <= most:
        return
    heaviest = sorted(comps, key=lambda c: (-float(weight[component == c].sum()), c))
    kept = np.isin(component, heaviest[:most])
    for comp in heaviest[most:]:
        members = component == comp
        gaps = squared[members][:, kept].min(axis=0)
        component[members] = component[kept][int(gaps.argmin())]


def _norm(vector: NDArray[np.float64]) -> float:
    return math.sqrt(float(np.square(vector).sum()))
