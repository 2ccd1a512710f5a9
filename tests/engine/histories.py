"""What engines told on a number of eventful streams, worked out once for all tests."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ncs_engine import Change, Cluster, Engine, EngineParams, LearnResult

from .streams import Points, eventful

LENGTH = 420  # beyond the first full density step
LOOKS = 15  # points from one look at the clusters to the next
COUNT = 5


@dataclasses.dataclass(frozen=True)
class Look:
    """An engine as it was after so many points."""

    points: int
    clusters: list[Cluster]
    statistics: dict[str, Any]
    count: int
    threshold: float


@dataclasses.dataclass(frozen=True)
class History:
    """The life of an engine that learned one point at a time."""

    number: int
    params: EngineParams
    points: Points
    results: list[LearnResult]
    looks: list[Look]

    def __repr__(self) -> str:
        return f"history({self.number})"

    @property
    def changes(self) -> list[Change]:
        return [change for result in self.results for change in result.changes]

    def all_clusters(self) -> list[Cluster]:
        return [cluster for look in self.looks for cluster in look.clusters]


def stream_of(number: int) -> tuple[Points, EngineParams]:
    rng = np.random.default_rng([number, 20_250_101])
    points = eventful(
        int(rng.integers(2**32)),
        LENGTH,
        dimension=1 + number % 6,
        blob_count=int(rng.integers(1, 9)),
    )
    params = EngineParams().replace(
        base_threshold=float(rng.choice([0.3, 0.71, 0.9])),
        learning_rate=float(rng.choice([0.0, 0.06, 1.0])),
        max_clusters=int(rng.choice([2, 1000])),
        metric=str(rng.choice(["euclidean", "euclidean", "cosine"])),
        outlier_threshold=float(rng.choice([0.05, 0.5, 0.9])),
        memory_limit_mb=float(rng.choice([0.05, 64.0])),
    )
    return points, EngineParams() if number % 2 else params


@functools.cache
def history(number: int) -> History:
    points, params = stream_of(number)
    engine = Engine(params)
    results, looks = [], []
    for i, point in enumerate(points, start=1):
        results.append(engine.learn([point]))
        if i % LOOKS == 0:
            look = Look(
                i,
                engine.clusters(),
                engine.statistics(),
                engine.cluster_count,
                engine.current_dynamic_threshold,
            )
            looks.append(look)
    return History(number, params, points, results, looks)


@functools.cache
def changes_with_resets(number: int) -> list[Change]:
    """Return the changes of a stream with a reset after every third of it."""
    points, params = stream_of(number)
    engine = Engine(params)
    changes: list[Change] = []
    for part in np.array_split(points, 3):
        changes += engine.learn(part).changes
        changes += engine.reset()
    return changes


histories = st.integers(0, COUNT - 1).map(history)
lives = st.integers(0, COUNT - 1).map(changes_with_resets)
