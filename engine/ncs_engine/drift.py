"""Drift: the points no longer fall where they used to.

Five detectors, of which the one that finds the gravest is told. `novelty`: points come
in a run to places that are new, near each other or all at once (`novelty.py`, point by
point). `silence`: a cluster that should have taken many points by now has taken none
(`silence.py`). `occupancy`: the recent and the long-run share of points per cluster
differ, in total variation distance, by more than sampling alone would give
(`shares.py`). `likelihood`: so does how strange points are on average, which sees a
single cluster shift or widen (`strangeness.py`). `distribution`: points fall elsewhere
within the clusters, or a little more here and less there (`distribution.py`).

Points are counted as they come. Every so often they are looked at, which is cheap and
tells only whether a density step is due now, in which `DriftDetector.observe` decides.

One change is told once, and again only when it turns out graver; after 1,024 points the
past is what came since it was first told, against which the next change is measured.
New places are a change of their own after 512.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import kernel
from .distribution import NO_SHIFT, Shift
from .memory import TRUSTED_POINTS
from .result import OUTLIER, Drift
from .shares import Counts, Shares
from .silence import MISSED, Silence
from .strangeness import NO_POINTS, Sample, Strangeness

__all__ = ["DriftDetector", "moved_weight"]

_SETTLED_AFTER = 1024  # points after which a change is the past
_NEWS_AFTER = 512  # points after which new places are not of the change told before
_AFFECTED_FROM = 0.03
_MISSED_ONCE = 1.0  # visits, by which clusters are named when all points are new
_SUSPICIOUS = 0.5  # of the threshold

Severity = Literal["low", "medium", "high"]
_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

_ADVICE: dict[Severity, str] = {
    "low": "Nothing to do: the model is following.",
    "medium": "Check the sources of the affected clusters; the model is adapting.",
    "high": "Check the sources; if the change is meant to stay, a reset lets the model"
    " forget the past at once.",
}


class DriftDetector:
    """Let it count points; look, or observe, once at least one came since last time.

    Attributes:
        counts: of the points since the last look.
        calm: of those before, since `observe`, in which a look saw nothing.
        last: id of the last point.
        at: number of points learned with it.
        looked: `at` of the last look or observation.
        shares: of the clusters.
        silence: since when they are silent.
        strangeness: how strange the points are.
        reported: severity of the present drift that was reported: 0 for none, 1 to 3.
    """

    def __init__(self) -> None:
        self.counts: Counts = {}
        self.calm: Counts = {}
        self.last = OUTLIER
        self.at = self.looked = 0
        self.shares = Shares()
        self.silence = Silence()
        self.strangeness = Strangeness()
        self.reported = 0

    def follow(self, moved: list[tuple[int, int, float]]) -> None:
        """Let the shares go where the micro-clusters go: a new partition is no drift.

        Args:
            moved: (cluster id, id that a part of it has now, that part of its weight);
                the parts of one cluster add up to 1.
        """
        self.shares.follow(moved)
        self.silence.follow(moved, self.at)

    def count(self, cluster: int, points: int, visits: int, at: int) -> None:
        """Count points of one cluster, the last of them the one numbered `at`.

        The caller sets `last` and `at` when all of a call are counted.
        """
        _add(self.counts, cluster, points, visits)
        self.silence.seen[cluster] = at

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
        missing = self.silence.missing(self.shares, self.at)
        if self._is_trusted() and self._is_suspicious(
            _threshold(sensitivity), strange.correlation, missing
        ):
            return True
        self._follow_silence(missing)
        for cluster, (points, visits) in self.counts.items():
            _add(self.calm, cluster, points, visits)
        self.counts, self.looked = {}, self.at
        return False

    def _is_suspicious(
        self, threshold: float, correlation: float, missing: dict[int, float]
    ) -> bool:
        """Whether a detector may find something among the points since the last look.

        As `observe` decides, but the shares of these points stand for the recent ones.
        """
        n = self.at - self.looked
        if self.strangeness.distance(correlation) >= threshold:
            return True
        if n <= 0:
            return False
        enough = self.silence.enough
        lost = self._share_of([c for c, missed in missing.items() if missed >= enough])
        occupancy = self.shares.distance_of(self.counts, n)
        return lost > 0.1 * threshold or occupancy >= _SUSPICIOUS * threshold

    def observe(
        self,
        sensitivity: float,
        novel: float = 0.0,
        strange: Sample = NO_POINTS,
        shift: Shift = NO_SHIFT,
    ) -> Drift | None:
        """Take the points that were counted; return the drift that they complete.

        Args:
            sensitivity: 0 .. 1, see `EngineParams.drift_sensitivity`.
            novel: share of new points if `Novelty` found something, or 0.
            strange: how strange the points since the last look are.
            shift: what `Distribution` found.
        """
        self._take(strange)
        if not self._is_trusted():
            return None
        past_after = _NEWS_AFTER if novel else _SETTLED_AFTER
        if self.reported and self.shares.fresh >= past_after:
            self._settle()
        level, statistic, detector = self._gravest(
            _threshold(sensitivity), novel, strange.correlation, shift.share
        )
        if level <= self.reported:
            return None
        within = shift.clusters if detector == "distribution" else ()
        severity = _SEVERITIES[level - 1]
        affected = self._affected(severity, detector, within)
        if not self.reported:
            self._begin()
        self.reported = level
        statistic, advice = min(1.0, statistic), _ADVICE[severity]
        return Drift(severity, statistic, affected, advice, self.at, detector)

    def _gravest(
        self, threshold: float, novel: float, correlation: float, moved: float
    ) -> tuple[int, float, str]:
        """Return (level, 0 for none; statistic; detector)."""
        lost = self._share_of(self._silent(self.shares.slow))
        occupancy = self.shares.distance()
        likelihood = self.strangeness.distance(correlation)
        # The first three are certain, however few points they concern.
        return max(
            (_level(novel, threshold) or int(novel > 0.0), novel, "novelty"),
            (_level(lost, threshold) or int(lost > 0.1 * threshold), lost, "silence"),
            (_level(moved, threshold) or int(moved > 0.0), moved, "distribution"),
            (_level(occupancy, threshold), occupancy, "occupancy"),
            (_level(likelihood, threshold), likelihood, "likelihood"),
            key=lambda found: found[0],
        )

    def _is_trusted(self) -> bool:
        """Whether the past is known well enough to compare."""
        return bool(self.reported) or self.shares.points >= TRUSTED_POINTS

    def _take(self, strange: Sample) -> None:
        """Let the averages take the points that were counted."""
        self.strangeness.take(strange)
        self._follow_silence(self.silence.missing(self.shares, self.at))
        # What is new shows better in the last points than in all of them.
        for counts in (self.calm, self.counts):
            if counts:
                self.shares.take(counts)
                known = self.shares.slow.keys() | self.counts.keys()
                self.silence.keep(known, self.at)
        self.skip()

    def _follow_silence(self, missing: dict[int, float]) -> None:
        n = self.at - self.looked
        self.silence.look(self.counts, n, self.shares, missing)

    def _begin(self) -> None:
        """Let recent averages begin anew: they are of the time after the change."""
        self.shares.begin()
        self.strangeness.begin()

    def _settle(self) -> None:
        """Let what came since the change, and still comes, be the past."""
        self.shares.settle(self._silent(self.shares.fast))
        self.strangeness.settle()
        self.reported = 0

    def _silent(self, shares: dict[int, float]) -> list[int]:
        """Return those of the clusters that are silent."""
        is_silent = self.silence.is_silent
        return [c for c in sorted(shares) if is_silent(c, self.shares, self.at)]

    def _share_of(self, clusters: list[int]) -> float:
        return sum(self.shares.slow[cluster] for cluster in clusters)

    def _affected(
        self, severity: Severity, detector: str, within: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Return the clusters that gained, lost or ended, or are among `within`."""
        all_new = detector == "novelty" and severity == "high"
        enough = _MISSED_ONCE if all_new else MISSED
        shares, clusters = self.shares, [c for c in self.shares.clusters if c >= 0]
        affected = [
            c
            for c in clusters
            if c in within
            or self.silence.missed(c, shares, self.at) >= enough
            or shares.change(c) >= _AFFECTED_FROM
        ]
        if detector in ("likelihood", "distribution") and not affected:
            # It is within the clusters, in some of those that take points.
            affected = [c for c in clusters if shares.fast.get(c, 0) >= _AFFECTED_FROM]
        return tuple(affected)

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        return {
            **self.shares.state(),
            **self.silence.state(),
            "strangeness": self.strangeness.state(),
            "counts": sorted(self.counts.items()),
            "calm": sorted(self.calm.items()),
            "last": self.last,
            "at": self.at,
            "looked": self.looked,
            "reported": self.reported,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> DriftDetector:
        """Return the detector that gave `state`; older snapshots lack some of it."""
        self = cls()
        self.shares.restore(state)
        self.silence.restore(state)
        self.strangeness.restore(state.get("strangeness", {}))
        for name in ("counts", "calm"):
            told = {int(k): [int(n) for n in v] for k, v in state.get(name, [])}
            setattr(self, name, told)
        self.last = int(state.get("last", OUTLIER))
        self.at, self.looked = int(state.get("at", 0)), int(state.get("looked", 0))
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


def _add(counts: Counts, cluster: int, points: int, visits: int) -> None:
    count = counts.get(cluster)
    if count is None:
        counts[cluster] = [points, visits]
    else:
        count[0] += points
        count[1] += visits


def _threshold(sensitivity: float) -> float:
    return 0.35 - 0.3 * sensitivity


def _level(statistic: float, threshold: float) -> int:
    """Return 0 for no drift, or 1, 2, 3 for low, medium, high."""
    bounds = threshold, min(0.6, 2 * threshold), min(0.8, 3 * threshold)
    return sum(statistic >= bound for bound in bounds)
