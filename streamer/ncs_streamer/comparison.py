"""What other engine parameters would have made of the same traffic."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ncs_engine import OUTLIER

from .bench.scores import ari_of, silhouette
from .entry import Entry
from .stream_model import Applied, StreamModel

__all__ = ["Agreement", "Comparison", "Outcome"]

_FOLDED = 4096  # labels that wait to be counted
_JUDGED = 500  # last points, of which the silhouette is taken


class Agreement:
    """Adjusted Rand index of two assignments of the same points."""

    def __init__(self) -> None:
        self._pairs: Counter[tuple[int, int]] = Counter()
        self._waiting: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._count = 0

    def add(self, one: NDArray[Any], two: NDArray[Any]) -> None:
        """Take the next points' labels, int64 (n,) each."""
        self._waiting.append((one, two))
        self._count += len(one)
        if self._count >= _FOLDED:
            self._fold()

    def _fold(self) -> None:
        if self._waiting:
            pairs = np.concatenate([np.stack(both) for both in self._waiting], axis=1)
            found, counts = np.unique(pairs, axis=1, return_counts=True)
            keys = map(tuple, found.T.tolist())
            self._pairs.update(dict(zip(keys, counts.tolist(), strict=True)))
        self._waiting, self._count = [], 0

    @property
    def value(self) -> float:
        """1 for equal partitions, 0 on average by chance."""
        self._fold()
        rows = {one: at for at, one in enumerate({one for one, _ in self._pairs})}
        columns = {two: at for at, two in enumerate({two for _, two in self._pairs})}
        table = np.zeros((len(rows), len(columns)), np.int64)
        for (one, two), count in self._pairs.items():
            table[rows[one], columns[two]] = count
        return ari_of(table)


@dataclasses.dataclass(slots=True)
class Outcome:
    """What one model made of the traffic."""

    model: StreamModel
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Those that hold throughout, whatever the journal says."""
    points: int = 0
    outliers: int = 0
    drifts: int = 0
    changes: int = 0
    """Clusters that came or went."""
    seconds: float = 0.0
    """Of processor time."""
    agreement: Agreement = dataclasses.field(default_factory=Agreement)
    """With the parameters in force."""
    last: Applied | None = None

    def apply(self, offset: int, entry: Entry) -> Applied:
        """Let the model apply an entry, with its own parameters."""
        if entry.params is not None and self.params:
            params = entry.params | self.params
            entry = msgspec.structs.replace(entry, params=params)
        began = time.thread_time()
        applied = self.model.apply(offset, entry)
        self.note(applied, time.thread_time() - began)
        return applied

    def note(self, applied: Applied, seconds: float) -> None:
        """Count an entry."""
        self.last = applied
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
            "threshold": statistics["current_dynamic_threshold"],
            "outlier_rate": self.outliers / self.points if self.points else 0.0,
            "drifts": self.drifts,
            "changes": self.changes,
            "points": self.points,
            "points_per_second": self.points / self.seconds if self.seconds else 0.0,
        }


class Comparison:
    """A model on its way through a journal, and beside it ones with other parameters.

    Args:
        model: where all begin; belongs to the comparison.
        tried: for each other model, parameters that hold throughout.

    Attributes:
        in_force: what the first model made of it.
        tried: what the others did.

    Raises:
        ValueError: if parameters cannot be; `metric` cannot change in a model that has
            points.
    """

    def __init__(self, model: StreamModel, tried: Sequence[dict[str, Any]]) -> None:
        self.in_force = Outcome(model)
        self.tried: list[Outcome] = []
        for params in tried:
            other = StreamModel.restore(model.snapshot())
            other.engine.configure(**params)
            self.tried.append(Outcome(other, params))
        self._recent: deque[NDArray[Any]] = deque()

    def steps(self, offset: int, entry: Entry) -> Iterator[None]:
        """Apply an entry, with a step for each model."""
        applied = self.in_force.apply(offset, entry)
        yield
        yield from self.follow(offset, entry, applied)

    def follow(self, offset: int, entry: Entry, applied: Applied) -> Iterator[None]:
        """Apply in the others what has been applied in the first, a step for each."""
        for outcome in self.tried:
            other = outcome.apply(offset, entry)
            if applied.result is not None and other.result is not None:
                outcome.agreement.add(
                    applied.result.cluster_ids, other.result.cluster_ids
                )
            yield
        self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        if entry.kind == "reset":
            self._recent.clear()  # what follows may have another dimension
        if entry.points is None:
            return
        self._recent.append(entry.block[-_JUDGED:])
        while sum(map(len, self._recent)) - len(self._recent[0]) >= _JUDGED:
            self._recent.popleft()

    def silhouette(self, outcome: Outcome) -> float:
        """Return that of the last 500 points under a final model, without outliers.

        In [-1, 1]; with every feature by its spread, or as directions for `cosine`.
        """
        engine = outcome.model.engine
        if not self._recent or engine.dimension != self._recent[-1].shape[1]:
            return 0.0
        points = np.concatenate(self._recent)[-_JUDGED:].astype(np.float64)
        ids = engine.predict(points).cluster_ids
        if engine.params.metric == "cosine":
            scale = np.linalg.norm(points, axis=1, keepdims=True)
        else:
            scale = points.std(axis=0)
        scaled = points / np.where(scale > 0.0, scale, 1.0)
        known = ids != OUTLIER
        return silhouette(scaled[known], ids[known])
