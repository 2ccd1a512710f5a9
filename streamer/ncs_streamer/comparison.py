"""What other engine parameters would have made of the same traffic."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from typing import Any

import msgspec
import numpy as np

from .bench.scores import ari_of
from .entry import Entry
from .replay import Replay
from .stream_model import Applied, StreamModel

__all__ = ["Comparison", "Outcome"]


@dataclasses.dataclass(slots=True)
class Outcome:
    """What one model made of the traffic."""

    model: StreamModel
    points: int = 0
    outliers: int = 0
    drifts: int = 0
    changes: int = 0
    """Clusters that came or went."""
    seconds: float = 0.0

    def note(self, applied: Applied, seconds: float) -> None:
        """Count an entry."""
        self.seconds += seconds
        self.changes += len(applied.changes)
        if applied.result is not None:
            self.points += applied.accepted
            self.outliers += int(applied.result.is_outlier.sum())
            self.drifts += len(applied.result.drift)

    def as_dict(self) -> dict[str, Any]:
        """Return it in numbers."""
        statistics = self.model.engine.statistics()
        return {
            "clusters": statistics["num_clusters"],
            "quality": statistics["clustering_quality"],
            "stability": statistics["global_stability"],
            "outlier_rate": self.outliers / self.points if self.points else 0.0,
            "drifts": self.drifts,
            "changes": self.changes,
            "points": self.points,
            "points_per_second": self.points / self.seconds if self.seconds else 0.0,
        }


class Comparison:
    """The replay of a stream, and beside it a model with other parameters.

    Args:
        replay: where both begin.
        tried: parameters that hold throughout for the other model; empty for none, and
            then only the replay goes on.

    Raises:
        ValueError: if the parameters cannot be; `metric` cannot change in a model that
            has points.
    """

    def __init__(self, replay: Replay, tried: dict[str, Any]) -> None:
        self.replay = replay
        self.in_force = Outcome(replay.model)
        self.tried: Outcome | None = None
        self._params = tried
        self._pairs: Counter[tuple[int, int]] = Counter()
        if tried:
            model = StreamModel.restore(replay.model.snapshot())
            model.engine.configure(**tried)
            self.tried = Outcome(model)

    def step(self, offset: int, payload: bytes) -> None:
        """Replay an entry in both."""
        began = time.perf_counter()
        entry, applied = self.replay.step(offset, payload)
        self.in_force.note(applied, time.perf_counter() - began)
        if self.tried is None:
            return
        entry = self._changed(entry)
        began = time.perf_counter()
        other = self.tried.model.apply(offset, entry)
        self.tried.note(other, time.perf_counter() - began)
        if applied.result is not None and other.result is not None:
            pairs = zip(
                applied.result.cluster_ids.tolist(),
                other.result.cluster_ids.tolist(),
                strict=True,
            )
            self._pairs.update(pairs)

    def _changed(self, entry: Entry) -> Entry:
        if entry.params is None:
            return entry
        return msgspec.structs.replace(entry, params=entry.params | self._params)

    @property
    def agreement(self) -> float:
        """Adjusted Rand index of the assignments of both."""
        rows = {one: at for at, one in enumerate({one for one, _ in self._pairs})}
        columns = {two: at for at, two in enumerate({two for _, two in self._pairs})}
        table = np.zeros((len(rows), len(columns)), np.int64)
        for (one, two), count in self._pairs.items():
            table[rows[one], columns[two]] = count
        return ari_of(table)
