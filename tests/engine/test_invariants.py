from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Change, Engine, EngineParams, LearnResult

from .streams import (
    STEADY,
    Ledger,
    Points,
    any_params,
    eventful_streams,
    gaussian,
    learn_in_calls,
    seeds,
)

pytestmark = pytest.mark.unit

LENGTH = 450  # beyond the first full density step, in which the scale stands

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


@given(streams, any_params())
@STEADY
def test_a_restored_engine_describes_the_same_clusters(
    points: Points, params: EngineParams
) -> None:
    engine = Engine(params)
    engine.learn(points)
    restored = Engine.restore(engine.snapshot())
    assert repr(restored.clusters()) == repr(engine.clusters())


def changes_with_resets(points: Points, params: EngineParams) -> list[Change]:
    """Return all changes of a stream with a reset after every third of it."""
    engine = Engine(params)
    changes: list[Change] = []
    for part in np.array_split(points, 3):
        changes += engine.learn(part).changes
        changes += engine.reset()
    return changes


@given(streams, any_params())
@STEADY
def test_no_id_is_ever_given_twice(points: Points, params: EngineParams) -> None:
    ledger = Ledger()
    ledger.apply(changes_with_resets(points, params))
    assert len(ledger.given) == len(set(ledger.given))


@given(streams, any_params())
@STEADY
def test_new_ids_are_greater_than_all_given_earlier(
    points: Points, params: EngineParams
) -> None:
    new = [
        change
        for change in changes_with_resets(points, params)
        if change.kind in ("created", "split")
    ]
    highest = -1
    # Those of one density step come by kind, and among themselves in no other order.
    for _, at_once in itertools.groupby(new, key=lambda change: change.at):
        ids = [change.cluster_id for change in at_once]
        assert min(ids) > highest
        highest = max(ids)


@given(streams, any_params())
@STEADY
def test_ids_are_given_without_a_gap(points: Points, params: EngineParams) -> None:
    ledger = Ledger()
    ledger.apply(changes_with_resets(points, params))
    assert sorted(ledger.given) == list(range(len(ledger.given)))


@given(streams, any_params())
@STEADY
def test_a_reset_leaves_no_cluster(points: Points, params: EngineParams) -> None:
    ledger = Ledger()
    ledger.apply(changes_with_resets(points, params))
    assert ledger.alive == set()


@given(streams, any_params())
@STEADY
def test_a_point_falls_into_a_cluster_that_is_there(
    points: Points, params: EngineParams
) -> None:
    engine, ledger = Engine(params), Ledger()
    for point in points:
        result = engine.learn([point])
        before = set(ledger.alive)
        ledger.apply(result.changes)
        founded = {change.cluster_id for change in result.created}
        assert result.cluster_ids[0] in before | founded | {-1}


@given(streams, any_params())
@STEADY
def test_the_changes_tell_which_clusters_there_are(
    points: Points, params: EngineParams
) -> None:
    engine, ledger = Engine(params), Ledger()
    for part in np.array_split(points, 30):
        ledger.apply(engine.learn(part).changes)
        assert ledger.alive == {cluster.cluster_id for cluster in engine.clusters()}


@given(streams, any_params())
@STEADY
def test_the_other_cluster_of_a_change_is_there(
    points: Points, params: EngineParams
) -> None:
    ledger = Ledger()
    for change in Engine(params).learn(points).changes:
        ledger.apply([change])
        assert (change.other is not None) == (change.kind in ("merged", "split"))
        assert change.other is None or change.other in ledger.alive


@given(streams, any_params())
@STEADY
def test_changes_come_in_the_order_of_their_points(
    points: Points, params: EngineParams
) -> None:
    at = [change.at for change in Engine(params).learn(points).changes]
    assert at == sorted(at)


@given(streams, any_params())
@STEADY
def test_outliers_are_exactly_those_without_a_cluster(
    points: Points, params: EngineParams
) -> None:
    result = Engine(params).learn(points)
    assert result.is_outlier.tolist() == (result.cluster_ids == -1).tolist()


@given(streams, any_params())
@STEADY
def test_scores_are_numbers_from_0_to_1(points: Points, params: EngineParams) -> None:
    scores = Engine(params).learn(points).outlier_scores
    assert ((scores >= 0.0) & (scores <= 1.0)).all()


@given(streams, any_params())
@STEADY
def test_outliers_are_those_whose_score_reaches_the_threshold(
    points: Points, params: EngineParams
) -> None:
    result = Engine(params).learn(points)
    reaching = result.outlier_scores >= np.float32(params.outlier_threshold)
    assert reaching.tolist() == result.is_outlier.tolist()


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


@pytest.mark.parametrize("place", [0.0, -1e3, 1e7])
@pytest.mark.parametrize("width", [1e-2, 1.0])
@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_after_600_points_of_a_blob_its_points_are_no_outliers(
    prefix: Points, place: float, width: float
) -> None:
    engine = Engine()
    engine.learn(prefix)
    result = engine.learn(place + width * gaussian(4, 600, 3))
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
