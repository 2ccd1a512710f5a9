"""SDOstream: a bounded set of observers, and how far a point is from the busy ones.

After Hartl, Iglesias and Zseby, SDOstream: Low-density models for streaming outlier
detection, ESANN 2020. Our own implementation, as a peer to compare with: plain rather
than fast, and with points instead of seconds as time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SDOstream"]


class SDOstream:
    """Observers with fading counts of how often each was among the nearest of a point.

    Args:
        observers: k, how many there are at most.
        nearest: x, how many of them see a point.
        memory: T in points: counts fade by exp(-1 / T), and about k points in T become
            observers.
        idle: share of the observers, those seen least, that take no part in a score.
        seed: of the choice of points that become observers.
    """

    def __init__(
        self,
        observers: int = 200,
        nearest: int = 5,
        memory: float = 1000.0,
        idle: float = 0.3,
        seed: int = 0,
    ) -> None:
        self._size = observers
        self._nearest = nearest
        self._fading = math.exp(-1.0 / memory)
        self._rate = observers**2 / (nearest * memory)
        self._active = 1.0 - idle
        self._rng = np.random.default_rng(seed)
        self._at: NDArray[np.float64] = np.empty((0, 0))
        self._seen: NDArray[np.float64] = np.empty(0)
        self._lived: NDArray[np.float64] = np.empty(0)

    def score_then_learn(self, point: NDArray[Any]) -> float:
        """Return the outlier score of float (d,), the higher the further; O(k d).

        It is the median distance to the nearest active observers; 0 for the first
        point of all.
        """
        if not len(self._at):
            self._at = np.array([point], dtype=np.float64)
            self._seen, self._lived = np.ones(1), np.ones(1)
            return 0.0
        distances = np.sqrt(((self._at - point) ** 2).sum(axis=1))
        score = self._score(distances)
        self._learn(point, distances)
        return score

    def _score(self, distances: NDArray[np.float64]) -> float:
        # Counts are compared per time lived, or a new observer would always be idle.
        busy = self._seen / self._lived
        count = max(1, math.ceil(self._active * len(busy)))
        active = np.argpartition(busy, len(busy) - count)[len(busy) - count :]
        near = np.sort(distances[active])[: self._nearest]
        return float(np.median(near))

    def _learn(self, point: NDArray[Any], distances: NDArray[np.float64]) -> None:
        x = min(self._nearest, len(distances))
        seeing = np.argpartition(distances, x - 1)[:x]
        share = self._seen[seeing].sum() / self._seen.sum()
        self._seen *= self._fading
        self._lived = self._lived * self._fading + 1.0
        self._seen[seeing] += 1.0
        if len(self._at) < self._size:
            self._at = np.vstack([self._at, point])
            self._seen = np.append(self._seen, 1.0)
            self._lived = np.append(self._lived, 1.0)
        elif self._rng.random() < self._rate * share:
            # In a crowd more often than by itself: x / k of the counts are the average.
            weakest = int((self._seen / self._lived).argmin())
            self._at[weakest] = point
            self._seen[weakest] = self._lived[weakest] = 1.0
