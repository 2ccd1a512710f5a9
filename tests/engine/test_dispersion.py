from __future__ import annotations

import math

import numpy as np
import pytest

from ncs_engine.dispersion import Dispersion

pytestmark = pytest.mark.unit

FREEDOM = 100.0


def after(near: float, far: float, blocks: int = 64) -> Dispersion:
    """Return what blocks leave that differ by so much on average."""
    rng = np.random.default_rng(0)
    dispersion = Dispersion(np.zeros(5))
    for _ in range(blocks):
        first, second = rng.chisquare(FREEDOM, 2) / FREEDOM
        dispersion.learn(FREEDOM, near * first, far * second)
    return dispersion


def test_of_independent_points_nothing_is_corrected() -> None:
    assert after(1.0, 1.0).correct(FREEDOM, 90.0) == (1.0, 90.0)


def test_where_blocks_differ_more_chi_square_is_worth_less() -> None:
    factor, freedom = after(3.0, 3.0).correct(FREEDOM, FREEDOM)
    assert (3.0 <= factor < 4.0, freedom < FREEDOM) == (True, True)


def test_where_far_blocks_differ_more_than_near_ones_it_is_worth_still_less() -> None:
    near_only, _ = after(3.0, 3.0).correct(FREEDOM, FREEDOM)
    factor, _ = after(3.0, 4.5).correct(FREEDOM, FREEDOM)
    assert factor > 3.0 * near_only


def test_before_some_blocks_are_known_it_is_worth_nothing() -> None:
    assert after(1.0, 1.0, 3).correct(FREEDOM, FREEDOM)[0] == math.inf


def test_a_pair_across_a_change_hardly_counts() -> None:
    dispersion = after(1.0, 1.0)
    dispersion.learn(FREEDOM, 50.0, 50.0)
    assert dispersion.correct(FREEDOM, FREEDOM)[0] < 1.3
