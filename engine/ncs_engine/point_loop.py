"""The loop over the points, in NumPy: reference of the compiled one, and its stand-in.

See `numpy_kernel` for what both have to have in common. Arguments are IN unless they
are marked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .novelty import STRAY_MEMORY, Novelty
from .outliers import LIMIT_RADII, YOUNG, RecentGaps, outlier_score
from .result import OUTLIER
from .standardizer import Standardizer, unit_vectors
from .watch import LOOK_POINTS, Watch

if TYPE_CHECKING:
    from .microclusters import MicroClusters

__all__ = ["DUE", "END", "FULL", "LOOK", "PointLoop", "short_of_outlier"]

END, DUE, FULL, LOOK = 0, 1, 2, 3
"""Why `PointLoop.learn` came back: all points are learned; a density step is due, as
strange points come in a run or agree, or a look found something; the next point would
found a micro-cluster and all are in use; a look is due that makes cells first, which
only Python can do."""

Floats = NDArray[np.floating[Any]]

_ZERO = np.float32(0.0)


class _Verdict(NamedTuple):
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

    @property
    def label(self) -> int:
        """The cluster that it takes part in, -1 for none."""
        return OUTLIER if self.strange else self.cluster


class PointLoop:
    """Takes points one by one until the model has to be looked at as a whole.

    It works on the arrays that its owners have now: whoever replaces one of them makes
    a new loop. Not for two threads at once; other threads run while it works.

    Args:
        micro: INOUT.
        scaler: read only.
        gaps: INOUT.
        novelty: INOUT.
        watch: INOUT; its ledger has a column for every label.
        cosine: unit vectors instead of `scaler`.
        burst_window: how many of the last verdicts tell a burst, at most 31.
        burst_from: how many strange points among them are one.
    """

    def __init__(
        self,
        micro: MicroClusters,
        scaler: Standardizer,
        gaps: RecentGaps,
        novelty: Novelty,
        watch: Watch,
        cosine: bool,
        burst_window: int,
        burst_from: int,
    ) -> None:
        self._micro = micro
        self._gaps = gaps
        self._novelty = novelty
        self._watch = watch
        self._background = watch.background
        self._recent = watch.recent
        self._ledger = watch.drift.ledger
        self._varying = max(1, int(np.count_nonzero(scaler.scale)))
        self._standardize = unit_vectors if cosine else scaler.apply
        self._burst_window = burst_window
        self._burst_from = burst_from

    @np.errstate(over="ignore", invalid="ignore")  # as in C
    def learn(
        self,
        block: Floats,
        start: int,
        stop: int,
        ids: NDArray[np.int64],
        outliers: NDArray[np.bool_],
        scores: NDArray[np.float32],
        learned: int,
        since_step: int,
        burst: int,
        crowded: bool,
        look_until: int,
        grain: float,
        radius: float,
        usual: float,
        outlier_threshold: float,
        learning_rate: float,
        sensitivity: float,
        /,
    ) -> tuple[int, int, int]:
        """Learn the points [start, stop) of a block, each judged before it is learned.

        O(count d) each.

        Args:
            block: float32 or float64 (n, d), finite, C order.
            start: see above.
            stop: see above.
            ids: OUT, int64 (n,), -1 for an outlier.
            outliers: OUT, bool (n,).
            scores: OUT, float32 (n,).
            learned: points that the model has learned before.
            since_step: of them, since the last density step.
            burst: the last verdicts as bits, 1 for a strange point.
            crowded: see `MicroClusters.place`.
            look_until: points since the last step before which there are looks.
            grain: see `MicroClusters.place`.
            radius: see `outlier_score`.
            usual: see `outlier_score`.
            outlier_threshold: score from which a point is an outlier.
            learning_rate: see `EngineParams`.
            sensitivity: see `EngineParams.drift_sensitivity`.

        Returns:
            (points learned, END or DUE or FULL or LOOK, `burst` after them).
        """
        enough = Novelty.enough(sensitivity)
        window = (1 << self._burst_window) - 1
        for i in range(start, stop):
            z = self._standardize(block[i : i + 1])[0]
            squared = self._micro.squared_distances(z)
            verdict = self._verdict(
                z, squared, learned, radius, usual, outlier_threshold
            )
            label, strange = verdict.label, verdict.strange
            agrees = strange and self._agrees(squared, learned + 1, radius)
            index = self._micro.place(
                z, squared, label, grain, learning_rate, crowded=crowded
            )
            if index < 0:
                return i - start, FULL, burst
            learned += 1
            since_step += 1
            self._micro.seen[index] = learned
            self._background.add(verdict.plain, verdict.norm)
            if not strange:
                self._gaps.add(verdict.gap)
            self._novelty.add(agrees)
            self._recent.add(block[i], label)
            self._ledger.count(verdict.cluster, learned)
            ids[i], outliers[i] = verdict.cluster, verdict.cluster == OUTLIER
            scores[i] = verdict.score
            burst = ((burst << 1) | strange) & window
            come_in_a_run = burst.bit_count() >= self._burst_from
            if come_in_a_run or self._novelty.evidence >= enough:
                if since_step >= self._burst_window:
                    return i + 1 - start, DUE, burst
            if since_step % LOOK_POINTS == 0 and since_step < look_until:
                if not self._watch.has_cells():
                    return i + 1 - start, LOOK, burst
                if self._watch.look(sensitivity):
                    return i + 1 - start, DUE, burst
        return max(0, stop - start), END, burst

    def compare(self, sensitivity: float) -> None:
        """Do what `Watch.compare` does, where it has cells."""
        self._watch.compare(sensitivity)

    @np.errstate(over="ignore", invalid="ignore")
    def judge(
        self,
        block: Floats,
        ids: NDArray[np.int64],
        outliers: NDArray[np.bool_],
        scores: NDArray[np.float32],
        learned: int,
        radius: float,
        usual: float,
        outlier_threshold: float,
        /,
    ) -> None:
        """Judge every point of a block and learn nothing; arguments as for `learn`."""
        for i in range(len(block)):
            z = self._standardize(block[i : i + 1])[0]
            squared = self._micro.squared_distances(z)
            verdict = self._verdict(
                z, squared, learned, radius, usual, outlier_threshold
            )
            ids[i], outliers[i] = verdict.cluster, verdict.cluster == OUTLIER
            scores[i] = verdict.score

    def _verdict(
        self,
        z: NDArray[np.float64],
        squared: NDArray[np.float64],
        learned: int,
        radius: float,
        usual: float,
        outlier_threshold: float,
    ) -> _Verdict:
        """Judge a standardised point, float64 (d,), by its squared distances.

        While the model is young most places are new to it: a point that lies far from
        all clusters is told as of the nearest one then, with a score by its norm alone,
        though it founds a micro-cluster without a label like any stranger.
        """
        index = self._micro.nearest_labelled(squared)
        norm = float(np.cumsum(z * z)[-1]) / self._varying  # added up in order
        if index < 0 or squared[index] == np.inf:
            return _Verdict(OUTLIER, math.inf, 1.0, 1.0, norm, True)
        cluster, gap = int(self._micro.label[index]), math.sqrt(squared[index])
        plain = outlier_score(gap, radius, usual)
        if learned < YOUNG:
            strange = plain >= outlier_threshold
            score = self._background.lift(0.0, norm)
            score = short_of_outlier(score, outlier_threshold)
            return _Verdict(cluster, gap, 0.0, score, norm, strange)
        # In the precision in which it is told, so that verdict and score agree.
        score = float(np.float32(self._background.lift(plain, norm)))
        strange = score >= outlier_threshold
        told = OUTLIER if strange else cluster
        return _Verdict(told, gap, plain, score, norm, strange)

    def _agrees(
        self, squared: NDArray[np.float64], learned: int, radius: float
    ) -> bool:
        """Whether a strange point lies where other strange points came of late."""
        if not squared.size:
            return False
        nearest, reach = int(squared.argmin()), LIMIT_RADII * radius
        near = squared[nearest] <= reach * reach
        late = self._micro.seen[nearest] > learned - STRAY_MEMORY
        return bool(near and late and self._micro.label[nearest] < 0)


def short_of_outlier(score: float, outlier_threshold: float) -> float:
    """Return the score, or the float32 next below the threshold if that is less."""
    threshold = np.float32(outlier_threshold)
    return float(min(np.float32(score), np.nextafter(threshold, _ZERO)))
