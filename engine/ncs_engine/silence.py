"""Silence: whether a cluster that should have taken many points by now has taken none.

Time is told in *missed visits*. Visits and not points: a stream that dwells in a
cluster stays away for long, too. A cluster of a share p has p (1 - p) visits per point
in a stream without memory, but its points come in runs in another one. Where clusters
come back after a long time, as in a daily cycle, they are waited for longer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import Field
from .ledger import Ledger

__all__ = ["MISSED", "Silence"]

MISSED = 16.0
"""Visits that a silent cluster has missed at least: by chance exp(-16)."""

_RECORD = 1.5  # times the longest wait of late that has ended
_RECORD_HALF_LIFE = 16_384.0  # points
_LONG = 4.0  # visits, of a wait that is worth remembering
_BACK = 0.5  # of its share: of a cluster that came back; what is less may be noise

Floats = NDArray[np.float64]


class Silence:
    """Since when clusters are silent.

    Args:
        ledger: INOUT, `seen` and `waiting`.

    Attributes:
        record: visits missed by a cluster that came back, older ones count less.
    """

    record = Field(3)

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.values = ledger.values

    def follow(self, moved: list[tuple[int, int, float]]) -> None:
        """Go where the micro-clusters go, see `DriftDetector.follow`."""
        ledger = self.ledger
        seen = dict(zip(ledger.ids.tolist(), ledger.seen.tolist(), strict=True))
        parents = {old for old, _, _ in moved}
        for old, new, _ in moved:
            if new not in parents:
                seen[new] = seen[old] or ledger.at
        for old, new, part in moved:
            if part == 1.0 and new != old:
                seen[new] = max(seen[old] or ledger.at, seen[new])
                seen[old] = 0
        ledger.seen = list(seen.values())

    def keep(self) -> None:
        """Forget all clusters but those with a share, or points since the last look."""
        ledger = self.ledger
        known = (ledger.slow > 0.0) | (ledger.points > 0)
        since = np.where(ledger.seen > 0, ledger.seen, ledger.at)
        ledger.seen = np.where(known, since, 0)

    def missed(self) -> Floats:
        """Return how often each should have been visited since its last point.

        float64 (k,), 0 for outliers and where it is not known since when.
        """
        seen = self.ledger.seen
        waits = np.where(seen > 0, self.ledger.at - seen, 0)
        waits[0] = 0
        missed: Floats = waits * self.ledger.came
        return missed

    def missing(self) -> Floats:
        """Return the same of those with a share that missed many, else 0."""
        missed = self.missed()
        return np.where((self.ledger.slow > 0.0) & (missed >= _LONG), missed, 0.0)

    @property
    def enough(self) -> float:
        """Visits missed that are more than could be chance, or usual here."""
        return max(MISSED, _RECORD * self.record)

    def is_silent(self) -> NDArray[np.bool_]:
        """Return bool (k,): which of the clusters have missed enough."""
        return self.missed() >= self.enough

    def look(self, n: int, missing: Floats) -> None:
        """Learn from the last n points which waits have ended; see `missing`."""
        ledger = self.ledger
        record = self.record * 0.5 ** (n / _RECORD_HALF_LIFE)
        back = ledger.points > _BACK * ledger.slow * n
        self.record = max(record, float(np.where(back, ledger.waiting, 0.0).max()))
        ledger.waiting = missing

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes, as plain JSON values."""
        return {
            "seen": self.ledger.told(self.ledger.seen),
            "waiting": self.ledger.told(self.ledger.waiting),
            "record": self.record,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave; an older snapshot lacks some of it."""
        self.ledger.put("seen", state.get("seen", []))
        self.ledger.put("waiting", state.get("waiting", []))
        self.record = float(state.get("record", 0.0))
