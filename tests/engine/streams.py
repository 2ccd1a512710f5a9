"""Seeded streams of points, and the book that a careful reader of changes keeps."""

from __future__ import annotations

import numpy as np
from hypothesis import Phase
from hypothesis import strategies as st
from numpy.typing import NDArray
from properties import examples

from ncs_engine import Change, Engine, EngineParams, LearnResult

Points = NDArray[np.float64]
Labels = NDArray[np.int64]

# A failing run of a whole engine is not shrunk: no smaller seed is a simpler stream.
STEADY = examples(5, phases=[Phase.explicit, Phase.generate])
MANY = examples(15)

FAR_APART = np.array(
    [[0, 0, 0], [20, 0, 0], [0, 20, 0], [0, 0, 20], [20, 20, 20]], dtype=np.float64
)

seeds = st.integers(0, 2**32 - 1)


def gaussian(seed: int, n: int, dimension: int) -> Points:
    return np.random.default_rng(seed).normal(size=(n, dimension))


def blobs(seed: int, n: int, centres: Points = FAR_APART) -> tuple[Points, Labels]:
    """Return points of unit blobs of equal share, and the blob of each."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(centres), size=n)
    return centres[truth] + rng.normal(size=(n, centres.shape[1])), truth


def ring(seed: int, n: int) -> Points:
    """Return points of six blobs on a ring, each overlapping its neighbours."""
    angles = np.arange(6) * np.pi / 3
    centres = 3.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return blobs(seed, n, centres)[0]


def eventful(seed: int, n: int, dimension: int, blob_count: int) -> Points:
    """Return a stream in which about everything happens that can.

    Blobs, outliers in runs and strewn in, repeats, rounding, new scales and offsets of
    the features, and all blobs replaced.
    """
    rng = np.random.default_rng(seed)
    width = rng.choice([1.0, 5.0, 20.0])
    centres = rng.normal(0, width, (blob_count, dimension))
    scale: Points = np.ones(dimension)
    offset: Points = np.zeros(dimension)
    parts: list[Points] = []
    while sum(map(len, parts)) < n:
        size = int(rng.integers(1, 150))
        part = centres[rng.integers(blob_count, size=size)]
        part = part + rng.normal(size=part.shape)
        match int(rng.integers(8)):
            case 0:
                part[:] = part[0]
            case 1:
                part = rng.normal(0, 100, part.shape)
            case 2:
                part[rng.random(size) < 0.3] = rng.normal(0, 1000, dimension)
            case 3:
                part = np.round(part)
            case 4:
                scale = 10.0 ** rng.integers(-3, 4, dimension).astype(np.float64)
            case 5:
                offset = rng.normal(size=dimension) * 10.0 ** rng.integers(-2, 4)
            case 6:
                centres = rng.normal(0, width, (blob_count, dimension))
        parts.append(part * scale + offset)
    return np.concatenate(parts)[:n]


def eventful_streams(n: int) -> st.SearchStrategy[Points]:
    return st.builds(
        eventful,
        seed=seeds,
        n=st.just(n),
        dimension=st.integers(1, 6),
        blob_count=st.integers(1, 8),
    )


def any_params() -> st.SearchStrategy[EngineParams]:
    """Return parameters of which most are far from the defaults."""
    return st.builds(
        EngineParams,
        base_threshold=st.sampled_from([0.3, 0.71, 0.9]),
        learning_rate=st.sampled_from([0.0, 0.06, 1.0]),
        max_clusters=st.sampled_from([1, 3, 1000]),
        metric=st.sampled_from(["euclidean", "euclidean", "cosine"]),
        outlier_threshold=st.sampled_from([0.05, 0.5, 0.9]),
        memory_limit_mb=st.sampled_from([0.05, 64.0]),
    )


def joined(results: list[LearnResult]) -> LearnResult:
    """Return the results of consecutive calls as one."""
    return LearnResult(
        np.concatenate([r.cluster_ids for r in results]),
        np.concatenate([r.is_outlier for r in results]),
        np.concatenate([r.outlier_scores for r in results]),
        [change for r in results for change in r.changes],
        [drift for r in results for drift in r.drift],
    )


def learn_in_calls(engine: Engine, points: Points, cuts: list[int]) -> LearnResult:
    """Let `engine` learn `points` in calls that end at `cuts`."""
    return joined([engine.learn(part) for part in np.split(points, sorted(cuts))])


class Ledger:
    """Which clusters there are, from the changes alone.

    Attributes:
        alive: ids of the clusters that exist.
        given: every id that was ever given, in the order of the changes.
    """

    def __init__(self) -> None:
        self.alive: set[int] = set()
        self.given: list[int] = []

    def apply(self, changes: list[Change]) -> None:
        for change in changes:
            if change.kind in ("created", "split"):
                self.alive.add(change.cluster_id)
                self.given.append(change.cluster_id)
            else:
                self.alive.remove(change.cluster_id)
