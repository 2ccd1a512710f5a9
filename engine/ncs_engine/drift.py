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
from .fields import Whole
from .ledger import Ledger, add_up
from .memory import TRUSTED_POINTS
from .result import OUTLIER, Drift
from .shares import Shares
from .silence import MISSED, Silence
from .strangeness import NO_POINTS, Sample, Strangeness

__all__ = ["DriftDetector", "moved_weight"]

_SETTLED_AFTER = 1024  # points after which a change is the past
_NEWS_AFTER = 512  # points after which new places are not of the change told before
_AFFECTED_FROM = 0.03
_MISSED_ONCE = 1.0  # visits, by which clusters are named when all points are new
_SUSPICIOUS = 0.5  # of the threshold
_COUNTED = {"counts": ("points", "visits"), "calm": ("calm_points", "calm_visits")}
"""Rows of the ledger, as they are called in a snapshot."""

Floats = NDArray[np.float64]

Severity = Literal["low", "medium", "high"]
_SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

_ADVICE: dict[Severity, str] = {
    "low": "Nothing to do: the model is following.",
    "medium": "Check the sources of the affected clusters; the model is adapting.",
    "high": "Check the sources; if the change is meant to stay, a reset lets the model"
    " forget the past at once.",
}


class DriftDetector:
    """Let the ledger count points; look, or observe, once at least one came.

    Args:
        ledger: INOUT.

    Attributes:
        shares: of the clusters.
        silence: since when they are silent.
        strangeness: how strange the points are.
        looked: number of points at the last look or observation.
        reported: severity of the present drift that was reported: 0 for none, 1 to 3.
    """

    looked = Whole(4)
    reported = Whole(5)

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger = ledger or Ledger()
        self.values = ledger.values
        self.shares = Shares(ledger)
        self.silence = Silence(ledger)
        self.strangeness = Strangeness()

    def follow(self, moved: list[tuple[int, int, float]]) -> None:
        """Let the shares go where the micro-clusters go: a new partition is no drift.

        Args:
            moved: (cluster id, id that a part of it has now, that part of its weight);
                the parts of one cluster add up to 1.
        """
        if moved:
            self.ledger.hold(
                {cluster for old, new, _ in moved for cluster in (old, new)}
            )
            self.shares.follow(moved)
            self.silence.follow(moved)

    def skip(self) -> None:
        """Forget the points that were counted."""
        ledger = self.ledger
        ledger.points = ledger.visits = ledger.calm_points = ledger.calm_visits = 0
        self.looked = ledger.at

    def look(self, sensitivity: float, strange: Sample) -> bool:
        """Look at the points since the last look; return whether to observe them now.

        Args:
            sensitivity: see `observe`.
            strange: see `observe`; it is taken.
        """
        self.strangeness.take(strange)
        missing, n = self.silence.missing(), self.ledger.at - self.looked
        if self._is_trusted() and self._is_suspicious(
            _threshold(sensitivity), strange.correlation, missing, n
        ):
            return True
        self.silence.look(n, missing)
        self.ledger.be_calm()
        self.looked = self.ledger.at
        return False

    def _is_suspicious(
        self, threshold: float, correlation: float, missing: Floats, n: int
    ) -> bool:
        """Whether a detector may find something among the points since the last look.

        As `observe` decides, but the shares of these points stand for the recent ones.
        """
        if self.strangeness.distance(correlation) >= threshold:
            return True
        if n <= 0:
            return False
        lost = self._share_of(missing >= self.silence.enough)
        if lost > 0.1 * threshold:
            return True
        occupancy = self.shares.distance_of(self.ledger.points, n)
        return occupancy >= _SUSPICIOUS * threshold

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
        return Drift(severity, statistic, affected, advice, self.ledger.at, detector)

    def _gravest(
        self, threshold: float, novel: float, correlation: float, moved: float
    ) -> tuple[int, float, str]:
        """Return (level, 0 for none; statistic; detector)."""
        lost = self._share_of(self.silence.is_silent())
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
        ledger = self.ledger
        self.strangeness.take(strange)
        self.silence.look(ledger.at - self.looked, self.silence.missing())
        # What is new shows better in the last points than in all of them.
        for points, visits in (
            (ledger.calm_points, ledger.calm_visits),
            (ledger.points, ledger.visits),
        ):
            if points.any():
                self.shares.take(points, visits)
        self.silence.keep()
        self.skip()

    def _begin(self) -> None:
        """Let recent averages begin anew: they are of the time after the change."""
        self.shares.begin()
        self.strangeness.begin()

    def _settle(self) -> None:
        """Let what came since the change, and still comes, be the past."""
        self.shares.settle(self.silence.is_silent())
        self.strangeness.settle()
        self.reported = 0

    def _share_of(self, chosen: NDArray[np.bool_]) -> float:
        """Return the long-run share of clusters, bool (k,)."""
        return add_up(np.where(chosen, self.ledger.slow, 0.0))

    def _affected(
        self, severity: Severity, detector: str, within: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Return the clusters that gained, lost or ended, or are among `within`."""
        all_new = detector == "novelty" and severity == "high"
        enough = _MISSED_ONCE if all_new else MISSED
        ledger = self.ledger
        known = (ledger.ids != OUTLIER) & ((ledger.fast > 0) | (ledger.slow > 0))
        affected = np.isin(ledger.ids, within)
        affected |= self.silence.missed() >= enough
        affected |= self.shares.change >= _AFFECTED_FROM
        affected &= known
        if detector in ("likelihood", "distribution") and not affected.any():
            # It is within the clusters, in some of those that take points.
            affected = known & (ledger.fast >= _AFFECTED_FROM)
        return tuple(ledger.ids[affected].tolist())

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        ledger = self.ledger
        counted = {
            name: [
                (cluster, [points, visits])
                for cluster, points, visits in zip(
                    ledger.ids.tolist(),
                    getattr(ledger, of_points).tolist(),
                    getattr(ledger, of_visits).tolist(),
                    strict=True,
                )
                if points
            ]
            for name, (of_points, of_visits) in _COUNTED.items()
        }
        return {
            **self.shares.state(),
            **self.silence.state(),
            "strangeness": self.strangeness.state(),
            **counted,
            "last": ledger.last,
            "at": ledger.at,
            "looked": self.looked,
            "reported": self.reported,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave; older snapshots lack some of it."""
        self.shares.restore(state)
        self.silence.restore(state)
        self.strangeness.restore(state.get("strangeness", {}))
        ledger = self.ledger
        for name, rows in _COUNTED.items():
            for i, row in enumerate(rows):
                ledger.put(row, [(c, n[i]) for c, n in state.get(name, [])])
        ledger.last = int(state.get("last", OUTLIER))
        ledger.at = int(state.get("at", 0))
        self.looked = int(state.get("looked", 0))
        self.reported = int(state["reported"])


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


def _threshold(sensitivity: float) -> float:
    return 0.35 - 0.3 * sensitivity


def _level(statistic: float, threshold: float) -> int:
    """Return 0 for no drift, or 1, 2, 3 for low, medium, high."""
    bounds = threshold, min(0.6, 2 * threshold), min(0.8, 3 * threshold)
    return sum(statistic >= bound for bound in bounds)
