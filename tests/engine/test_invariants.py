from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Engine, EngineParams, LearnResult

from .streams import (
    STEADY,
    Points,
    any_params,
    blobs,
    eventful,
    eventful_streams,
    gaussian,
    joined,
    learn_in_calls,
    seeds,
)

pytestmark = pytest.mark.unit

LENGTH = 420  # beyond the first full density step, in which the scale stands

streams = eventful_streams(LENGTH)
cuts = st.lists(st.integers(0, LENGTH), max_size=12)


def told(result: LearnResult) -> tuple[bytes, bytes, bytes, list[object]]:
    """Return all that a result tells, so that equal means bit-equal."""
    return (
        result.cluster_ids.tobytes(),
        result.is_outlier.tobytes(),
        result.outlier_scores.tobytes(),
        [*result.changes, *result.drift],
    )


@given(streams, any_params(), cuts)
@STEADY
def test_the_result_does_not_depend_on_the_calls(
    points: Points, params: EngineParams, cuts: list[int]
) -> None:
    at_once, in_calls = Engine(params), Engine(params)
    expected = told(at_once.learn(points))
    assert told(learn_in_calls(in_calls, points, cuts)) == expected
    assert in_calls.snapshot() == at_once.snapshot()


@given(streams, any_params())
@STEADY
def test_one_by_one_gives_the_result_of_all_at_once(
    points: Points, params: EngineParams
) -> None:
    at_once, one_by_one = Engine(params), Engine(params)
    expected = told(at_once.learn(points))
    assert told(learn_in_calls(one_by_one, points, [*range(1, LENGTH)])) == expected
    assert one_by_one.snapshot() == at_once.snapshot()


@given(streams, any_params(), st.integers(0, LENGTH))
@STEADY
def test_a_restored_engine_goes_on_as_if_never_stopped(
    points: Points, params: EngineParams, cut: int
) -> None:
    engine = Engine(params)
    engine.learn(points[:cut])
    restored = Engine.restore(engine.snapshot())
    assert told(restored.learn(points[cut:])) == told(engine.learn(points[cut:]))
    assert restored.snapshot() == engine.snapshot()


@given(streams, any_params(), st.integers(0, LENGTH))
@STEADY
def test_a_restored_engine_gives_the_snapshot_it_came_from(
    points: Points, params: EngineParams, cut: int
) -> None:
    engine = Engine(params)
    engine.learn(points[:cut])
    snapshot = engine.snapshot()
    assert Engine.restore(snapshot).snapshot() == snapshot


def test_a_long_stream_does_not_depend_on_restores_in_between() -> None:
    points = eventful(7, 1000, dimension=3, blob_count=5)
    steady = Engine()
    expected = told(steady.learn(points))
    results = []
    engine = Engine()
    for part in np.array_split(points, 6):
        results.append(engine.learn(part))
        engine = Engine.restore(engine.snapshot())
    assert told(joined(results)) == expected
    assert engine.snapshot() == steady.snapshot()


def test_a_restored_engine_describes_the_same_clusters() -> None:
    engine = Engine()
    engine.learn(eventful(8, LENGTH, dimension=3, blob_count=5))
    restored = Engine.restore(engine.snapshot())
    assert repr(restored.clusters()) == repr(engine.clusters())


@given(streams, st.integers(1, 6))
@STEADY
def test_a_new_maximum_holds_from_the_density_step_on(
    points: Points, most: int
) -> None:
    engine = Engine()
    engine.learn(points[:32])  # a density step ends here
    engine.configure(max_clusters=most)
    for part in np.array_split(points[32:], 90):
        engine.learn(part)
        assert engine.cluster_count <= most


PREFIXES = {
    "nothing": np.zeros((0, 3)),
    "one value": np.full((300, 3), 4.0),
    "two values": np.tile([[0.0] * 3, [1.0] * 3], (150, 1)),
    "one-hot": np.eye(3)[np.arange(300) % 3],
    "outliers only": 2.0 ** np.arange(-150, 150)[:, None] * [[1.0, -1.0, 1.0]],
    "noise": 1e6 * gaussian(0, 300, 3),
    "blob and noise in turns": gaussian(1, 300, 3)
    * np.where(np.arange(300) % 2, 1.0, 1e5)[:, None],
    "blob, then outliers only": np.vstack(
        [gaussian(2, 150, 3), 1e4 * gaussian(3, 150, 3)]
    ),
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_after_600_points_of_a_blob_its_points_are_no_outliers(
    prefix: Points,
) -> None:
    engine = Engine()
    engine.learn(prefix)
    result = engine.learn(-1e3 + 0.01 * gaussian(4, 600, 3))
    assert not result.is_outlier[-1]


@given(streams, seeds, st.sampled_from([0.01, 1.0, 10.0]))
@STEADY
def test_whatever_was_before_a_blob_becomes_usual(
    points: Points, seed: int, width: float
) -> None:
    engine = Engine()
    engine.learn(points)
    blob = points[-1] + width * gaussian(seed, 600, points.shape[1])
    assert not engine.learn(blob).is_outlier[-1]


Sizes = dict[int, tuple[int, int]]

FIFTY = np.random.default_rng(0).normal(0, 10, (50, 10))


@pytest.fixture(scope="module")
def sizes_after() -> Sizes:
    """Bytes of state and snapshot after so many points of 50 blobs."""
    points, _ = blobs(1, 6000, FIFTY)
    engine, found = Engine(), {}
    for end in range(1000, 7000, 1000):
        engine.learn(points[end - 1000 : end])
        found[end] = engine.state_bytes, len(engine.snapshot())
    return found


def test_the_state_of_fifty_blobs_fits_into_256_kb(sizes_after: Sizes) -> None:
    assert sizes_after[5000][0] <= 256 * 1024


def test_the_state_does_not_grow_with_the_points(sizes_after: Sizes) -> None:
    assert sizes_after[6000][0] <= 1.2 * sizes_after[3000][0]


def test_a_snapshot_does_not_grow_with_the_points(sizes_after: Sizes) -> None:
    assert sizes_after[6000][1] <= 1.2 * sizes_after[3000][1]
