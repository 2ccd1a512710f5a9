from __future__ import annotations

import numpy as np
import pytest

from ncs_engine.microclusters import MicroClusters

pytestmark = pytest.mark.unit

# A stray is a micro-cluster that belongs to no cluster.


def at_0_1_2(labels: list[int], seen: list[int] | None = None) -> MicroClusters:
    """Return a full set in which the entries at 0, 1, 2 .. have weight 2, 1, 3 .."""
    micro = MicroClusters(1, len(labels))
    for place, label in enumerate(labels):
        micro.found(np.array([float(place)]), label)
    micro.weight[:3] = 2.0, 1.0, 3.0
    micro.seen[:] = seen or 0
    return micro


def left_without_the_lightest(micro: MicroClusters) -> list[float]:
    micro.drop_lightest_stray()
    places: list[float] = micro.centres[0, : micro.count].tolist()
    return places


def test_a_stray_gives_way_though_others_are_lighter() -> None:
    assert left_without_the_lightest(at_0_1_2([0, 0, -1])) == [0.0, 1.0]


def test_of_several_strays_the_lightest_gives_way() -> None:
    assert left_without_the_lightest(at_0_1_2([-1, 0, -1])) == [1.0, 2.0]


def test_without_strays_none_gives_way() -> None:
    assert left_without_the_lightest(at_0_1_2([0, 0, 1])) == [0.0, 1.0, 2.0]


def left_after_dropping(micro: MicroClusters, unseen_since: int) -> list[float]:
    micro.drop_strays(unseen_since)
    places: list[float] = micro.centres[0, : micro.count].tolist()
    return places


def test_strays_that_took_no_point_since_are_dropped() -> None:
    micro = at_0_1_2([-1, 5, -1, -1, 5], seen=[40, 10, 20, 30, 0])
    assert left_after_dropping(micro, 30) == [0.0, 1.0, 4.0]


def test_what_has_a_label_is_not_dropped() -> None:
    assert left_after_dropping(at_0_1_2([5, -1, 6, -1]), 1) == [0.0, 2.0]


def test_young_strays_are_not_dropped() -> None:
    micro = at_0_1_2([5, -1, -1], seen=[0, 8, 9])
    assert left_after_dropping(micro, 7) == [0.0, 1.0, 2.0]


def test_entries_not_in_use_are_no_strays() -> None:
    micro = MicroClusters(1, 8)
    micro.found(np.array([3.0]), 5)
    assert left_after_dropping(micro, 0) == [3.0]
