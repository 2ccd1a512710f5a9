from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine import Engine, EngineParams
from ncs_engine.outliers import Background, RecentGaps, outlier_score

from .streams import MANY, Points, gaussian

pytestmark = pytest.mark.unit

gaps = st.floats(0.0, 1e6)
radii = st.floats(1e-6, 1e3)
usuals = st.floats(1e-6, 1e6) | st.just(math.inf)


@given(gaps, radii, usuals)
@MANY
def test_scores_lie_between_0_and_1(gap: float, radius: float, usual: float) -> None:
    assert 0.0 <= outlier_score(gap, radius, usual) <= 1.0


@given(gaps, gaps, radii, usuals)
@MANY
def test_a_stranger_point_never_scores_less(
    one: float, other: float, radius: float, usual: float
) -> None:
    near, far = sorted((one, other))
    assert outlier_score(near, radius, usual) <= outlier_score(far, radius, usual)


@given(gaps, radii, usuals, st.sampled_from([2.0**-20, 0.5, 2.0, 2.0**20]))
@MANY
def test_the_unit_of_the_distances_does_not_matter(
    gap: float, radius: float, usual: float, unit: float
) -> None:
    scaled = outlier_score(gap * unit, radius * unit, usual * unit)
    assert scaled == outlier_score(gap, radius, usual)


def test_a_point_on_a_centre_scores_0() -> None:
    assert outlier_score(0.0, 1.0, 0.5) == 0.0


def test_3_2_radii_alone_score_a_half() -> None:
    assert outlier_score(3.2, 1.0, math.inf) == 0.5


def test_what_both_layers_find_strange_scores_half_as_much_again() -> None:
    assert outlier_score(3.2, 1.0, 3.1) == 0.75


def test_the_usual_gap_itself_is_not_unusual() -> None:
    assert outlier_score(3.2, 1.0, 3.2) == 0.5


def test_no_score_exceeds_1_though_both_layers_find_it_strange() -> None:
    assert outlier_score(1e9, 1.0, 1.0) == 1.0


def test_without_any_cluster_the_score_is_1() -> None:
    assert outlier_score(math.inf, 1.0, math.inf) == 1.0


def test_without_a_radius_only_the_same_place_is_usual() -> None:
    scores = outlier_score(0.0, 0.0, math.inf), outlier_score(1e-9, 0.0, math.inf)
    assert scores == (0.0, 1.0)


# The temporal layer

scores = st.floats(0.0, 1.0)
norms = st.floats(0.0, 1e12)


def among(values: list[tuple[float, float]]) -> Background:
    """Return the background of points of such scores and norms."""
    background = Background()
    for score, norm in values:
        background.add(score, norm)
    background.refresh()
    background.begin()
    return background


def slow_series(n: int = 2000) -> list[tuple[float, float]]:
    return [(0.0, 1.0 + math.sin(i / 50)) for i in range(n)]


backgrounds = st.lists(st.tuples(scores, norms), max_size=40).map(among)


@given(backgrounds, scores, norms)
@MANY
def test_a_lift_crosses_neither_a_half_nor_1(
    background: Background, score: float, norm: float
) -> None:
    lifted = background.lift(score, norm)
    assert score <= lifted <= (1.0 if score >= 0.5 else 0.5)


@given(backgrounds, scores, scores, norms)
@MANY
def test_a_lift_keeps_the_order_of_scores(
    background: Background, one: float, other: float, norm: float
) -> None:
    low, high = sorted((one, other))
    assert background.lift(low, norm) <= background.lift(high, norm) + 1e-15


@given(backgrounds, scores, norms, norms)
@MANY
def test_a_point_farther_from_the_middle_never_scores_less(
    background: Background, score: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert background.lift(score, low) <= background.lift(score, high) + 1e-15


def test_a_lift_is_two_fifths_of_the_strangeness_of_the_room_above() -> None:
    # b = 1 - (1 - 0.2) / (1 + 1) = 0.6; 0.2 + 0.4 * 0.6 * (0.5 - 0.2) = 0.272
    assert Background().lift(0.2, 1.0) == pytest.approx(0.272)


def test_where_points_come_in_no_order_the_past_does_not_matter() -> None:
    norms = np.square(gaussian(3, 4000, 1)[:, 0])
    background = among([(0.0, float(norm)) for norm in norms])
    assert background.run_weight < 0.1


def test_in_a_slow_series_the_past_counts_four_times() -> None:
    assert among(slow_series()).run_weight == pytest.approx(4.0, abs=0.3)


def test_in_a_slow_series_a_strange_past_makes_a_point_stranger() -> None:
    calm = among([*slow_series(), *[(0.0, 0.1)] * 30])
    strange = among([*slow_series(), *[(0.0, 9.0)] * 30])
    assert strange.lift(0.0, 1.0) > calm.lift(0.0, 1.0)


def test_a_run_of_strange_points_makes_no_other_an_outlier() -> None:
    background = among([(1.0, 1e9)] * 1000)
    assert background.lift(0.0, 1e9) < 0.5


def test_the_far_one_of_two_clusters_is_no_outlier() -> None:
    rng = np.random.default_rng(8)
    points = rng.normal(size=(4000, 3))
    points[rng.random(4000) < 0.05] += 40.0
    assert Engine().learn(points).is_outlier[1000:].mean() <= 0.01


def test_the_first_256_points_are_no_outliers() -> None:
    points = np.random.default_rng(9).standard_cauchy((300, 2))
    result = Engine().learn(points)
    assert not result.is_outlier[:256].any()
    assert result.is_outlier[256:].any()


def remembering(values: Points | list[float], capacity: int = 256) -> RecentGaps:
    recent = RecentGaps(capacity)
    for value in values:
        recent.add(float(value))
    return recent


def test_at_first_no_gap_is_unusual() -> None:
    assert RecentGaps(8).usual == math.inf


def test_gaps_are_remembered() -> None:
    assert sorted(remembering([3.0, 1.0]).remembered.tolist()) == [1.0, 3.0]


def test_the_oldest_gaps_are_forgotten() -> None:
    recent = remembering([1.0, 2.0, 3.0, 4.0], capacity=3)
    assert sorted(recent.remembered.tolist()) == [2.0, 3.0, 4.0]


def test_fewer_than_30_gaps_say_nothing() -> None:
    recent = remembering(np.linspace(1, 2, 29))
    recent.refresh()
    assert recent.usual == math.inf


def test_the_usual_gap_is_the_median_and_six_sigma_by_mad() -> None:
    values = np.abs(gaussian(0, 101, 1)[:, 0])
    recent = remembering(values)
    recent.refresh()
    ordered = sorted(values.tolist())
    middle = ordered[50]
    mad = sorted(abs(value - middle) for value in ordered)[50]
    assert recent.usual == pytest.approx(middle + 6 * 1.4826 * mad)


def test_the_usual_gap_of_a_normal_sample_is_six_standard_deviations_up() -> None:
    recent = remembering(10.0 + gaussian(1, 2000, 1)[:, 0], capacity=2000)
    recent.refresh()
    assert recent.usual == pytest.approx(16.0, rel=0.03)


def test_a_few_huge_gaps_hardly_move_the_usual_one() -> None:
    values = 10.0 + gaussian(2, 200, 1)[:, 0]
    clean, dirty = remembering(values), remembering([*values, *[1e9] * 10])
    clean.refresh()
    dirty.refresh()
    assert dirty.usual == pytest.approx(clean.usual, rel=0.1)


def test_equal_gaps_leave_room_above_them() -> None:
    recent = remembering([2.0] * 50)
    recent.refresh()
    assert recent.usual == pytest.approx(2.0 + 6 * 0.05 * 2.0)


def on_the_verge(engine: Engine) -> tuple[float, float]:
    """Return neighbouring floats x: (x, 0, 0) is no outlier, the other one is."""
    inside, outside = 0.0, 1e3
    while (middle := (inside + outside) / 2) not in (inside, outside):
        if engine.predict([[middle, 0.0, 0.0]]).is_outlier[0]:
            outside = middle
        else:
            inside = middle
    return inside, outside


def test_a_point_is_an_outlier_from_some_distance_on() -> None:
    engine = Engine()
    engine.learn(gaussian(3, 900, 3))
    _, outside = on_the_verge(engine)
    farther = np.array([[outside * 1.5**k, 0.0, 0.0] for k in range(20)])
    assert engine.predict(farther).is_outlier.all()


@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_on_the_verge_the_score_reaches_the_threshold_exactly_for_outliers(
    threshold: float,
) -> None:
    engine = Engine(EngineParams(outlier_threshold=threshold))
    engine.learn(gaussian(3, 900, 3))
    inside, outside = on_the_verge(engine)
    result = engine.predict([[inside, 0.0, 0.0], [outside, 0.0, 0.0]])
    reaching = [float(score) >= threshold for score in result.outlier_scores]
    assert reaching == result.is_outlier.tolist()
