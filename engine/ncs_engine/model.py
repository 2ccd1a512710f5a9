"""The model of one stream of points: micro-clusters below, clusters above.

Points go one by one into micro-clusters; in a density step the clusters are found anew
as groups of them (see `partition`). Steps come at point counts, often at the beginning
and seldom while nothing changes, or earlier when strange points come in a run; never at
a call boundary: the result does not depend on how points are grouped into calls.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .clusters import ClusterBook
from .distribution import NO_SHIFT, Distribution
from .drift import DriftDetector, moved_weight
from .first_points import lead
from .histogram import Histogram
from .identity import Carried, carry_ids
from .microclusters import MicroClusters
from .motion import Motion
from .novelty import STRAY_MEMORY, Novelty
from .outliers import LIMIT_RADII, Background, RecentGaps
from .params import EngineParams
from .point_loop import DUE, END, FULL, LOOK, PointLoop, short_of_outlier
from .recent import RecentPoints
from .result import Change, Drift, LearnResult
from .selection import drop_light, limit, weight_to_stay
from .standardizer import Standardizer, unit_vectors
from .vigilance import Vigilance
from .watch import Watch

__all__ = ["Model"]

_RING = 256  # points remembered
_FIRST_STEP = 32  # points; no scale is known before
_SOONER = 0.15  # of the points so far: between steps while there are few
_QUICK = 256  # points between steps while clusters come and go
_MOVING = 128  # while they move
_CALM = 4096  # points between steps at the most
_MAX_MICROCLUSTERS = 256
_MIN_MICROCLUSTERS = 16
_HALF_LIFE = 8192.0  # points after which a weight counts half
_SILENT_GAPS = 4.0  # expected gaps between points of a micro-cluster
_FORGOTTEN_BELOW = 0.5  # weight
_WEIGHT_TO_BE_BORN = 5.0
_MORE_THAN_ONE = 1.5  # weight: one point alone is no cluster
_WEIGHT_TO_BE_BORN_SOON = 2.5  # when strange points agree
_SETTLED = 500  # points from which a cluster needs its full weight to be born
_KEPT_SHARE = 0.75  # of the micro-clusters, when all are in use
_ROOMY_SHARE = 0.6  # of them in use: there may be more
_STRAY_SHARE = 0.25  # of the micro-clusters, for young strays
_LATELY = 1024  # points
_LYING_STILL = 1e-3
_BURST_WINDOW = 16
_BURST_FROM = 8


class Model:
    """Everything that depends on the dimension.

    Args:
        dimension: d.
        params: read at every point, so that a new value holds from the next one on.
        book: the clusters; outlives the model at a reset.

    Attributes:
        learned: points learned.
        steps: density steps done.
        pace: points between steps at the most.
        revision: rises whenever micro-clusters change other than by taking a point.
        step_requested: makes the next point end in a density step.
    """

    _SCALARS = (
        "learned",
        "steps",
        "since_step",
        "burst",
        "warming_up",
        "step_requested",
        "pace",
        "_crowded",
    )

    _OWNERS = (
        "scaler",
        "gaps",
        "background",
        "novelty",
        "recent",
        "histogram",
        "distribution",
    )

    def __init__(self, dimension: int, params: EngineParams, book: ClusterBook) -> None:
        self.params = params
        self.book = book
        self.dimension = dimension
        self.micro = MicroClusters(dimension, self._capacity)
        self.scaler = Standardizer(dimension, identity=params.metric == "cosine")
        self.vigilance = Vigilance(params.base_threshold)
        self.gaps = RecentGaps(_RING)
        self.background = Background()
        self.novelty = Novelty()
        self.recent = RecentPoints(_RING, dimension)
        self.histogram = Histogram(dimension, unit=params.metric == "cosine")
        self.distribution = Distribution(self.histogram)
        self.drift = DriftDetector(book.ledger)
        self.watch = Watch(
            self.background, self.recent, self.scaler, self.distribution, self.drift
        )
        self.motion = Motion()
        self.learned = 0
        self.steps = 0
        self.revision = 0
        self.since_step = 0
        self.pace = _QUICK
        self.burst = 0  # the last verdicts as bits, 1 for a strange point
        self.warming_up = True
        self.step_requested = False
        self._loop: PointLoop | None = None  # over the arrays as they are now
        self._crowded = False  # no room can be made until the next density step

    @property
    def _capacity(self) -> int:
        """How many micro-clusters `memory_limit_mb` leaves room for.

        Each may be a cluster, which takes a line in the book.
        """
        dimension = self.dimension
        bytes_each = 8 * (2 * dimension + 4) + ClusterBook.bytes_each(dimension)
        fixed = 8 * (_RING * (dimension + 2) + 4 * dimension)
        fixed += Distribution.bytes(dimension)
        room = int(self.params.memory_limit_mb * 2**20) - fixed
        return max(_MIN_MICROCLUSTERS, min(_MAX_MICROCLUSTERS, room // bytes_each))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        owners = [self.micro, *(getattr(self, name) for name in self._OWNERS)]
        arrays = (getattr(owner, name) for owner in owners for name in owner.ARRAYS)
        return self.book.nbytes + int(sum(array.nbytes for array in arrays))

    def standardize(self, block: NDArray[Any]) -> NDArray[np.float64]:
        """Return float64 (n, d) in the space in which distances are taken."""
        if self.params.metric == "cosine":
            return unit_vectors(block)
        return self.scaler.apply(block)

    # The points

    def learn_until_step(
        self, block: NDArray[Any], done: int, result: LearnResult
    ) -> int:
        """Learn points up to and including the next density step; return how many.

        Args:
            block: float32 or float64 (n, d), finite, C order.
            done: points of it that were learned already.
            result: INOUT; verdicts go to the places of their points.
        """
        until_step = self._points_until_step()
        stop = min(done + until_step, len(block))
        if self.warming_up:
            taken, reason = self._lead_all(block, done, stop, result), END
        else:
            params, vigilance = self.params, self.vigilance
            looks = params.enable_drift_detection
            taken, reason, self.burst = (self._loop or self._new_loop()).learn(
                block,
                done,
                stop,
                result.cluster_ids,
                result.is_outlier,
                result.outlier_scores,
                self.learned,
                self.since_step,
                self.burst,
                self._crowded,
                self.since_step + until_step if looks else 0,
                vigilance.grain,
                vigilance.unit,
                self.gaps.usual,
                params.outlier_threshold,
                params.learning_rate,
                params.drift_sensitivity,
            )
        self.learned += taken
        self.since_step += taken
        if reason == FULL:
            self._crowded = not self._make_room()
        elif (
            reason == DUE
            or taken == until_step
            or (reason == LOOK and self.watch.look(self.params.drift_sensitivity))
        ):
            self._density_step(result)
        return taken

    def _new_loop(self) -> PointLoop:
        self.book.ledger.hold(self.book.ids())
        loop: PointLoop = kernel.active.PointLoop(
            self.micro,
            self.scaler,
            self.gaps,
            self.novelty,
            self.watch,
            self.params.metric == "cosine",
            _BURST_WINDOW,
            _BURST_FROM,
        )
        self._loop = loop
        return loop

    def judge(self, block: NDArray[Any], result: LearnResult) -> None:
        """Give the verdict on float (n, d) as it would be now; learn nothing.

        Args:
            block: as for `learn_until_step`.
            result: OUT.
        """
        # Without a scale nothing is known; as the model is young, nothing is told.
        threshold = self.params.outlier_threshold
        (self._loop or self._new_loop()).judge(
            block,
            result.cluster_ids,
            result.is_outlier,
            result.outlier_scores,
            self.learned,
            self.vigilance.unit,
            self.gaps.usual,
            threshold,
        )
        if self.warming_up:
            result.outlier_scores[:] = self._unknown()

    # The first points

    def _lead_all(
        self, block: NDArray[Any], start: int, stop: int, result: LearnResult
    ) -> int:
        """Learn the points [start, stop) before any scale is known; return how many."""
        unknown = self._unknown()
        for i, z in enumerate(self.standardize(block[start:stop]), start):
            at = self.learned + i + 1 - start
            cluster = lead(z, self.micro, self.book, self.params, at, result.changes)
            self.recent.add(block[i], cluster)
            self.book.ledger.count(cluster, at)
            result.cluster_ids[i] = cluster
            result.is_outlier[i] = False
            result.outlier_scores[i] = unknown
        return stop - start

    def _unknown(self) -> float:
        """Return the score of a point that nothing is known of: an average one's."""
        score = self.background.lift(0.0, 1.0)
        return short_of_outlier(score, self.params.outlier_threshold)

    # The density step

    def _points_until_step(self) -> int:
        """Return how many points there are, at most, to the end of the next step."""
        if self.step_requested:
            return 1
        last = self.learned - self.since_step
        apart = min(max(int(_SOONER * last), 8), self.pace)
        # At least one: an older version may have saved a longer way to the next step.
        return max(1, (apart if last else _FIRST_STEP) - self.since_step)

    def _compare(self) -> None:
        """Let the distribution have the points up to now."""
        sensitivity = self.params.drift_sensitivity
        if self.watch.has_cells():
            (self._loop or self._new_loop()).compare(sensitivity)
        else:
            self.watch.compare(sensitivity)

    def _find_drift(self) -> Drift | None:
        """Observe the points since the last time."""
        sensitivity = self.params.drift_sensitivity
        self._compare()
        shift = self.distribution.shift(self.recent)
        novel = self.novelty.share(sensitivity) or self.novelty.burst(
            self.burst.bit_count(),
            _BURST_WINDOW,
            self.drift.shares.outliers,
            sensitivity,
        )
        drift = self.drift.observe(sensitivity, novel, self.watch.sample(), shift)
        if drift is not None or shift is not NO_SHIFT:
            self.distribution.begin()
        return drift

    def _is_novel(self) -> bool:
        return self.novelty.is_found(self.params.drift_sensitivity)

    def _density_step(self, result: LearnResult) -> None:
        self.book.read()
        recent = self._rescale()
        drift = None
        if self.params.enable_drift_detection:
            drift = self._find_drift()
        else:
            self.drift.skip()
            self.drift.silence.keep()
            self.background.begin()
        self.vigilance.adapt(self.params.base_threshold, self.gaps.remembered)
        self._forget()
        nearest = self._follow(recent)
        carried = self._relabel(recent, nearest, result.changes)
        self.gaps.refresh()
        self.background.refresh()
        if self._is_novel():
            self.novelty.forget()
        self.novelty.refresh()
        self.book.review(self.micro, self.scaler)
        if drift is not None:
            result.drift.append(self._as_of_now(drift, carried))
        self.steps += 1
        self.revision += 1
        self.since_step = 0
        self.burst = 0
        self.warming_up = False
        self.step_requested = False
        self._loop, self._crowded = None, False

    def _forget(self) -> None:
        """Forget what is long ago; follow how much room there is."""
        micro, since = self.micro, self.since_step
        faded = 0.5 ** (since / _HALF_LIFE)
        micro.count = kernel.active.forget(
            micro,
            micro.count,
            faded,
            self.learned,
            since,
            _SILENT_GAPS,
            _FORGOTTEN_BELOW,
        )
        if micro.count < _ROOMY_SHARE * micro.capacity:
            self.vigilance.narrow()

    def _follow(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Found clusters that have moved anew from the points that came last.

        Returns:
            int64 (n,): the nearest micro-cluster of each point.
        """
        micro, nearest = self.micro, self._nearest(points)
        if self.learned <= _RING or not micro.count:  # all is founded anew anyway
            return nearest
        cluster = micro.label[nearest]
        moved = self.motion.moved(points, cluster, micro)
        if not moved:
            return nearest
        before = micro.resized(micro.capacity, keep=micro.count)
        micro.keep(~np.isin(micro.label[: micro.count], moved))
        self._refound(before, points[np.isin(cluster, moved)])
        return self._nearest(points)

    def _nearest(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        micro, nearest = self.micro, np.empty(len(points), dtype=np.int64)
        if micro.count:
            kernel.active.nearest(micro.centres, micro.count, points, nearest)
        return nearest

    def _make_room(self) -> bool:
        """Free an entry, as all are in use; return whether that was possible.

        Old strays go first. Young ones may be what a new cluster begins with; they have
        a share of the entries, beyond which the lightest goes. Else the closest merge,
        and at the grain that they had been founded at they would be founded again.
        """
        micro = self.micro
        self.revision += 1
        micro.drop_strays(self.learned - STRAY_MEMORY)
        strays = int((micro.label[: micro.count] < 0).sum())
        if micro.count == micro.capacity and strays > _STRAY_SHARE * micro.capacity:
            micro.drop_lightest_stray()
        if micro.count == micro.capacity:
            target = int(_KEPT_SHARE * micro.capacity)
            farthest = micro.merge_closest(target, self._reach)
            if farthest > 0.0:
                self.vigilance.widen(farthest)
        if micro.count == micro.capacity:
            micro.drop_lightest_stray()
        return micro.count < micro.capacity

    def _as_of_now(self, drift: Drift, carried: Carried) -> Drift:
        """Return the drift with the clusters as they are called after the step."""
        into = dict(carried.merged)
        affected = {into.get(cluster, cluster) for cluster in drift.affected_clusters}
        if drift.detector == "novelty":
            affected.update(carried.created)
        alive = tuple(sorted(cluster for cluster in affected if cluster in self.book))
        return dataclasses.replace(drift, affected_clusters=alive)

    def _rescale(self) -> NDArray[np.float64]:
        """Follow the spread of the data: standardiser, radius, number of entries.

        Returns:
            float64 (n, d), C order: the last points, up to 256, standardised.
        """
        self.scaler.observe(self.recent.last_points(min(self.since_step, _RING)))
        factor, offset = self.scaler.move()
        self.micro.remap(factor, offset)
        if not self.warming_up:
            self.gaps.rescale(self.vigilance.rescale(factor))
        recent = self.standardize(self.recent.last_points(min(self.learned, _RING)))
        self.vigilance.measure(recent, blend=not self.warming_up)
        if self.learned <= _RING:
            self._rebuild(recent)
        elif self.micro.capacity != self._capacity:
            self.micro = self.micro.resized(self._capacity, keep=self._capacity)
        return recent

    def _rebuild(self, points: NDArray[np.float64]) -> None:
        """Found the micro-clusters anew from all points so far, at today's radius.

        While they still fit in the ring, the scale is only being learned; what was
        placed at an earlier one would blur the model for long. A point keeps the
        cluster that its place is in now; the one at its arrival may be gone.
        """
        before = self.micro
        self.micro = before.resized(self._capacity, keep=0)
        self._refound(before, points)

    def _refound(self, before: MicroClusters, points: NDArray[np.float64]) -> None:
        """Place standardised points, each with the cluster its place was in before."""
        done, crowded = 0, False
        while True:
            grain, rate = self.vigilance.grain, self.params.learning_rate
            done = kernel.active.refound(
                self.micro, before, points, done, self.learned, grain, rate, crowded
            )
            if done == len(points):
                return
            crowded = not self._make_room()

    def _relabel(
        self,
        recent: NDArray[np.float64],
        nearest: NDArray[np.int64],
        changes: list[Change],
    ) -> Carried:
        """Find the clusters anew and carry their ids over."""
        component = self._components(recent, nearest)
        if self._goes_on(component):
            self.drift.follow([(cluster, cluster, 1.0) for cluster in self.book.ids()])
            label = self.micro.label[: self.micro.count]
            carried, told = Carried(label, [], [], [], [], self.book.next_id), []
        else:
            carried = self._carry(component)
            told = self.book.follow(carried, self.micro, self.learned)
            changes.extend(told)
        if self.motion.going_on:
            self.pace = _MOVING
        elif told or self._is_novel() or self.drift.reported:
            self.pace = _QUICK
        else:
            self.pace = min(2 * self.pace, _CALM)
        return carried

    def _goes_on(self, component: NDArray[np.int64]) -> bool:
        """Let the clusters go on if the components are these; return whether so."""
        micro, known, born = self.micro, len(self.book), self._weight_to_be_born
        if known > self.params.max_clusters:
            return False
        weight, label = micro.weight[: micro.count], micro.label[: micro.count]
        go_on, stay = kernel.active.go_on, weight_to_stay(born)
        return bool(go_on(component, weight, label, known, stay, born))

    def _carry(self, component: NDArray[np.int64]) -> Carried:
        """Carry ids over to the components."""
        micro = self.micro
        weight, old = micro.weight[: micro.count], micro.label[: micro.count]
        drop_light(component, weight, old, self._weight_to_be_born)
        limit(component, weight, micro, self.params.max_clusters)
        alive = set(self.book.ids())
        carried = carry_ids(component, weight, old, alive, self.book.next_id)
        # What lies still tells nothing about where points fall now.
        late = micro.seen[: micro.count] > self.learned - _LATELY
        lately = weight * np.where(late, 1.0, _LYING_STILL)
        self.drift.follow(moved_weight(old, carried.label, lately))
        micro.label[: micro.count] = carried.label
        return carried

    def _components(
        self, recent: NDArray[np.float64], nearest: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return int64 (count,): the component of each micro-cluster."""
        micro, vigilance = self.micro, self.vigilance
        component = np.empty(micro.count, dtype=np.int64)
        if not micro.count:
            return component
        kernel.active.partition(
            micro.centres,
            micro.spread,
            micro.weight,
            micro.label,
            micro.count,
            recent,
            nearest,
            vigilance.valley,
            self._reach,
            component,
        )
        return component

    @property
    def _reach(self) -> float:
        """What is further than this from a cluster is not in it; standardised units.

        Nothing finer than the grain is known, whatever the radius of the last points.
        """
        return LIMIT_RADII * max(self.vigilance.radius, self.vigilance.grain)

    @property
    def _weight_to_be_born(self) -> float:
        found = _WEIGHT_TO_BE_BORN_SOON if self._is_novel() else _WEIGHT_TO_BE_BORN
        return max(found * min(1.0, self.learned / _SETTLED), _MORE_THAN_ONE)

    # State

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what `restore` takes: JSON values, and arrays by name."""
        count, usual = self.micro.count, self.gaps.usual
        values = {
            "dimension": self.dimension,
            "scalars": {name: getattr(self, name) for name in self._SCALARS},
            "vigilance": vars(self.vigilance),
            "drift": self.drift.state(),
            "moving": self.motion.going_on,
            "rows": self.scaler.rows,
            "gaps": [self.gaps.filled, self.gaps.at, usual if usual < np.inf else None],
            "recent_at": self.recent.at,
            "distribution": self.distribution.state(),
            "capacity": self.micro.capacity,
        }
        arrays = {
            f"micro.{name}": getattr(self.micro, name)[..., :count]
            for name in self.micro.ARRAYS
        }
        for owner in self._OWNERS:
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
            setattr(self, name, values["scalars"].get(name, getattr(self, name)))
        for name, value in values["vigilance"].items():
            setattr(self.vigilance, name, float(value))
        self.drift.restore(values["drift"])
        self.motion.going_on = bool(values.get("moving", False))
        self.scaler.rows = float(values["rows"])
        self.gaps.filled, self.gaps.at, usual = values["gaps"]
        self.gaps.usual = np.inf if usual is None else float(usual)
        self.recent.at = int(values["recent_at"])
        self.distribution.restore(values.get("distribution", {}))
        self.micro = MicroClusters(self.dimension, int(values["capacity"]))
        self.micro.count = len(arrays["micro.weight"])
        for key, array in arrays.items():
            owner, _, name = key.partition(".")
            getattr(getattr(self, owner), name)[..., : array.shape[-1]] = array
        return self
