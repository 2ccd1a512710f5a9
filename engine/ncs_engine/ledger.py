"""The ledger: what is counted per cluster, point by point, between density steps.

Both kernels write it without asking Python. The book of clusters reads off it how many
points came, and the detectors of drift whether they still come as they did.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import Row, Whole
from .result import OUTLIER

__all__ = ["Ledger", "add_up"]


class Ledger:
    """A table with a column per cluster, and numbers that are of all of them.

    Attributes:
        ids: int64 (k,), the clusters in rising order; the first is -1, for outliers.
        counts: int64 (6, k), see below.
        shares: float64 (4, k), see below.
        values: float64 (8,): the numbers of `Shares`, `Silence` and `DriftDetector`,
            and those at the end.
        points: int64 (k,), since the last look; a view, as all below.
        visits: likewise, runs of points.
        calm_points: before that look, since `DriftDetector.observe`.
        calm_visits: likewise.
        seen: number of its last point, 0 if that is not known.
        unread: points that `collect` has not told yet.
        fast: float64 (k,), recent share of the points.
        slow: in the long run.
        came: long-run rate of points that come to it from elsewhere.
        waiting: visits missed at the last look, 0 if they are few.
        last: id of the last point.
        at: number of points learned with it.
    """

    points, visits, calm_points, calm_visits, seen, unread = (
        Row("counts", i) for i in range(6)
    )
    fast, slow, came, waiting = (Row("shares", i) for i in range(4))
    last = Whole(6)
    at = Whole(7)

    def __init__(self) -> None:
        self.ids: NDArray[np.int64] = np.full(1, OUTLIER, dtype=np.int64)
        self.counts: NDArray[np.int64] = np.zeros((6, 1), dtype=np.int64)
        self.shares: NDArray[np.float64] = np.zeros((4, 1))
        self.values: NDArray[np.float64] = np.zeros(8)
        self.last = OUTLIER

    @staticmethod
    def bytes_each() -> int:
        """Return the bytes that a cluster takes."""
        return 8 * 11

    def hold(self, clusters: Iterable[int]) -> None:
        """Have a column for these clusters.

        If one is new, those of others in which all is 0 go: they make no difference.
        """
        wanted = set(clusters)
        if wanted.issubset(self.ids.tolist()):
            return
        traced = self.counts.any(axis=0) | self.shares.any(axis=0)
        wanted.update([OUTLIER], self.ids[traced].tolist())
        ids = np.array(sorted(wanted), dtype=np.int64)
        kept = np.isin(self.ids, ids)
        where = np.searchsorted(ids, self.ids[kept])
        for name in ("counts", "shares"):
            table = getattr(self, name)
            other = np.zeros((len(table), len(ids)), dtype=table.dtype)
            other[:, where] = table[:, kept]
            setattr(self, name, other)
        self.ids = ids

    def places(self, clusters: list[int]) -> NDArray[np.int64]:
        """Return int64 (n,): the columns of the clusters; there is one for each."""
        return np.searchsorted(self.ids, np.array(clusters, dtype=np.int64))

    def count(self, cluster: int, at: int) -> None:
        """Count a point, the one numbered `at`; a cluster without a column gets one."""
        self.hold([cluster])
        (column,) = self.places([cluster])
        self.points[column] += 1
        self.visits[column] += cluster != self.last
        self.seen[column] = at
        self.unread[column] += 1
        self.last, self.at = cluster, at

    def be_calm(self) -> None:
        """Put the points since the last look to those before it."""
        self.calm_points += self.points
        self.calm_visits += self.visits
        self.points = self.visits = 0

    def collect(self) -> list[tuple[int, int, int]]:
        """Return (cluster, points since the last time, number of the last of them)."""
        new = np.flatnonzero(self.unread)
        parts = self.ids[new], self.unread[new], self.seen[new]
        self.unread = 0
        return list(zip(*(part.tolist() for part in parts), strict=True))

    def taken_since(self, at: int) -> list[int]:
        """Return the clusters that took points after the one numbered `at`."""
        late: list[int] = self.ids[self.seen > at].tolist()
        return late[1:] if late[:1] == [OUTLIER] else late

    def told(self, row: NDArray[Any]) -> list[tuple[int, Any]]:
        """Return (cluster, value) where a row is not 0, as plain JSON values."""
        there = row != 0
        return list(zip(self.ids[there].tolist(), row[there].tolist(), strict=True))

    def put(self, name: str, pairs: Iterable[Iterable[Any]]) -> None:
        """Write (cluster, value) pairs into the row of that name, else 0."""
        values = {int(cluster): value for cluster, value in pairs}
        self.hold(values)
        row = getattr(self, name)
        row[:] = 0
        row[self.places(list(values))] = list(values.values())


def add_up(row: NDArray[np.float64]) -> float:
    """Return the sum of float64 (n,), n >= 1, added up in order as in C."""
    return float(np.add.accumulate(row)[-1])
