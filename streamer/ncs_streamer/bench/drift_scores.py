"""How soon a change is noticed: drift that is reported, and modes that are born."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["HORIZON", "DriftScore", "birth_delays", "score_drift"]

HORIZON = 1000
"""Points after a change within which it has to be noticed."""


@dataclasses.dataclass(frozen=True, slots=True)
class DriftScore:
    """Reports of drift against the points at which something changed."""

    delays: tuple[int | None, ...]
    """Per change: points from it to the first report within `HORIZON`; None if there is
    none."""
    false_alarms: int
    """Reports that come within `HORIZON` after no change."""


def score_drift(changes: Sequence[int], reports: Sequence[int]) -> DriftScore:
    """Score reports, numbers of points learned, both ascending."""
    delays = []
    for change in changes:
        after = [at - change for at in reports if 0 <= at - change <= HORIZON]
        delays.append(after[0] if after else None)
    false = [at for at in reports if not any(0 <= at - c <= HORIZON for c in changes)]
    return DriftScore(tuple(delays), len(false))


def birth_delays(truth: NDArray[np.int64], ids: NDArray[np.int64]) -> list[int | None]:
    """Return for each class that comes later when it had a cluster of its own.

    That is the number of its own points up to the first one that was given the id which
    most of its points have within `HORIZON` points of the stream; None if that id was
    given before the class came, or all of them are outliers. The classes that are there
    within the first `HORIZON` points are the start and do not count.

    Args:
        truth: int64 (n,); -1 is no class.
        ids: int64 (n,); -1 is no cluster.
    """
    delays = []
    for label in np.unique(truth[truth >= 0]):
        first = int(np.argmax(truth == label))
        if first < HORIZON:
            continue
        within = slice(first, first + HORIZON)
        own = ids[within][truth[within] == label]
        found, counts = np.unique(own[own >= 0], return_counts=True)
        most = found[counts.argmax()] if len(found) else -1
        is_new = len(found) > 0 and most not in ids[:first]
        delays.append(int(np.argmax(own == most)) + 1 if is_new else None)
    return delays
