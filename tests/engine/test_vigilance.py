from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine.vigilance import Vigilance

from .oracle import squared_distance
from .streams import MANY, Points, gaussian, seeds

pytestmark = pytest.mark.unit


def measured(points: Points) -> float:
    vigilance = Vigilance(0.71)
    vigilance.measure(points, blend=False)
    return vigilance.radius


def median_distance_to(k: int, points: Points) -> float:
    """Return the median distance to the k-th nearest other point, by plain loops."""
    rows = points.tolist()
    found = []
    for row in rows:
        found.append(sorted(squared_distance(row, other) for other in rows)[k])
    return math.sqrt(float(np.median(found)))


@given(seeds)
@MANY
def test_the_radius_of_few_points_is_the_median_to_the_nearest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(int(rng.integers(2, 60)), int(rng.integers(2, 5))))
    assert measured(points) == pytest.approx(median_distance_to(1, points), rel=1e-12)


def test_the_radius_of_a_full_ring_is_about_the_median_to_the_sixth_nearest() -> None:
    points = gaussian(0, 256, 2)  # a fourth of them is ranked
    assert measured(points) == pytest.approx(median_distance_to(6, points), rel=0.2)


def test_on_a_line_the_radius_reaches_for_more_neighbours() -> None:
    points = gaussian(0, 256, 1)
    assert measured(points) > 2 * median_distance_to(6, points)


@given(seeds, st.sampled_from([2.0**-10, 2.0**10]))
@MANY
def test_the_radius_follows_the_unit_of_the_data(seed: int, unit: float) -> None:
    points = gaussian(seed, 20, 3)
    assert measured(points * unit) == measured(points) * unit


SAME_PLACE = 1e-6


def test_equal_points_have_the_least_radius() -> None:
    assert measured(np.ones((40, 2))) == SAME_PLACE


def test_points_that_only_rounding_moves_apart_have_the_least_radius() -> None:
    assert measured(1.0 + 1e-9 * gaussian(1, 40, 2)) == SAME_PLACE


def twins(spacing: float) -> Points:
    """Return five points at each of 25 places in a square grid."""
    line = spacing * np.arange(5)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return np.repeat(grid, 5, axis=0)


@pytest.mark.parametrize("spacing", [0.001, 0.5, 1.25])
def test_of_twins_the_radius_is_the_distance_of_neighbouring_places(
    spacing: float,
) -> None:
    assert measured(twins(spacing)) == pytest.approx(spacing, rel=1e-12)


def test_twins_in_places_far_apart_have_the_least_radius() -> None:
    assert measured(twins(1.26)) == SAME_PLACE


def test_rounding_moves_no_twins_apart() -> None:
    points = twins(0.5)
    points += 1e-9 * gaussian(2, len(points), 2)
    assert measured(points) == pytest.approx(0.5, abs=1e-7)


def test_a_few_places_without_neighbours_do_not_matter() -> None:
    points = np.vstack([twins(0.5), [[500.0, 0.0]] * 5])
    assert measured(points) == pytest.approx(0.5, rel=1e-12)


def test_where_less_than_half_of_the_points_have_twins_they_do_not_matter() -> None:
    points = gaussian(3, 40, 2)
    points[:10] = points[10:20]
    expected = median_distance_to(1, points)
    assert measured(points) == pytest.approx(expected, rel=1e-12)
    assert expected > 1e-3


def test_a_blended_radius_moves_a_quarter_of_the_way() -> None:
    vigilance = Vigilance(0.71)
    vigilance.measure(np.array([[0.0], [8.0]]), blend=False)
    vigilance.measure(np.array([[0.0], [4.0]]), blend=True)
    assert vigilance.radius == 7.0


def test_an_unblended_radius_is_taken_as_measured() -> None:
    vigilance = Vigilance(0.71)
    vigilance.measure(np.array([[0.0], [8.0]]), blend=False)
    vigilance.measure(np.array([[0.0], [4.0]]), blend=False)
    assert vigilance.radius == 4.0


def test_the_first_radius_is_taken_as_measured_though_it_should_blend() -> None:
    vigilance = Vigilance(0.71)
    vigilance.measure(np.array([[0.0], [4.0]]), blend=True)
    assert vigilance.radius == 4.0


def test_after_equal_points_the_radius_moves_a_quarter_of_the_way() -> None:
    vigilance = Vigilance(0.71)
    vigilance.measure(np.ones((4, 1)), blend=False)
    vigilance.measure(np.array([[0.0], [4.0]]), blend=True)
    assert vigilance.radius == pytest.approx(1.0, abs=SAME_PLACE)


FINEST = 1e-6  # standardised units: what rounding may move apart


def test_at_first_the_grain_is_as_fine_as_can_be() -> None:
    assert Vigilance(0.71).grain == FINEST


def test_the_grain_does_not_follow_the_radius() -> None:
    vigilance = Vigilance(0.71)
    vigilance.measure(np.array([[0.0], [2.0]]), blend=False)
    assert vigilance.grain == FINEST


def test_widening_lets_points_join_within_that_distance() -> None:
    vigilance = Vigilance(0.71)
    vigilance.widen(0.4)
    assert vigilance.grain == 0.4


def test_widening_never_makes_the_grain_finer() -> None:
    vigilance = Vigilance(0.71)
    vigilance.widen(0.4)
    vigilance.widen(0.1)
    assert vigilance.grain >= 0.4


def test_narrowing_takes_the_grain_back_by_a_twentieth() -> None:
    vigilance = Vigilance(0.71)
    vigilance.widen(0.4)
    vigilance.narrow()
    assert vigilance.grain == pytest.approx(0.38, rel=1e-15)


def test_what_was_narrowed_can_be_widened_again() -> None:
    vigilance = Vigilance(0.71)
    vigilance.widen(0.4)
    vigilance.narrow()
    vigilance.widen(0.5)
    assert vigilance.grain == 0.5


def test_every_widening_makes_some_room() -> None:
    vigilance = Vigilance(0.71)
    vigilance.widen(0.4)
    vigilance.widen(0.4)
    assert vigilance.grain > 0.4


def test_the_finest_grain_stays_so() -> None:
    vigilance = Vigilance(0.71)
    vigilance.narrow()
    assert vigilance.grain == FINEST


def test_a_higher_threshold_tells_crowds_apart_over_shallower_valleys() -> None:
    valleys = [Vigilance(threshold).valley for threshold in (0.05, 0.3, 0.71, 0.99)]
    assert valleys == sorted(valleys)
    assert len(set(valleys)) == 4


@given(st.floats(0.05, 0.99))
@MANY
def test_the_valley_is_a_share_of_the_lower_peak(threshold: float) -> None:
    assert threshold < Vigilance(threshold).valley < 1.0


def test_the_valley_follows_the_threshold_in_force() -> None:
    vigilance = Vigilance(0.71)
    vigilance.threshold = 0.64
    assert vigilance.valley == pytest.approx(0.8, rel=1e-15)


def adapted(base: float, gap: float, count: int = 100) -> float:
    """Return the threshold where all gaps are `gap` radii."""
    vigilance = Vigilance(base)
    vigilance.measure(np.array([[0.0], [1.0]]), blend=False)
    vigilance.adapt(base, np.full(count, gap))
    return vigilance.threshold


def test_close_points_make_the_threshold_stricter() -> None:
    assert adapted(0.71, 0.1) > 0.71


def test_distant_points_make_the_threshold_laxer() -> None:
    assert adapted(0.71, 0.9) < 0.71


@given(st.floats(0.05, 0.99), st.floats(0.0, 100.0))
@MANY
def test_the_threshold_swings_by_at_most_a_twentieth(base: float, gap: float) -> None:
    assert abs(adapted(base, gap) - base) <= 0.05 + 1e-12


@given(st.floats(0.05, 0.99), st.floats(0.0, 100.0))
@MANY
def test_the_threshold_never_leaves_its_range(base: float, gap: float) -> None:
    assert 0.05 <= adapted(base, gap) <= 0.99


def test_few_gaps_do_not_move_the_threshold() -> None:
    assert adapted(0.71, 0.1, count=29) == 0.71


def test_the_last_quarter_of_the_gaps_does_not_move_the_threshold() -> None:
    vigilance = Vigilance(0.71)
    vigilance.measure(np.array([[0.0], [1.0]]), blend=False)
    vigilance.adapt(0.71, np.array([0.1] * 76 + [100.0] * 24))
    assert vigilance.threshold == adapted(0.71, 0.1)


def test_without_a_radius_the_threshold_is_the_base() -> None:
    vigilance = Vigilance(0.71)
    vigilance.adapt(0.6, np.zeros(100))
    assert vigilance.threshold == 0.6


def test_nothing_is_strange_within_the_grain_however_close_the_last_points_lie() -> (
    None
):
    vigilance = Vigilance(0.71)
    assert vigilance.unit == 0.0
    vigilance.measure(np.array([[0.0], [4.0]]), blend=False)
    assert vigilance.unit == 4.0
    vigilance.grain = 10.0
    assert vigilance.unit == 7.0
