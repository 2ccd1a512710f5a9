"""Drift: the points no longer fall where they used to.

Four detectors, of which the one that finds the gravest is told. `novelty`: points come
in a run to places that are new and near each other (`novelty.py`, point by point).
`silence`: a cluster that should have taken many points by now has taken none.
`occupancy`: the recent and the long-run share of points per cluster differ, in total
variation distance, by more than sampling alone would give. `likelihood`: so does how
strange points are on average, which sees a single cluster shift or widen.

Points are counted as they come. Every so often they are looked at, which is cheap and
tells only whether a density step is due now, in which `DriftDetector.observe` decides.

One change is told once, and again only when it turns out graver; after 1,024 points the
past is what came since it was first told, against which the next change is measured.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .result import OUTLIER, Drift

__all__ = ["DriftDetector", "Sample", "moved_weight"]

_FAST_POINTS = 600.0  # memory of the averages, in points
_SLOW_POINTS = 8000.0
_POINTS_BEFORE_TRUST = 1000
_SETTLED_AFTER = 1024  # points after which a change is the past
_AFFECTED_FROM = 0.03
_DEVIATIONS = 6.0
_MISSED = 1.0  # visits, by which clusters are named when all points are new
_SUSPICIOUS = 0.5  # of the threshold
_SILENCE = 16.0  # points that a silent cluster should have taken: chance exp(-16)

Severity = Literal["low", "medium", "high"]
_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

_ADVICE: dict[Severity, str] = {
    "low": "Nothing to do: the model is following.",
    "medium": "Check the sources of the affected clusters; the model is adapting.",
    "high": "Check the sources; if the change is meant to stay, a reset lets the model"
    " forget the past at once.",
}


Counts = dict[int, list[int]]
"""Cluster id, -1 for outliers -> [points, visits], a visit being a run of points."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """How strange the points since the last look are, see `outliers.Background`."""

    points: float
    mean: float
    square: float
    """Mean of the squares."""
    correlation: float
    """Between neighbouring points in the stream, 0 .. 1."""


_NO_POINTS = Sample(0.0, 0.0, 0.0, 0.0)


class Strangeness:
    """Recent and long-run average of how strange points are.

    Attributes:
        recent: average over the recent points.
        past: average over the long run.
        square: average square over the long run.
        fresh: points in `recent`.
        points: points in `past`.
    """

    SCALARS = ("recent", "past", "square", "fresh", "points")

    def __init__(self) -> None:
        self.recent = self.past = self.square = self.fresh = self.points = 0.0

    def take(self, sample: Sample) -> None:
        """Follow a block."""
        if not sample.points:
            return
        self.fresh += sample.points
        self.points += sample.points
        fast = _rate(sample.points, self.fresh, _FAST_POINTS)
        slow = _rate(sample.points, self.points, _SLOW_POINTS)
        self.recent += fast * (sample.mean - self.recent)
        self.past += slow * (sample.mean - self.past)
        self.square += slow * (sample.square - self.square)

    def distance(self, correlation: float) -> float:
        """Return the share of points that fall elsewhere, or 0 if it may be chance.

        Two normal distributions whose means are e standard deviations apart differ by
        2 Phi(e / 2) - 1 < 0.4 e in total variation. By chance e is 6 times the root of
        1 / n + 1 / m, times (1 + r) / (1 - r) for a series whose neighbours
        correlate by r, less than once in 10^8.
        """
        variance = self.square - self.past * self.past
        if variance <= 1e-12 or self.points < _POINTS_BEFORE_TRUST:
            return 0.0
        apart = abs(self.recent - self.past) / math.sqrt(variance)
        inflation = (1.0 + correlation) / max(1.0 - correlation, 1e-3)
        sizes = _sizes(self.fresh, self.points)
        if apart < _DEVIATIONS * math.sqrt(sizes * inflation):
            return 0.0
        return min(1.0, 0.4 * apart)


class DriftDetector:
    """Let it count points; look, or observe, once at least one came since last time.

    Attributes:
        counts: of the points since the last look.
        calm: of those before, since `observe`, in which a look saw nothing.
        last: id of the last point.
        at: number of points learned with it.
        looked: `at` of the last look or observation.
        fast: cluster id -> recent share of points.
        slow: cluster id -> long-run share of points.
        visits: cluster id -> long-run rate of points that come to it from elsewhere.
        seen: cluster id -> `at` of its last point.
        fresh: points in `fast`.
        points: points in `slow`.
        strangeness: how strange the points are.
        reported: severity of the present drift that was reported: 0 for none, 1 to 3.
    """

    def __init__(self) -> None:
        self.fast: dict[int, float] = {}
        self.slow: dict[int, float] = {}
        self.visits: dict[int, float] = {}
        self.counts: Counts = {}
        self.calm: Counts = {}
        self.seen: dict[int, int] = {}
        self.last = OUTLIER
        self.at = self.looked = 0
        self._spread: float | None = None  # sum of all `_noise`
        self.strangeness = Strangeness()
        self.fresh = 0
        self.points = 0
        self.reported = 0

    def follow(self, moved: list[tuple[int, int, float]]) -> None:
        """Let the shares go where the micro-clusters go: a new partition is no drift.

        Args:
            moved: (cluster id, id that a part of it has now, that part of its weight);
                the parts of one cluster add up to 1.
        """
        parents = {old for old, _, _ in moved}
        if all(old == new for old, new, _ in moved):  # as it is most of the time
            for shares in (self.fast, self.slow, self.visits):
                for old in parents - shares.keys():
                    shares[old] = 0.0
            self.fast, self.slow = _sorted(self.fast), _sorted(self.slow)
            self._spread = None
            return
        for shares in (self.fast, self.slow, self.visits):
            whole = {old: shares.pop(old, 0.0) for old in parents}
            for old, new, part in moved:
                shares[new] = shares.get(new, 0.0) + part * whole[old]
        for old, new, _ in moved:
            if new not in parents:
                self.seen[new] = self.seen.get(old, self.at)
        for old, new, part in moved:
            if part == 1.0 and new != old:
                gone = self.seen.pop(old, self.at)
                self.seen[new] = max(gone, self.seen.get(new, gone))
        self.fast, self.slow = _sorted(self.fast), _sorted(self.slow)
        self._spread = None

    def count(self, cluster: int, points: int, visits: int, at: int) -> None:
        """Count points of one cluster, the last of them the one numbered `at`.

        The caller sets `last` and `at` when all of a call are counted.
        """
        count = self.counts.get(cluster)
        if count is None:
            self.counts[cluster] = [points, visits]
        else:
            count[0] += points
            count[1] += visits
        self.seen[cluster] = at

    def skip(self) -> None:
        """Forget the points that were counted."""
        self.counts, self.calm, self.looked = {}, {}, self.at

    def look(self, sensitivity: float, strange: Sample) -> bool:
        """Look at the points since the last look; return whether to observe them now.

        Args:
            sensitivity: see `observe`.
            strange: see `observe`; it is taken.
        """
        self.strangeness.take(strange)
        if self._is_trusted() and self._is_suspicious(
            _threshold(sensitivity), strange.correlation
        ):
            return True
        calm = self.calm
        for cluster, (points, visits) in self.counts.items():
            count = calm.get(cluster)
            if count is None:
                calm[cluster] = [points, visits]
            else:
                count[0] += points
                count[1] += visits
        self.counts, self.looked = {}, self.at
        return False

    def _is_suspicious(self, threshold: float, correlation: float) -> bool:
        """Whether a detector may find something among the points since the last look.

        As `observe` decides, but the shares of these points stand for the recent ones.
        """
        if self.strangeness.distance(correlation) >= threshold:
            return True
        n, known, total, lost = self.at - self.looked, 0, 0.0, 0.0
        if n <= 0:
            return False
        for cluster, share in self.slow.items():
            count = self.counts.get(cluster)
            if count is not None:
                known += count[0]
                total += abs(count[0] / n - share)
            else:
                total += share
                if self._missed(cluster) >= _SILENCE:
                    lost += share
        total += (n - known) / n
        if self._spread is None:
            self._spread = sum(self._noise(cluster) for cluster in self.slow)
        total -= self._spread * math.sqrt(_sizes(n, self.points))
        return lost > 0.1 * threshold or 0.5 * total >= _SUSPICIOUS * threshold

    def observe(
        self,
        sensitivity: float,
        novel: float = 0.0,
        strange: Sample = _NO_POINTS,
    ) -> Drift | None:
        """Take the points that were counted; return the drift that they complete.

        Args:
            sensitivity: 0 .. 1, see `EngineParams.drift_sensitivity`.
            novel: share of agreeing points if `Novelty` found something, or 0.
            strange: how strange the points since the last look are.
        """
        at = self.at
        self.strangeness.take(strange)
        # What is new shows better in the last points than in all of them.
        for counts in (self.calm, self.counts):
            if counts:
                self._take(counts)
        self.skip()
        if self.reported and self.fresh >= _SETTLED_AFTER:
            self._settle()
        if not self._is_trusted():
            return None
        threshold = _threshold(sensitivity)
        lost = sum(self.slow[cluster] for cluster in self._silent(self.slow))
        occupancy = self._distance()
        likelihood = self.strangeness.distance(strange.correlation)
        # The first two are certain, however few points they concern.
        level, statistic, detector = max(
            (_level(novel, threshold) or int(novel > 0.0), novel, "novelty"),
            (_level(lost, threshold) or int(lost > 0.1 * threshold), lost, "silence"),
            (_level(occupancy, threshold), occupancy, "occupancy"),
            (_level(likelihood, threshold), likelihood, "likelihood"),
            key=lambda found: found[0],
        )
        if level <= self.reported:
            return None
        drift = self._report(_SEVERITIES[level - 1], statistic, at, detector)
        if not self.reported:
            self._begin()
        self.reported = level
        return drift

    def _is_trusted(self) -> bool:
        """Whether the past is known well enough to compare."""
        return bool(self.reported) or self.points >= _POINTS_BEFORE_TRUST

    def _take(self, counts: Counts) -> None:
        n = sum(points for points, _ in counts.values())
        self.fresh += n
        self.points += n
        quickly = _rate(n, self.fresh, _FAST_POINTS)
        slowly = _rate(n, self.points, _SLOW_POINTS)
        share = {cluster: points / n for cluster, (points, _) in counts.items()}
        came = {cluster: visits / n for cluster, (_, visits) in counts.items()}
        self.fast = _blend(self.fast, share, quickly)
        self.slow = _blend(self.slow, share, slowly)
        self.visits = _blend(self.visits, came, slowly)
        known = self.slow.keys() | self.counts.keys()
        self.seen = {c: self.seen.get(c, self.at) for c in sorted(known)}
        self._spread = None

    def _begin(self) -> None:
        """Let the recent shares begin anew: they are of the time after the change."""
        self.fast, self.fresh = {}, 0
        self.strangeness.fresh = 0.0

    def _settle(self) -> None:
        """Let what came since the change, and still comes, be the past."""
        silent = self._silent(self.fast)
        self.slow = {c: share for c, share in self.fast.items() if c not in silent}
        self.strangeness.points = 0.0  # a change may come and go: look anew
        self.points = self.fresh
        self.reported = 0
        self._spread = None

    def _silent(self, shares: dict[int, float]) -> list[int]:
        """Return those of the clusters that missed 16 visits by now."""
        return [c for c in sorted(shares) if self._missed(c) >= _SILENCE]

    def _missed(self, cluster: int) -> float:
        """Return how often the cluster should have been visited since its last point.

        Visits and not points: a stream that dwells in a cluster stays away for long,
        too. A cluster of a share p has p (1 - p) visits per point in a stream without
        memory, but its points come in runs in another one.
        """
        if cluster == OUTLIER:
            return 0.0
        waits = self.at - self.seen.get(cluster, self.at)
        return waits * self.visits.get(cluster, 0.0)

    def _distance(self) -> float:
        noise, total = 0.0, 0.0
        for cluster in sorted(self.fast.keys() | self.slow.keys()):
            total += self._change(cluster)
            noise += self._noise(cluster)
        noise *= math.sqrt(_sizes(self.fresh, self.points))
        return max(0.0, 0.5 * (total - noise))

    def _noise(self, cluster: int) -> float:
        """Return twice the mean absolute difference of two shares by chance.

        That is, of the shares of n and m points, over sqrt(1 / n + 1 / m). Of binomial
        shares it would be sqrt(2 / pi p (1 - p) (1 / n + 1 / m)). Being in
        the cluster or not is taken for a Markov chain, of which neighbours correlate by
        1 - x with x = visits / (p (1 - p)); that makes the variance (2 - x) / x-fold.
        """
        past = min(max(self.slow.get(cluster, 0.0), 0.0), 1.0)
        spread = past * (1.0 - past)
        if spread <= 0.0:
            return 0.0
        apart = min(1.0, max(self.visits.get(cluster, 0.0) / spread, 1e-3))
        inflation = (2.0 - apart) / apart
        return 2.0 * math.sqrt(2 / math.pi * spread * inflation)

    def _report(
        self, severity: Severity, statistic: float, at: int, detector: str
    ) -> Drift:
        missed = _MISSED if detector == "novelty" and severity == "high" else _SILENCE
        clusters = [c for c in sorted(self.fast.keys() | self.slow.keys()) if c >= 0]
        affected = [
            c
            for c in clusters
            if self._missed(c) >= missed or self._change(c) >= _AFFECTED_FROM
        ]
        if detector == "likelihood" and not affected:  # it is within the clusters
            affected = [c for c in clusters if self.fast.get(c, 0.0) >= _AFFECTED_FROM]
        statistic, advice = min(1.0, statistic), _ADVICE[severity]
        return Drift(severity, statistic, tuple(affected), advice, at, detector)

    def _change(self, cluster: int) -> float:
        return abs(self.fast.get(cluster, 0.0) - self.slow.get(cluster, 0.0))

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        return {
            "fast": sorted(self.fast.items()),
            "slow": sorted(self.slow.items()),
            "visits": sorted(self.visits.items()),
            "last": self.last,
            "strangeness": {
                name: getattr(self.strangeness, name) for name in Strangeness.SCALARS
            },
            "counts": sorted(self.counts.items()),
            "calm": sorted(self.calm.items()),
            "seen": sorted(self.seen.items()),
            "at": self.at,
            "looked": self.looked,
            "fresh": self.fresh,
            "points": self.points,
            "reported": self.reported,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> DriftDetector:
        """Return the detector that gave `state`."""
        self = cls()
        self.fast = {int(k): float(v) for k, v in state["fast"]}
        self.slow = {int(k): float(v) for k, v in state["slow"]}
        # Snapshots of format 1 that are older than the next ones have none of them.
        self.visits = {int(k): float(v) for k, v in state.get("visits", [])}
        self.last = int(state.get("last", OUTLIER))
        for name, value in state.get("strangeness", {}).items():
            setattr(self.strangeness, name, float(value))
        for name in ("counts", "calm"):
            told = {int(k): [int(n) for n in v] for k, v in state.get(name, [])}
            setattr(self, name, told)
        self.seen = {int(k): int(v) for k, v in state.get("seen", [])}
        self.at, self.looked = int(state.get("at", 0)), int(state.get("looked", 0))
        self.fresh = int(state.get("fresh", state["points"]))
        self.points = int(state["points"])
        self.reported = int(state["reported"])
        return self


def moved_weight(
    old: NDArray[np.int64], new: NDArray[np.int64], weight: NDArray[np.float64]
) -> list[tuple[int, int, float]]:
    """Return what `DriftDetector.follow` takes.

    Args:
        old: int64 (m,), cluster of each micro-cluster until now, -1 for none.
        new: int64 (m,), cluster from now on.
        weight: float64 (m,).
    """
    parts = [
        (before, now, part)
        for before, now, part in kernel.active.overlaps(old, new, weight)
        if before != OUTLIER and now != OUTLIER
    ]
    whole: dict[int, float] = {}
    for before, _, part in parts:
        whole[before] = whole.get(before, 0.0) + part
    return [(before, now, part / whole[before]) for before, now, part in sorted(parts)]


def _sorted(shares: dict[int, float]) -> dict[int, float]:
    """Return it in the order in which it is restored: sums go along it."""
    return dict(sorted(shares.items()))


def _threshold(sensitivity: float) -> float:
    return 0.35 - 0.3 * sensitivity


def _level(statistic: float, threshold: float) -> int:
    """Return 0 for no drift, or 1, 2, 3 for low, medium, high."""
    bounds = threshold, min(0.6, 2 * threshold), min(0.8, 3 * threshold)
    return sum(statistic >= bound for bound in bounds)


def _sizes(recent: float, past: float) -> float:
    """Return 1 / n + 1 / m for averages of so many points, or as many as they keep."""
    return 1.0 / max(1.0, min(recent, _FAST_POINTS)) + 1.0 / min(past, _SLOW_POINTS)


def _rate(block: float, points: float, memory: float) -> float:
    """Return the share that a block gets; at first, all points count equally."""
    return max(1.0 - math.exp(-block / memory), block / points)


def _blend(
    average: dict[int, float], share: dict[int, float], rate: float
) -> dict[int, float]:
    kept = 1.0 - rate
    if share.keys() <= average.keys():  # as it is most of the time
        return {
            cluster: value
            for cluster, past in average.items()
            if (value := kept * past + rate * share.get(cluster, 0.0)) > 1e-6
        }
    blended = {
        cluster: kept * average.get(cluster, 0.0) + rate * share.get(cluster, 0.0)
        for cluster in sorted(average.keys() | share.keys())
    }
    return {cluster: value for cluster, value in blended.items() if value > 1e-6}
