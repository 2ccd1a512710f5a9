"""What a density step does is the same to the bit on both kernels, and the compiled one
refuses what does not fit."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine.histogram import Histogram
from ncs_engine.microclusters import MicroClusters
from ncs_engine.standardizer import Standardizer

from .kernels import both, native, running_on
from .streams import MANY, seeds
from .test_kernel_twins import drawn, nasty

pytestmark = pytest.mark.unit

dimensions = st.sampled_from([1, 2, 3, 8, 10, 17, 40])


def left_by(work: Callable[[ModuleType], list[Any]]) -> list[list[Any]]:
    """Return what the work leaves on each kernel, arrays as bytes."""
    left = []
    for module in both():
        with running_on(module):
            told = work(module)
        left.append([t.tobytes() if isinstance(t, np.ndarray) else t for t in told])
    return left


def arrays_of(micro: MicroClusters) -> list[Any]:
    return [getattr(micro, name)[..., : micro.count].copy() for name in micro.ARRAYS]


@given(seeds, dimensions, st.integers(1, 300))
@MANY
def test_a_standardiser_observes_and_moves_alike(
    seed: int, dimension: int, n: int
) -> None:
    def work(_: ModuleType) -> list[Any]:
        rng = np.random.default_rng(seed)
        scaler, told = Standardizer(dimension), []
        for _ in range(3):
            scaler.observe(nasty(rng, n, dimension) * rng.choice([1.0, 0.0], dimension))
            told += scaler.move()
        return [*told, *(getattr(scaler, name) for name in scaler.ARRAYS), scaler.rows]

    one, other = left_by(work)
    assert one == other


@given(seeds)
@MANY
def test_micro_clusters_are_remapped_and_kept_alike(seed: int) -> None:
    def work(_: ModuleType) -> list[Any]:
        micro, rng = drawn(seed, labels=3), np.random.default_rng(seed)
        d = len(micro.centres)
        micro.remap(rng.choice([0.0, 0.3, 7.0], d), rng.normal(size=d))
        micro.keep(rng.random(micro.count) < rng.choice([0.0, 0.5, 1.0]))
        return [*arrays_of(micro), micro.count]

    one, other = left_by(work)
    assert one == other


def forget(module: ModuleType, micro: MicroClusters, learned: int, since: int) -> None:
    micro.count = module.forget(micro, micro.count, 0.9, learned, since, 4.0, 0.5)


@given(seeds, st.integers(0, 5000), st.integers(1, 4096))
@MANY
def test_micro_clusters_are_forgotten_alike(seed: int, silent: int, since: int) -> None:
    def work(module: ModuleType) -> list[Any]:
        micro = drawn(seed, labels=3)
        forget(module, micro, 100 + silent, since)
        return [*arrays_of(micro), micro.count]

    one, other = left_by(work)
    assert one == other


@pytest.mark.parametrize("module", both(), ids=["numpy", "native"])
def test_what_is_silent_loses_half_in_every_gap_beyond_four(module: ModuleType) -> None:
    micro = MicroClusters(1, 4)
    for label, seen in ((0, 1000), (1, 400)):
        micro.seen[micro.found(np.zeros(1), label)] = seen
    micro.weight[:2] = 90.0, 10.0
    # A tenth of the points: ten of them are a gap, so that 600 are 60 of them; of
    # these the first four cost nothing, and of the others those since the last step.
    forget(module, micro, 1000, 30)
    weight = micro.weight[: micro.count].tolist()
    assert weight == pytest.approx([81.0, 9.0 * 0.5**3])


@pytest.mark.parametrize("module", both(), ids=["numpy", "native"])
def test_what_has_no_weight_left_is_forgotten(module: ModuleType) -> None:
    micro = MicroClusters(1, 4)
    for label, weight in ((5, 3.0), (6, 0.55), (7, 0.56)):
        index = micro.found(np.zeros(1), label)
        micro.weight[index], micro.seen[index] = weight, 10
    forget(module, micro, 10, 1)
    assert micro.label[: micro.count].tolist() == [5, 7]


@given(seeds, dimensions, st.integers(1, 300))
@MANY
def test_boxes_are_cut_alike(seed: int, dimension: int, n: int) -> None:
    def work(_: ModuleType) -> list[Any]:
        rng = np.random.default_rng(seed)
        histogram, scaler = Histogram(dimension), Standardizer(dimension)
        scaler.shift = rng.normal(size=dimension)
        scaler.scale = rng.choice([0.0, 0.3, 7.0], dimension)
        histogram.build(nasty(rng, n, dimension), scaler)
        return [getattr(histogram, name) for name in histogram.ARRAYS]

    one, other = left_by(work)
    assert one == other


@given(seeds, st.integers(0, 40), dimensions)
@MANY
def test_qualities_are_the_same_bits(seed: int, k: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    centroids = np.round(rng.normal(0, 3, (k, dimension)))
    variances = rng.random((k, dimension)) * rng.choice([0.0, 1.0, 30.0], (k, 1))

    def work(module: ModuleType) -> list[Any]:
        quality = np.full(k, -1.0)
        module.qualities(centroids, variances, quality)
        return [quality]

    one, other = left_by(work)
    assert one == other


@given(
    seeds, st.integers(2, 200), st.integers(2, 40), st.sampled_from([0.0, 1.0, 1e90])
)
@MANY
def test_lags_are_the_same_bits(seed: int, n: int, least: int, unit: float) -> None:
    micro, rng = drawn(seed, labels=3), np.random.default_rng(seed)
    points = rng.normal(size=(n, len(micro.centres))) * unit
    if rng.random() < 0.5:
        points = np.cumsum(points, axis=0)
    cluster = micro.label[rng.integers(micro.count, size=n)]

    def work(module: ModuleType) -> list[Any]:
        lags = module.lags(points, cluster, micro, micro.count, least)
        return [(name, excess.hex(), squared.hex()) for name, excess, squared in lags]

    one, other = left_by(work)
    assert one == other


values = st.one_of(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=40),
    st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=300),
    st.integers(1, 300).map(lambda n: list(map(float, range(n)))),
)


@given(values)
@MANY
def test_medians_and_quartiles_are_the_same(given_: list[float]) -> None:
    array = np.array(given_)
    before = array.tobytes()
    with np.errstate(all="ignore"):
        one, other = (
            (module.median(array), module.upper_quartile(array)) for module in both()
        )
    np.testing.assert_equal(one, other)
    assert array.tobytes() == before


def test_a_median_of_what_is_no_number_comes_to_an_end() -> None:
    assert math.isnan(native().median(np.full(9, np.nan)))


MICRO = MicroClusters(3, 8)
FLAT, INTS = np.zeros(3), np.zeros(6, dtype=np.int64)
BAD: dict[str, tuple[str, list[Any]]] = {
    "no points to observe": ("observe", [np.zeros((0, 3)), 0.0, FLAT, FLAT]),
    "a mean of another dimension": ("observe", [np.zeros((4, 3)), 0.0, INTS, FLAT]),
    "points of float32": ("observe", [np.zeros((4, 3), "f4"), 0.0, FLAT, FLAT]),
    "too few arguments to observe": ("observe", [np.zeros((4, 3)), 0.0, FLAT]),
    "a scale of another dimension": ("move", [FLAT] * 3 + [np.zeros(2)] + [FLAT] * 2),
    "too few arguments to move": ("move", [FLAT] * 5),
    "a mask of another length": ("keep", [MICRO, 4, np.zeros(3, bool)]),
    "a mask of numbers": ("keep", [MICRO, 3, FLAT]),
    "more to keep than there are": ("keep", [MICRO, 9, np.zeros(9, bool)]),
    "less to keep than none": ("keep", [MICRO, -1, np.zeros(0, bool)]),
    "no micro-clusters": ("keep", [object(), 1, np.zeros(1, bool)]),
    "a factor of another dimension": ("remap", [MICRO, 4, np.zeros(2), FLAT]),
    "more to remap than there are": ("remap", [MICRO, 9, FLAT, FLAT]),
    "more to forget than there are": ("forget", [MICRO, 9, 1.0, 9, 9, 4.0, 0.5]),
    "a number of points beyond any": ("forget", [MICRO, 8, 1.0, 2**70, 9, 4.0, 0.5]),
    "more to merge than there are": ("merge_closest", [MICRO, 9, 3, 1.0]),
    "more to follow than there are": (
        "lags", [np.zeros((4, 3)), np.zeros(4, np.int64), MICRO, 9, 32]
    ),
    "fewer clusters than points": (
        "lags", [np.zeros((4, 3)), np.zeros(3, np.int64), MICRO, 4, 32]
    ),
    "points of another dimension": (
        "lags", [np.zeros((4, 2)), np.zeros(4, np.int64), MICRO, 4, 32]
    ),
    "a component beyond the last": ("go_on", [INTS + 6, INTS / 1, INTS, 1, 1.0, 5.0]),
    "a component below 0": ("go_on", [INTS - 1, INTS / 1, INTS, 1, 1.0, 5.0]),
    "fewer weights than components": ("go_on", [INTS, FLAT, INTS, 1, 1.0, 5.0]),
    "too few arguments to go on": ("go_on", [INTS, INTS / 1, INTS, 1, 1.0]),
    "middles of another dimension": (
        "cut_boxes", [np.zeros((4, 3)), *(getattr(Histogram(2), name) for name in
                      ("feature", "cut", "middle", "reach"))],
    ),
    "fewer qualities than clusters": (
        "qualities", [np.zeros((4, 2)), np.zeros((4, 2)), FLAT]
    ),
    "a median of nothing": ("median", [np.zeros(0)]),
    "a median of whole numbers": ("median", [INTS]),
    "a quartile of a table": ("upper_quartile", [np.zeros((2, 2))]),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_what_does_not_fit_is_refused(bad: str) -> None:
    name, arguments = BAD[bad]
    with pytest.raises((TypeError, ValueError, OverflowError, AttributeError)):
        getattr(native(), name)(*copy.copy(arguments))
