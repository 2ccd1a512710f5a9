"""The compiled kernel and its twin come to the same bits, whatever they are given."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncs_engine import Engine, EngineParams
from ncs_engine.microclusters import MicroClusters
from ncs_engine.novelty import Novelty
from ncs_engine.outliers import YOUNG, RecentGaps, outlier_score
from ncs_engine.point_loop import DUE, FULL, LOOK
from ncs_engine.recent import RecentPoints
from ncs_engine.standardizer import Standardizer
from ncs_engine.watch import Watch

from .kernels import both, native, running_on, watch_over
from .streams import (
    MANY,
    STEADY,
    Points,
    any_params,
    blobs,
    eventful_streams,
    seeds,
)

pytestmark = pytest.mark.unit

Block = NDArray[Any]


def nasty(rng: np.random.Generator, n: int, dimension: int) -> Points:
    """Return points with repeats, zeros of both signs, tiny and huge values."""
    points = rng.normal(0, 3, (n, dimension))
    points[rng.random(n) < 0.2] = points[0]
    points[rng.random(points.shape) < 0.05] = -0.0
    tiny, huge = rng.random(n) < 0.05, rng.random(n) < 0.05
    points[tiny] *= 10.0 ** -rng.integers(1, 320)
    points[huge] *= 10.0 ** rng.integers(1, 99)
    return points


def a_watch(
    rng: np.random.Generator,
    micro: MicroClusters,
    recent: RecentPoints,
    scaler: Standardizer,
    unit: bool,
) -> Watch:
    """Return a watch that has seen much, or little, so that looks find something."""
    watch = watch_over(micro, recent, scaler, unit=unit)
    watch.background.values[:] = rng.random(9)
    watch.background.points = float(rng.choice([0, 256]))
    ledger, distribution, drift = watch.drift.ledger, watch.distribution, watch.drift
    columns = len(ledger.ids)
    ledger.counts[:4] = rng.poisson(20, (4, columns))
    ledger.seen = rng.choice([0, 1, 30], columns)
    ledger.shares[:] = rng.random((4, columns)) * rng.choice([0.0, 0.5, 1.0], columns)
    ledger.at, ledger.last = 32, int(rng.choice(ledger.ids))
    drift.looked = int(rng.choice([0, 16]))
    drift.shares.fresh = drift.shares.points = int(rng.choice([10, 5000]))
    drift.shares.spread = float(rng.choice([-1.0, 0.5]))
    drift.silence.record = float(rng.choice([0.0, 30.0]))
    drift.reported = int(rng.choice([0, 2]))
    drift.strangeness.values[:] = rng.random(7) * [1, 1, 2, 999, 9999, 3, 20]
    if rng.random() < 0.9:
        distribution.gathered = 256
        built = nasty(rng, 256, len(micro.centres))
        distribution.histogram.build(built, scaler)
    many = rng.choice([0.0, 0.5, 20.0], 3)
    distribution.past[:] = 0.7 * rng.poisson(many[0], 160)
    distribution.recent[:] = rng.poisson(many[1], (3, 160))
    distribution.block[:] = rng.poisson(many[2], 128)
    distribution.usual[:] = np.array([0.5, 0.1, 0.5, 0.1, 5.5]) + rng.random((2, 5))
    distribution.full, distribution.held = rng.integers(0, 4, 2).tolist()
    return watch


@dataclasses.dataclass
class Part:
    """All that a point loop works on, as the seed says, and what it makes of it."""

    seed: int
    dimension: int
    capacity: int
    cosine: bool
    crowded: bool

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.micro = MicroClusters(self.dimension, self.capacity)
        self.scaler = Standardizer(self.dimension)
        self.scaler.shift = rng.normal(size=self.dimension)
        self.scaler.scale = rng.choice([0.0, 0.3, 1.0, 7.0], self.dimension)
        self.gaps = RecentGaps(int(rng.integers(1, 40)))
        self.recent = RecentPoints(int(rng.integers(1, 40)), self.dimension)
        self.novelty = Novelty()
        self.novelty.rate = float(rng.choice([0.0, 0.02]))
        self.novelty.refresh()
        for z in rng.normal(size=(int(rng.integers(0, self.capacity)), self.dimension)):
            self.micro.found(z, int(rng.integers(-1, 4)))
        self.watch = a_watch(rng, self.micro, self.recent, self.scaler, self.cosine)
        self.grain = float(rng.choice([0.0, 0.5, 2.0, 10.0]) * self.dimension**0.5)
        self.radius = float(rng.choice([1e-6, 0.5, 2.0]) * self.dimension**0.5)
        self.usual = float(rng.choice([0.1, 3.0, np.inf]))
        self.threshold = float(rng.choice([0.05, 0.5, 0.99]))
        self.rate = float(rng.choice([0.0, 0.06, 1.0]))
        self.told: list[Any] = []
        self.sensitivity = float(rng.choice([0.0, 0.5, 1.0]))
        self.since = int(rng.choice([0, 200, 500]))
        self.look_until = int(rng.choice([0, 10**6]))
        self.learned = int(rng.choice([32, 200, 1000]))
        self.burst = 0

    def learn(self, kernel: ModuleType, block: Block, cuts: list[int]) -> None:
        """Learn the block in calls that end at `cuts`, and go on after each stop."""
        loop = kernel.PointLoop(
            self.micro, self.scaler, self.gaps, self.novelty, self.watch, self.cosine,
            16, 8,
        )  # fmt: skip
        n = len(block)
        out = np.zeros(n, np.int64), np.zeros(n, bool), np.zeros(n, np.float32)
        done, since = 0, self.since
        for cut in [*sorted(cuts), n]:
            while done < cut:
                taken, reason, self.burst = loop.learn(
                    block, done, cut, *out, self.learned, since, self.burst,
                    self.crowded, self.look_until, self.grain, self.radius, self.usual,
                    self.threshold, self.rate, self.sensitivity,
                )  # fmt: skip
                done, self.learned = done + taken, self.learned + taken
                since = 0 if reason == DUE else since + taken
                self.told.append((done, reason) if reason else None)
                if reason == FULL:
                    self.micro.count = self.capacity // 2
                if reason == LOOK:
                    self.told.append(self.watch.look(self.sensitivity))
        if self.watch.has_cells():
            loop.compare(self.sensitivity)
        self.told = [told for told in self.told if told]
        self.told += [array.tobytes() for array in out]
        loop.judge(block, *out, self.learned, self.radius, self.usual, self.threshold)
        self.told += [array.tobytes() for array in out]

    def everything(self) -> list[Any]:
        watch = self.watch
        owners = [self.micro, self.gaps, watch.background, self.novelty, self.recent]
        owners += [watch.distribution, watch.distribution.histogram]
        arrays = [getattr(o, name).tobytes() for o in owners for name in o.ARRAYS]
        ledger = watch.drift.ledger
        tables = ledger.counts, ledger.shares, ledger.values, watch.distribution.values
        arrays += [array.tobytes() for array in tables]
        arrays += [watch.drift.strangeness.values.tobytes()]
        cursors = self.micro.count, self.gaps.at, self.gaps.filled, self.recent.at
        return [self.told, self.burst, self.learned, cursors, arrays]


@given(
    seed=seeds,
    dimension=st.sampled_from([1, 2, 3, 7, 8, 10, 17, 64, 130]),
    capacity=st.sampled_from([16, 17, 40, 256]),
    cosine=st.booleans(),
    crowded=st.booleans(),
    type_=st.sampled_from(["f4", "f8"]),
)
@MANY
def test_a_point_loop_leaves_the_same_bits(
    seed: int, dimension: int, capacity: int, cosine: bool, crowded: bool, type_: str
) -> None:
    rng = np.random.default_rng([seed, 1])
    block = nasty(rng, 150, dimension)
    limit = np.finfo(type_).max / 1e3
    block = np.clip(block, -limit, limit).astype(type_)
    left = []
    for kernel in both():
        part = Part(seed, dimension, capacity, cosine, crowded)
        part.learn(kernel, block, rng.integers(0, 150, 5).tolist())
        left.append(part.everything())
    assert left[0] == left[1]


@pytest.mark.parametrize("dimension", [1, 3, 10, 40])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e12, 1e25])
@pytest.mark.parametrize("apart", [0.0, 1e-7, 1e-3, 1.0])
def test_close_calls_for_the_nearest_are_decided_alike(
    dimension: int, scale: float, apart: float
) -> None:
    """Where single precision cannot tell who is nearest, double precision has to."""
    rng = np.random.default_rng(dimension)
    base = rng.normal(size=dimension)
    crowd = (base + apart * rng.normal(size=(200, dimension))) * scale
    block = (base + apart * rng.normal(size=(60, dimension))) * scale
    told = []
    for kernel in both():
        micro, scaler = MicroClusters(dimension, 256), Standardizer(dimension)
        for i, z in enumerate(crowd):
            micro.found(z, i)
        loop = kernel.PointLoop(
            micro, scaler, RecentGaps(2), Novelty(),
            watch_over(micro, RecentPoints(2, dimension)), False, 16, 8,
        )  # fmt: skip
        n = len(block)
        out = np.zeros(n, np.int64), np.zeros(n, bool), np.zeros(n, np.float32)
        loop.judge(block, *out, YOUNG, 1e40, np.inf, 0.5)
        told.append([array.tobytes() for array in out])
    assert told[0] == told[1]


def run(kernel: ModuleType, points: Points, params: EngineParams, size: int) -> Any:
    with running_on(kernel):
        engine = Engine(params)
        results = [
            engine.learn(points[i : i + size]) for i in range(0, len(points), size)
        ]
        told = [
            (r.changes, r.drift, r.updated, r.outlier_scores.tobytes()) for r in results
        ]
        return told if size > 1 else None, engine.snapshot()


@given(eventful_streams(700), any_params())
@STEADY
def test_an_engine_tells_the_same_on_both(points: Points, params: EngineParams) -> None:
    one, other = (run(kernel, points, params, 97) for kernel in both())
    assert repr(one) == repr(other)


@given(eventful_streams(700), any_params(), st.sampled_from([1, 13, 700]))
@STEADY
def test_the_grouping_does_not_matter_on_either(
    points: Points, params: EngineParams, size: int
) -> None:
    states = {
        run(kernel, points, params, n)[1] for kernel in both() for n in (size, 256)
    }
    assert len(states) == 1


@pytest.mark.parametrize("sensitivity", [0.5, 1.0])
def test_where_points_change_both_find_the_same_drift(sensitivity: float) -> None:
    points = np.concatenate([blobs(1, 3000)[0], blobs(2, 1500)[0] * 0.7 + 1.0])
    params = EngineParams(drift_sensitivity=sensitivity)
    found, states = [], set()
    for kernel, size in zip(both() * 2, (4500, 4500, 911, 1), strict=True):
        with running_on(kernel):
            engine, told = Engine(params), []
            for i in range(0, len(points), size):
                told += engine.learn(points[i : i + size]).drift
            found.append(told)
            states.add(engine.snapshot())
    assert found == [found[0]] * 4
    assert (len(states), len(found[0]) > 0) == (1, True)


def drawn(seed: int, *, labels: int) -> MicroClusters:
    rng = np.random.default_rng(seed)
    count, dimension = int(rng.integers(1, 80)), int(rng.integers(1, 12))
    micro = MicroClusters(dimension, count + int(rng.integers(0, 9)))
    # Rounded, so that many pairs are equally close.
    for z in np.round(rng.normal(0, 3, (count, dimension))):
        micro.found(z, int(rng.integers(-1, labels)))
    micro.weight[:count] = rng.integers(1, 5, count)
    micro.spread[:, :count] = rng.random((dimension, count))
    micro.seen[:count] = rng.integers(0, 99, count)
    return micro


@given(seeds)
@MANY
def test_pairwise_distances_are_the_same_bits(seed: int) -> None:
    found = set()
    for kernel in both():
        with running_on(kernel):
            micro = drawn(seed, labels=3)
            found.add(micro.pairwise_squared_distances().tobytes())
    assert len(found) == 1


@given(
    seeds, st.sampled_from([0, 1, 3]), st.floats(0, 1), st.sampled_from([3.0, np.inf])
)
@MANY
def test_merging_leaves_the_same_bits(
    seed: int, labels: int, share: float, reach: float
) -> None:
    left = []
    for kernel in both():
        with running_on(kernel):
            micro = drawn(seed, labels=labels)
            farthest = micro.merge_closest(int(share * micro.count), reach)
        arrays = [getattr(micro, name)[..., : micro.count] for name in micro.ARRAYS]
        left.append((farthest, [array.tobytes() for array in arrays]))
    assert left[0] == left[1]


@given(seeds)
@MANY
def test_neighbours_are_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, every = int(rng.integers(2, 120)), int(rng.integers(1, 5))
    columns = np.round(rng.normal(0, 3, (int(rng.integers(1, 9)), n)), 1)
    k, found = int(rng.integers(0, n)), []
    for kernel in both():
        squared = np.empty(-(-n // every))
        kernel.neighbours(columns, every, k, squared)
        found.append(squared.tobytes())
    assert found[0] == found[1]


@given(seeds)
@MANY
def test_overlaps_are_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 90))
    a, b, weight = rng.integers(-1, 5, n), rng.integers(-1, 9, n), rng.random(n)
    one, other = (kernel.overlaps(a, b, weight) for kernel in both())
    assert one == other


@given(seeds)
@MANY
def test_the_geometry_of_clusters_is_the_same_bits(seed: int) -> None:
    micro, found = drawn(seed, labels=4), []
    known = np.unique(micro.label[: micro.count])
    ids = known[known >= 0]
    for kernel in both():
        shape = len(ids), len(micro.centres)
        centroids, variances = np.empty(shape), np.empty(shape)
        kernel.geometry(micro, micro.count, ids, centroids, variances)
        found.append((centroids.tobytes(), variances.tobytes()))
    assert found[0] == found[1]


@given(seeds, st.booleans(), st.sampled_from([0.0, 1.0, 4.0]))
@MANY
def test_founding_anew_leaves_the_same_bits(
    seed: int, crowded: bool, grain: float
) -> None:
    rng = np.random.default_rng([seed, 1])
    left = []
    points = rng.normal(0, 3, (60, len(drawn(seed, labels=3).centres)))
    for kernel in both():
        before = drawn(seed, labels=3)
        micro = MicroClusters(len(before.centres), 20)
        stop = kernel.refound(micro, before, points, 0, 99, grain, 0.1, False)
        if stop < len(points):
            stop = kernel.refound(micro, before, points, stop, 100, grain, 0.1, crowded)
        arrays = [getattr(micro, name)[..., : micro.count] for name in micro.ARRAYS]
        left.append((stop, [array.tobytes() for array in arrays]))
    assert left[0] == left[1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.0000001e100, -1e101])
@pytest.mark.parametrize("at", [(0, 0), (6, 2)])
@pytest.mark.parametrize("type_", ["f4", "f8"])
def test_one_bad_value_anywhere_is_seen_by_both(
    value: float, at: tuple[int, int], type_: str
) -> None:
    block = np.zeros((7, 3), type_)
    with np.errstate(over="ignore"):
        block[at] = value
    assert [kernel.fits(block, 3, 1e100) for kernel in both()] == [False, False]


@pytest.mark.parametrize("type_", ["f4", "f8"])
def test_good_blocks_fit_for_both(type_: str) -> None:
    block = np.array([[0.0, -3e38], [3e38, 5e-324]], type_)
    assert [kernel.fits(block, 2, 1e100) for kernel in both()] == [True, True]


@pytest.mark.parametrize(
    "block",
    [
        np.zeros((4, 2), ">f8"),
        np.zeros((4, 2), np.float16),
        np.zeros((4, 2), np.int64),
        np.zeros((4, 2), order="F"),
        np.zeros((4, 4))[:, ::2],
        np.zeros((4, 3)),
        np.zeros(2),
        np.zeros((1, 4, 2)),
    ],
)
def test_what_has_to_be_converted_fits_for_neither(block: Block) -> None:
    assert [kernel.fits(block, 2, 1e100) for kernel in both()] == [False, False]


@given(
    st.floats(0, 1e9),
    st.sampled_from([1e-6, 0.7, 3.0]),
    st.floats(0, 1e9),
    st.floats(0, 4),
)
@MANY
def test_the_score_in_c_is_the_one_in_python(
    gap: float, radius: float, usual: float, run_weight: float
) -> None:
    micro, scaler = MicroClusters(1, 2), Standardizer(1, identity=True)
    micro.found(np.zeros(1), 0)
    watch = watch_over(micro, RecentPoints(2, 1))
    watch.background.run_weight = run_weight
    loop = native().PointLoop(
        micro, scaler, RecentGaps(2), Novelty(), watch, False, 16, 8
    )
    ids, outliers, scores = np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, "f4")
    loop.judge(np.array([[gap]]), ids, outliers, scores, YOUNG, radius, usual, 0.5)
    squared = float(np.float64(gap) * gap)
    plain = outlier_score(float(np.sqrt(squared)), radius, usual)
    assert scores[0] == np.float32(watch.background.lift(plain, squared))


@given(seeds, st.integers(1, 40), st.sampled_from([1, 3, 17]))
@MANY
def test_the_nearest_centres_are_the_same(
    seed: int, count: int, dimension: int
) -> None:
    rng = np.random.default_rng(seed)
    centres = nasty(rng, dimension, 40)
    points = np.concatenate([nasty(rng, 50, dimension), centres.T])  # ties as well
    found = []
    for kernel in both():
        index = np.empty(len(points), dtype=np.int64)
        kernel.nearest(centres, count, points, index)
        found.append(index)
    assert (found[0] == found[1]).all()
    squared = np.square(points[:, None] - centres.T[None, :count]).sum(axis=2)
    chosen = squared[np.arange(len(points)), found[0]]
    np.testing.assert_allclose(chosen, squared.min(axis=1))


@pytest.mark.parametrize("count", [0, 5])
def test_more_centres_than_there_are_or_none_are_refused(count: int) -> None:
    index = np.empty(1, dtype=np.int64)
    with pytest.raises(ValueError, match="centres"):
        native().nearest(np.zeros((2, 4)), count, np.zeros((1, 2)), index)


@pytest.mark.parametrize("seed", range(60))
def test_a_look_leaves_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dimension = int(rng.choice([1, 3, 10]))
    block, left = nasty(rng, 60, dimension), []
    for kernel in both():
        part = Part(seed, dimension, 80, bool(seed % 2), crowded=True)
        part.since, part.look_until = 200, 10**6
        part.learn(kernel, block, [])
        left.append(part.everything())
    assert left[0] == left[1]
