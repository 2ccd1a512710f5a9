from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Engine
from ncs_engine.novelty import Novelty

from .streams import MANY, blobs

pytestmark = pytest.mark.unit

verdicts = st.lists(st.booleans(), max_size=200)


def after(agreeing: list[bool]) -> Novelty:
    novelty = Novelty()
    for agrees in agreeing:
        novelty.add(agrees)
    return novelty


def test_four_agreeing_points_in_a_row_are_found() -> None:
    assert [after([True] * n).is_found(0.5) for n in (3, 4)] == [False, True]


def test_an_agreeing_point_adds_the_log_likelihood_ratio() -> None:
    assert after([True]).evidence == pytest.approx(math.log(0.1 / 0.004))


def test_any_other_point_takes_off_the_log_likelihood_ratio() -> None:
    lost = after([True]).evidence - after([True, False]).evidence
    assert lost == pytest.approx(math.log(0.996 / 0.9))


def test_one_in_six_points_is_found() -> None:
    assert after([i % 6 == 0 for i in range(40)]).is_found(0.5)


def test_one_in_a_hundred_points_is_not_found() -> None:
    assert not after([i % 100 == 0 for i in range(5000)]).is_found(1.0)


def test_the_share_is_of_the_run_and_four_points_more() -> None:
    assert after([False] * 50 + [True] * 12).share(0.5) == 12 / 16


def test_what_is_not_found_has_no_share() -> None:
    assert after([True, True]).share(0.5) == 0.0


def test_what_a_stream_is_used_to_is_less_of_a_novelty() -> None:
    used = after([i % 20 == 0 for i in range(20_000)])
    used.refresh()
    assert used.gain < 0.5 * Novelty().gain


@given(verdicts)
@MANY
def test_evidence_is_never_negative(agreeing: list[bool]) -> None:
    assert after(agreeing).evidence >= 0.0


@given(verdicts, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@MANY
def test_what_is_found_is_found_at_a_higher_sensitivity(
    agreeing: list[bool], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert after(agreeing).is_found(high) >= after(agreeing).is_found(low)


def with_a_sixth(after_points: int, share: float) -> list[tuple[int, str]]:
    """Return which drifts are told of five blobs that become six."""
    points, _ = blobs(2, after_points + 300)
    rng = np.random.default_rng(3)
    new = (np.arange(len(points)) >= after_points) & (rng.random(len(points)) < share)
    points[new] = -30.0 + rng.normal(size=(int(new.sum()), 3))
    drifts = Engine().learn(points).drift
    return [(drift.at, drift.detector) for drift in drifts]


def test_a_new_blob_that_takes_all_points_is_told_within_20_points() -> None:
    (at, detector), *_ = with_a_sixth(3000, 1.0)
    assert (3000 < at <= 3020, detector) == (True, "novelty")


def test_a_new_blob_that_takes_few_points_is_told_within_150_points() -> None:
    (at, detector), *_ = with_a_sixth(3000, 0.1)
    assert (3000 < at <= 3150, detector) == (True, "novelty")


def test_lone_outliers_are_no_novelty() -> None:
    points, _ = blobs(4, 6000)
    rng = np.random.default_rng(5)
    strange = rng.random(6000) < 0.05
    points[strange] = rng.uniform(-60, 80, (int(strange.sum()), 3))
    assert Engine().learn(points).drift == []


@pytest.mark.parametrize(
    ("strange", "share", "found"),
    [(8, 0.0, True), (8, 0.05, True), (8, 0.2, False), (2, 0.0, False)],
)
def test_a_burst_is_told_where_so_many_strange_points_are_no_chance(
    strange: int, share: float, found: bool
) -> None:
    assert (Novelty.burst(strange, 16, share, 0.5) > 0.0) == found


@pytest.mark.parametrize("seed", range(5))
def test_blobs_that_are_all_replaced_at_once_are_told_within_20_points(
    seed: int,
) -> None:
    centres = 30.0 * np.random.default_rng(seed).permutation(
        [[x, y] for x in range(4) for y in range(3)]
    )
    before, _ = blobs(seed, 3000, centres[:6])
    after, _ = blobs(seed + 1, 200, centres[6:])
    drift = Engine().learn(np.concatenate([before, after])).drift
    assert 3000 < drift[0].at <= 3020
