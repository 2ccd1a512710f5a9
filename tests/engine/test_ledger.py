from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Engine
from ncs_engine.clusters import ClusterBook
from ncs_engine.ledger import Ledger

from .kernels import both, running_on
from .streams import MANY, blobs

pytestmark = pytest.mark.unit

id_lists = st.lists(st.integers(-1, 9), min_size=1, max_size=60)


def counted(ids: list[int]) -> Ledger:
    ledger = Ledger()
    for at, cluster in enumerate(ids, 1):
        ledger.count(cluster, at)
    return ledger


@given(id_lists)
@MANY
def test_every_point_is_told_once(ids: list[int]) -> None:
    ledger = counted(ids)
    collected = {cluster: (points, last) for cluster, points, last in ledger.collect()}
    last = {cluster: at for at, cluster in enumerate(ids, 1)}
    assert collected == {c: (ids.count(c), last[c]) for c in last}
    assert ledger.collect() == []


@given(id_lists)
@MANY
def test_a_visit_is_a_run_of_points(ids: list[int]) -> None:
    before = [-1, *ids[:-1]]
    begun = [now for last, now in zip(before, ids, strict=True) if now != last]
    ledger = counted(ids)
    assert dict(ledger.told(ledger.visits)) == {c: begun.count(c) for c in set(begun)}


@given(id_lists, st.integers(0, 60))
@MANY
def test_those_that_took_points_since_are_named_in_order(
    ids: list[int], at: int
) -> None:
    assert counted(ids).taken_since(at) == sorted(set(ids[at:]) - {-1})


@given(id_lists, st.lists(st.integers(0, 99), max_size=9))
@MANY
def test_columns_come_and_go_and_what_was_counted_stays(
    ids: list[int], others: list[int]
) -> None:
    ledger = counted(ids)
    points = ledger.told(ledger.points)
    ledger.hold(others)
    assert ledger.told(ledger.points) == points
    assert ledger.ids.tolist() == sorted({-1, *ids, *others})


def test_a_column_in_which_all_is_0_goes_when_another_comes() -> None:
    ledger = Ledger()
    ledger.hold([3, 5])
    ledger.slow[1] = 0.5
    ledger.hold([8])
    assert ledger.ids.tolist() == [-1, 3, 8]


def test_the_book_tells_what_was_counted_up_to_now() -> None:
    book = ClusterBook()
    cluster = book.create(0)
    for at, taken in enumerate([cluster, -1, -1, cluster], 1):
        book.ledger.count(taken, at)
    (entry,) = book.state()["entries"]
    assert (book.outliers, entry[1], entry[3]) == (2, 2, 4)


@pytest.mark.parametrize("size", [1, 7, 300])
def test_both_kernels_count_every_verdict_for_the_book(size: int) -> None:
    points, _ = blobs(3, 900)
    points[400::50] += 300.0
    told = []
    for kernel in both():
        with running_on(kernel):
            engine, ids = Engine(), []
            for i in range(0, len(points), size):
                ids += engine.learn(points[i : i + size]).cluster_ids.tolist()
            statistics = engine.statistics()
            last = {c: at for at, c in enumerate(ids, 1)}
            seen = {c.cluster_id: c.last_seen for c in engine.clusters()}
            told.append(seen)
        assert statistics["outliers"] == ids.count(-1) > 0
        assert all(seen[c] == last[c] for c in seen if c in last)
    assert told[0] == told[1]


@pytest.mark.parametrize("size", [2, 5, 64])
def test_updated_are_those_that_took_points_of_the_call(size: int) -> None:
    points, _ = blobs(5, 3000)
    engine = Engine()
    engine.learn(points[:2000])
    revision = engine._model.revision if engine._model else 0
    for i in range(2000, 2300, size):
        result = engine.learn(points[i : i + size])
        if engine._model and engine._model.revision == revision:
            taken = np.unique(result.cluster_ids)
            assert result.updated == taken[taken >= 0].tolist()
