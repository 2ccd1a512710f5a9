"""Memory is as long as the data stand still: what moves, and what only seems to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Engine
from ncs_engine.microclusters import MicroClusters
from ncs_engine.motion import Motion

from .streams import MANY, Labels, Points, gaussian, seeds
from .test_quality import adjusted_rand_index

pytestmark = pytest.mark.unit

RING = 256


def remembered(seed: int, centres: Points, each: int = 40) -> MicroClusters:
    """Return micro-clusters of unit blobs about the centres, labelled 0, 1, ..."""
    micro = MicroClusters(centres.shape[1], len(centres) * each)
    for label, centre in enumerate(centres):
        for z in centre + gaussian(seed + label, each, centres.shape[1]):
            micro.weight[micro.found(z, label)] = 100.0
    return micro


def slow_noise(seed: int, n: int, dimension: int, r: float) -> Points:
    """Return unit noise that is correlated by r from point to point."""
    noise = gaussian(seed, n, dimension)
    for i in range(1, n):
        noise[i] = r * noise[i - 1] + np.sqrt(1.0 - r * r) * noise[i]
    return noise


def convoy(seed: int, n: int, per_point: float) -> tuple[Points, Labels]:
    """Return two blobs, 4.5 apart, that move one behind the other."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    along = 4.5 * truth + per_point * np.arange(n)
    return along[:, None] / np.sqrt(2.0) + rng.normal(size=(n, 2)), truth


def test_what_has_moved_by_a_standard_deviation_is_named() -> None:
    far = np.array([[0.0, 0.0], [20.0, 0.0]])
    cluster = np.arange(RING) % 2
    points = far[cluster] + gaussian(1, RING, 2)
    points[cluster == 1] += 1.0
    assert Motion().moved(points, cluster, remembered(0, far)) == [1]


@given(seeds, st.sampled_from([1, 2, 5, 20]), st.integers(1, 4))
@MANY
def test_what_stands_still_is_not_named(seed: int, dimension: int, count: int) -> None:
    centres = 20.0 * np.eye(4, dimension)[:count]
    cluster = np.arange(RING) % count
    points = centres[cluster] + gaussian(seed, RING, dimension)
    motion = Motion()
    micro = remembered(seed + 7, centres, each=400)
    assert motion.moved(points, cluster, micro) == []
    assert not motion.going_on


@given(seeds)
@MANY
def test_slow_noise_is_no_motion(seed: int) -> None:
    here = np.zeros((1, 3))
    points = slow_noise(seed, RING, 3, 0.98)
    cluster = np.zeros(RING, dtype=np.int64)
    assert Motion().moved(points, cluster, remembered(seed, here, each=400)) == []


def test_going_on_takes_less_than_beginning() -> None:
    here = np.zeros((1, 2))
    cluster = np.zeros(RING, dtype=np.int64)
    points = gaussian(3, RING, 2)
    points += 0.17 - points.mean(axis=0)
    micro = remembered(0, here, each=400)
    motion = Motion()
    assert motion.moved(points, cluster, micro) == []
    motion.going_on = True
    assert motion.moved(points, cluster, micro) == [0]
    assert motion.going_on


def test_a_cluster_of_few_recent_points_is_not_judged() -> None:
    here = np.zeros((1, 2))
    cluster = np.full(RING, -1)
    cluster[:31] = 0
    points = gaussian(1, RING, 2) + 5.0
    assert Motion().moved(points, cluster, remembered(0, here)) == []
    cluster[:32] = 0
    assert Motion().moved(points, cluster, remembered(0, here)) == [0]


@pytest.mark.parametrize("scale", [0.0, 1e-200, 1e200])
def test_extreme_places_neither_move_nor_fail(scale: float) -> None:
    micro = MicroClusters(2, 4)
    micro.found(np.full(2, scale), 0)
    points, cluster = np.full((RING, 2), scale), np.zeros(RING, dtype=np.int64)
    assert Motion().moved(points, cluster, micro) == []


@pytest.mark.parametrize("seed", range(3))
def test_two_that_follow_each_other_stay_two_and_keep_their_ids(seed: int) -> None:
    points, truth = convoy(seed, 4000, 1 / 1000)
    engine = Engine()
    ids = engine.learn(points).cluster_ids
    assert engine.cluster_count == 2
    late = slice(1000, None)
    assert adjusted_rand_index(ids[late], truth[late]) > 0.85


def test_a_trail_is_forgotten() -> None:
    points, _ = convoy(0, 4000, 1 / 300)
    engine = Engine()
    engine.learn(points)
    assert engine.predict(points[:200]).is_outlier.mean() > 0.9
    assert engine.predict(points[-200:]).is_outlier.mean() < 0.05


def test_a_silent_cluster_stays_while_another_moves() -> None:
    rng = np.random.default_rng(0)
    still, n = np.array([0.0, 30.0]), 3000
    truth = rng.integers(2, size=n)
    truth[1000:] = 1
    points = np.where(truth[:, None] == 0, still, 0.0) + rng.normal(size=(n, 2))
    points[truth == 1, 0] += np.arange(n)[truth == 1] / 300.0
    engine = Engine()
    ids = engine.learn(points).cluster_ids
    home = ids[np.flatnonzero(truth == 0)[-1]]
    assert set(engine.predict(still + rng.normal(size=(50, 2))).cluster_ids) == {home}


def test_motion_goes_on_after_a_restore() -> None:
    points, _ = convoy(1, 3000, 1 / 300)
    whole, first = Engine(), Engine()
    first.learn(points[:1500])
    second = Engine.restore(first.snapshot())
    result = second.learn(points[1500:])
    expected = whole.learn(points)
    assert (result.cluster_ids == expected.cluster_ids[1500:]).all()
    assert second.snapshot() == whole.snapshot()
