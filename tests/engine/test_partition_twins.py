"""The compiled partition and its reference in NumPy come to the same components."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .crowds import jumbled
from .kernels import both, native
from .streams import MANY, seeds

pytestmark = pytest.mark.unit


@given(
    seed=seeds,
    m=st.integers(0, 30),
    d=st.integers(1, 40),
    recent=st.sampled_from([0, 1, 2, 60, 256]),
)
@MANY
def test_a_partition_is_the_same_by_both(
    seed: int, m: int, d: int, recent: int
) -> None:
    scene = jumbled(seed, m, d, recent)
    one, other = (scene.partition(kernel) for kernel in both())
    assert one == other


@pytest.mark.parametrize("seed", range(60))
def test_many_small_partitions_are_the_same_by_both(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    m, d, recent = rng.integers(0, 40), rng.integers(1, 20), rng.integers(0, 80)
    scene = jumbled(seed, int(m), int(d), int(recent))
    one, other = (scene.partition(kernel) for kernel in both())
    assert one == other


@pytest.mark.parametrize("dimension", [1, 2, 16, 17, 40])
@pytest.mark.parametrize("m", [128, 256])
def test_a_large_partition_is_the_same_by_both(m: int, dimension: int) -> None:
    scene = jumbled(m + dimension, m, dimension, 256)
    one, other = (scene.partition(kernel) for kernel in both())
    assert one == other


@pytest.mark.parametrize("unit", [1e-160, 1e-90, 1e90, 1e140])
@pytest.mark.parametrize("seed", range(4))
def test_in_any_unit_a_partition_is_the_same_by_both(seed: int, unit: float) -> None:
    scene = jumbled(seed, 20, 4, 30)
    scene.centres *= unit
    scene.centres[seed] *= 1e30
    scene.spread *= unit * unit
    scene.recent *= unit
    one, other = (scene.partition(kernel) for kernel in both())
    assert one == other


def arguments(**changed: Any) -> list[Any]:
    """Return good arguments of `partition` for six of eight micro-clusters, but for
    those that are changed."""
    rng = np.random.default_rng(0)
    good: dict[str, Any] = {
        "centres": rng.normal(size=(3, 8)),
        "spread": np.ones((3, 8)),
        "weight": np.ones(8),
        "label": np.full(8, -1),
        "count": 6,
        "recent": rng.normal(size=(5, 3)),
        "nearest": np.arange(5),
        "threshold": 0.84,
        "reach": 4.0,
        "component": np.zeros(6, dtype=np.int64),
    }
    assert good.keys() >= changed.keys()
    return list((good | changed).values())


def test_good_arguments_are_taken() -> None:
    assert native().partition(*arguments()) is None


def read_only() -> Any:
    array = np.zeros(6, dtype=np.int64)
    array.flags.writeable = False
    return array


BAD = {
    "centres of float32": {"centres": np.zeros((3, 8), np.float32)},
    "centres on one axis": {"centres": np.zeros(8)},
    "centres in another order": {"centres": np.zeros((8, 3)).T},
    "centres with gaps": {"centres": np.zeros((3, 16))[:, ::2]},
    "centres of another byte order": {"centres": np.zeros((3, 8), ">f8")},
    "no array for centres": {"centres": [[0.0] * 8] * 3},
    "fewer spreads than centres": {"spread": np.ones((3, 7))},
    "spreads of another dimension": {"spread": np.ones((2, 8))},
    "spreads of integers": {"spread": np.ones((3, 8), np.int64)},
    "fewer weights than centres": {"weight": np.ones(7)},
    "weights on two axes": {"weight": np.ones((8, 1))},
    "weights with gaps": {"weight": np.ones(16)[::2]},
    "labels of int32": {"label": np.zeros(8, np.int32)},
    "labels of floats": {"label": np.zeros(8)},
    "fewer labels than centres": {"label": np.zeros(6, np.int64)},
    "a count above the capacity": {"count": 9, "component": np.zeros(9, np.int64)},
    "a count below 0": {"count": -1},
    "a huge count": {"count": 2**62},
    "a count beyond any integer": {"count": 2**70},
    "a count that is no integer": {"count": 6.0},
    "a count of nothing": {"count": None},
    "recent points of another dimension": {"recent": np.zeros((5, 2))},
    "recent points on one axis": {"recent": np.zeros(15)},
    "recent points of float32": {"recent": np.zeros((5, 3), np.float32)},
    "recent points in another order": {"recent": np.zeros((3, 5)).T},
    "fewer nearest ones than points": {"nearest": np.zeros(4, np.int64)},
    "nearest ones of floats": {"nearest": np.zeros(5)},
    "a nearest one beyond the count": {"nearest": np.array([0, 1, 2, 3, 6])},
    "a nearest one below 0": {"nearest": np.array([0, 1, 2, 3, -1])},
    "a threshold that is no number": {"threshold": "deep"},
    "a reach that is no number": {"reach": None},
    "fewer components than the count": {"component": np.zeros(5, np.int64)},
    "more components than the count": {"component": np.zeros(7, np.int64)},
    "components of int32": {"component": np.zeros(6, np.int32)},
    "components that cannot be written": {"component": read_only()},
    "components with gaps": {"component": np.zeros(12, np.int64)[::2]},
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_argument_is_refused(bad: str) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError, BufferError)):
        native().partition(*arguments(**BAD[bad]))


@pytest.mark.parametrize("count", [0, 9, 11])
def test_another_number_of_arguments_is_refused(count: int) -> None:
    with pytest.raises(TypeError, match="10 arguments"):
        native().partition(*[*arguments(), None][:count])


NASTY = [np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, -0.0]


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.parametrize("name", ["centres", "spread", "weight", "recent"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_no_value_leads_out_of_bounds(
    name: str, value: float, everywhere: bool
) -> None:
    bad = arguments()
    places = {"centres": 0, "spread": 1, "weight": 2, "recent": 5}
    array = bad[places[name]].reshape(-1)
    array[slice(None) if everywhere else slice(2)] = value
    native().partition(*bad)
    assert set(bad[-1].tolist()) <= set(range(6))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["threshold", "reach"])
def test_no_threshold_and_no_reach_leads_out_of_bounds(name: str, value: float) -> None:
    good = arguments(**{name: value})
    native().partition(*good)
    assert set(good[-1].tolist()) <= set(range(6))
