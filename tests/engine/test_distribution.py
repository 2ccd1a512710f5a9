from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from ncs_engine import Drift, Engine, EngineParams

from .streams import FAR_APART, Points, blobs, gaussian

pytestmark = pytest.mark.unit

CHANGE = 4000
HORIZON = 1000
SPREAD = np.ones((5, 3))


def changed(
    seed: int,
    centres: Points = FAR_APART,
    spread: Points = SPREAD,
    share: list[float] | None = None,
) -> list[Drift]:
    """Return what is told of five unit blobs that become these after 4,000 points."""
    rng = np.random.default_rng(seed)
    before, _ = blobs(seed, CHANGE)
    truth = rng.choice(5, 2000, p=share)
    after = centres[truth] + spread[truth] * rng.normal(size=(2000, 3))
    return list(Engine().learn(np.concatenate([before, after])).drift)


def is_found(drift: list[Drift]) -> bool:
    """Whether the first one is told soon after the change, and none before it."""
    return bool(drift) and CHANGE < drift[0].at <= CHANGE + HORIZON


@pytest.mark.parametrize("seed", range(3))
def test_a_cluster_that_widens_is_found(seed: int) -> None:
    spread = SPREAD.copy()
    spread[0] = 2.5
    assert is_found(changed(seed, spread=spread))


@pytest.mark.parametrize("seed", range(3))
def test_a_cluster_that_moves_by_two_deviations_is_found(seed: int) -> None:
    centres = FAR_APART.copy()
    centres[0, 0] += 2.0
    assert is_found(changed(seed, centres))


@pytest.mark.parametrize("seed", range(3))
def test_a_share_that_falls_from_20_to_5_percent_is_found(seed: int) -> None:
    share = [0.05, 0.2375, 0.2375, 0.2375, 0.2375]
    assert is_found(changed(seed, share=share))


def thin_blobs(seed: int, n: int, order: list[int]) -> Points:
    """Return points of eight thin blobs on a grid, of which each has its own tilt."""
    rng = np.random.default_rng(seed)
    place = rng.integers(8, size=n)
    angle = np.pi / 8 * np.array(order)[place]
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.normal(size=(n, 1))
    centres = 12.0 * np.stack([place % 4, place // 4], axis=1)
    return centres + along + 0.1 * rng.normal(size=(n, 2))


@functools.cache
def traded_places() -> list[Drift]:
    """Return what is told when four of the eight trade places."""
    before = thin_blobs(1, CHANGE, [0, 1, 2, 3, 4, 5, 6, 7])
    after = thin_blobs(2, 2000, [4, 5, 2, 3, 0, 1, 6, 7])
    return list(Engine().learn(np.concatenate([before, after])).drift)


def test_clusters_that_trade_places_are_found() -> None:
    drift = traded_places()
    assert (is_found(drift), drift[0].detector) == (True, "distribution")


def test_clusters_that_trade_places_are_the_ones_that_are_told() -> None:
    engine = Engine()
    engine.learn(thin_blobs(1, CHANGE, [0, 1, 2, 3, 4, 5, 6, 7]))
    centres = 12.0 * np.stack([np.arange(8) % 4, np.arange(8) // 4], axis=1)
    ids = engine.predict(centres).cluster_ids.tolist()
    affected = set(traded_places()[0].affected_clusters)
    assert affected & {ids[i] for i in (0, 1, 4, 5)}
    assert not affected & {ids[i] for i in (2, 3, 6, 7)}


def slow(seed: int, n: int, dimension: int) -> Points:
    """Return a series whose neighbours correlate by 0.98."""
    points = gaussian(seed, n, dimension)
    for before, now in itertools.pairwise(points):
        now *= 0.2
        now += 0.98 * before
    return points


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(gaussian(0, 12_000, 1), id="one feature"),
        pytest.param(gaussian(1, 12_000, 30), id="thirty features"),
        pytest.param(np.exp(gaussian(2, 12_000, 3)), id="skewed"),
        pytest.param(np.round(gaussian(3, 12_000, 2)), id="rounded"),
        pytest.param(blobs(4, 12_000)[0], id="blobs"),
        pytest.param(slow(5, 12_000, 2), id="slow"),
        pytest.param(slow(6, 12_000, 10), id="slow, ten features"),
    ],
)
def test_where_nothing_changes_nothing_is_found(points: Points) -> None:
    assert Engine().learn(points).drift == []


def test_of_unit_vectors_a_change_of_length_is_none() -> None:
    points = gaussian(7, 8000, 4) + 3.0
    points[4000:] *= 5.0
    assert Engine(EngineParams(metric="cosine")).learn(points).drift == []


def test_unit_vectors_that_turn_are_found() -> None:
    points = gaussian(8, 8000, 4) + 6.0
    points[4000:, 0] += 2.0
    drift = Engine(EngineParams(metric="cosine")).learn(points).drift
    assert is_found(drift)


def eventful() -> Points:
    return np.concatenate([blobs(9, 3000)[0], 0.5 * blobs(10, 3000)[0]])


@pytest.mark.parametrize("at", [100, 300, 1000, 2500, 3500, 3700, 5000])
def test_a_restored_engine_goes_on_as_if_never_stopped(at: int) -> None:
    points, engine = eventful(), Engine()
    engine.learn(points[:at])
    other = Engine.restore(engine.snapshot())
    one, same = engine.learn(points[at:]), other.learn(points[at:])
    assert one.drift == same.drift
    assert engine.snapshot() == other.snapshot()


def test_how_points_are_grouped_into_calls_does_not_matter() -> None:
    points, one, other = eventful(), Engine(), Engine()
    told = one.learn(points).drift
    parts = [other.learn(part).drift for part in np.array_split(points, 77)]
    assert told == [drift for part in parts for drift in part]
    assert one.snapshot() == other.snapshot()


def test_where_drift_is_not_wanted_it_may_be_wanted_later() -> None:
    points = eventful()
    engine = Engine(EngineParams(enable_drift_detection=False))
    engine.learn(points[:2000])
    engine.configure(enable_drift_detection=True)
    assert engine.learn(points[2000:3000]).drift == []
