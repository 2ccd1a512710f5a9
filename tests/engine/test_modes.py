from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from ncs_engine.modes import density, find_modes

from . import oracle
from .streams import MANY, Points, seeds

pytestmark = pytest.mark.unit


def squares(points: Points) -> Points:
    """Return the squared distances between all points."""
    rows = points.tolist()
    return np.array([[oracle.squared_distance(a, b) for b in rows] for a in rows])


def on_a_line(
    *places: float,
    weight: list[float] | None = None,
    label: list[int] | None = None,
    threshold: float = 0.7,
) -> list[int]:
    """Return the peaks of points on a line, at bandwidth 1."""
    modes = find_modes(
        squares(np.array(places)[:, None]),
        np.array(weight or [100.0] * len(places)),
        np.array(label or [-1] * len(places)),
        1.0,
        threshold,
    )
    return [int(mode) for mode in modes]


def landscape(seed: int) -> tuple[Points, Points, list[int], float, float]:
    """Return points in heaps, weights, labels, a bandwidth and a threshold."""
    rng = np.random.default_rng(seed)
    count, dimension = int(rng.integers(1, 40)), int(rng.integers(1, 4))
    heaps = rng.normal(0, rng.choice([1.0, 4.0]), (4, dimension))
    points = heaps[rng.integers(4, size=count)] + rng.normal(size=(count, dimension))
    if count > 1 and seed % 3 == 0:
        points[1] = points[0]
    weight = rng.uniform(0.5, 40, count)
    labels = rng.integers(-1, 4, count).tolist()
    return points, weight, labels, rng.uniform(0.2, 1.5), rng.uniform(0.05, 0.99)


@given(seeds)
@MANY
def test_density_is_the_sum_of_the_kernels(seed: int) -> None:
    points, weight, _, bandwidth, _ = landscape(seed)
    expected = oracle.density(points.tolist(), weight.tolist(), bandwidth)
    actual = density(squares(points), weight, bandwidth)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@given(seeds)
@MANY
def test_modes_are_those_of_flooding_the_landscape(seed: int) -> None:
    points, weight, labels, bandwidth, threshold = landscape(seed)
    expected = oracle.modes(
        points.tolist(), weight.tolist(), labels, bandwidth, threshold
    )
    actual = find_modes(squares(points), weight, np.array(labels), bandwidth, threshold)
    assert actual.tolist() == expected


@given(seeds)
@MANY
def test_every_peak_is_its_own_peak(seed: int) -> None:
    points, weight, labels, bandwidth, threshold = landscape(seed)
    peak = find_modes(squares(points), weight, np.array(labels), bandwidth, threshold)
    assert peak[peak].tolist() == peak.tolist()


@given(seeds)
@MANY
def test_no_point_is_denser_than_its_peak(seed: int) -> None:
    points, weight, labels, bandwidth, threshold = landscape(seed)
    rho = density(squares(points), weight, bandwidth)
    peak = find_modes(squares(points), weight, np.array(labels), bandwidth, threshold)
    assert (rho[peak] >= rho).all()


def test_the_density_of_a_lone_point_is_its_weight() -> None:
    assert density(np.zeros((1, 1)), np.array([3.0]), 0.5).tolist() == [3.0]


def test_a_neighbour_one_bandwidth_away_counts_by_the_kernel() -> None:
    squared = np.array([[0.0, 4.0], [4.0, 0.0]])
    rho = density(squared, np.array([1.0, 10.0]), 2.0)
    assert rho.tolist() == pytest.approx(
        [1 + 10 * math.exp(-0.5), 10 + math.exp(-0.5)], rel=1e-15
    )


def test_points_out_of_reach_of_each_other_are_peaks_each() -> None:
    assert on_a_line(0.0, 10.0, 20.0) == [0, 1, 2]


def test_a_point_climbs_to_its_denser_neighbour() -> None:
    assert on_a_line(0.0, 2.0, weight=[1.0, 50.0]) == [1, 1]


def test_of_equal_neighbours_the_older_is_the_peak() -> None:
    assert on_a_line(0.0, 1.0) == [0, 0]


def test_a_deep_valley_keeps_two_peaks_apart() -> None:
    assert on_a_line(0.0, 2.4, 4.8, weight=[900.0, 1.0, 900.0]) == [0, 0, 2]


def test_a_shallow_valley_joins_two_peaks() -> None:
    assert on_a_line(0.0, 2.4, 4.8, weight=[900.0, 700.0, 890.0]) == [0, 0, 0]


def test_the_lower_peak_joins_the_higher() -> None:
    assert on_a_line(0.0, 2.4, 4.8, weight=[890.0, 700.0, 900.0]) == [2, 2, 2]


# The saddle in the middle has 700 + 2 * 900 * exp(-2.88) = 801 and the peaks have 939
# points, so the share is 0.853; the slack, one deviation of 939, is 0.033 of it.


def test_a_border_case_with_different_labels_stays_apart() -> None:
    labels = [3, -1, 4]
    weight = [900.0, 700.0, 900.0]
    assert on_a_line(0.0, 2.4, 4.8, weight=weight, label=labels, threshold=0.95) == [
        0,
        0,
        2,
    ]


def test_a_border_case_with_equal_labels_stays_together() -> None:
    labels = [3, -1, 3]
    weight = [900.0, 700.0, 900.0]
    assert on_a_line(0.0, 2.4, 4.8, weight=weight, label=labels, threshold=0.95) == [
        0,
        0,
        0,
    ]


def test_having_no_label_in_common_is_not_having_an_equal_one() -> None:
    weight = [900.0, 700.0, 900.0]
    assert on_a_line(0.0, 2.4, 4.8, weight=weight, threshold=0.95) == [0, 0, 2]


@pytest.mark.parametrize("bandwidth", [0.6e-6, 1e-12])
def test_at_a_tiny_bandwidth_every_place_is_a_peak(bandwidth: float) -> None:
    places = np.array([[0.0], [3.0], [0.0], [1e100], [3.0], [1e-3]])
    weight, labels = np.array([5.0, 5.0, 6.0, 1.0, 5.0, 1.0]), np.full(6, -1)
    peak = find_modes(squares(places), weight, labels, bandwidth, 0.7)
    assert peak.tolist() == [0, 1, 0, 3, 1, 5]


def test_a_higher_threshold_never_joins_more() -> None:
    points, weight, labels, bandwidth, _ = landscape(8)
    counts = [
        len(set(find_modes(squares(points), weight, np.array(labels), bandwidth, t)))
        for t in (0.05, 0.3, 0.6, 0.99)
    ]
    assert counts == sorted(counts)


def test_peaks_of_few_points_are_joined_though_the_valley_is_deep() -> None:
    # A count of 4 is not told from one of 2 within a standard deviation.
    heavy = on_a_line(0.0, 2.4, 4.8, weight=[400.0, 190.0, 400.0], threshold=0.8)
    light = on_a_line(0.0, 2.4, 4.8, weight=[4.0, 1.9, 4.0], threshold=0.8)
    assert (len(set(heavy)), len(set(light))) == (2, 1)
