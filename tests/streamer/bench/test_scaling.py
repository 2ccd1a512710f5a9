import numpy as np
import pytest

from ncs_streamer.bench.scaling import running_standard, running_unit

pytestmark = pytest.mark.unit


def test_a_point_is_standardised_by_itself_and_what_was_before() -> None:
    points = np.random.default_rng(0).normal(3.0, 2.0, (50, 4))
    seen = points[:20]
    expected = (seen[-1] - seen.mean(axis=0)) / seen.std(axis=0)
    assert running_standard(points)[19] == pytest.approx(expected)


@pytest.mark.parametrize("scale", [running_standard, running_unit])
def test_nothing_of_the_future_is_in_it(scale: object) -> None:
    points = np.random.default_rng(0).normal(size=(50, 4))
    assert callable(scale)
    assert np.array_equal(scale(points)[:20], scale(points[:20]))


@pytest.mark.parametrize("scale", [running_standard, running_unit])
def test_a_feature_that_does_not_vary_is_0(scale: object) -> None:
    assert callable(scale)
    assert not scale(np.full((10, 2), 1e6)).any()


def test_a_far_offset_costs_no_digits() -> None:
    points = np.random.default_rng(0).normal(size=(500, 3))
    far = running_standard(points + 1e7)
    assert far == pytest.approx(running_standard(points), abs=1e-6)


def test_the_unit_scale_is_the_place_between_the_extremes_so_far() -> None:
    points = np.array([[0.0], [4.0], [1.0], [8.0], [2.0]])
    assert running_unit(points).ravel().tolist() == [0.0, 1.0, 0.25, 1.0, 0.25]
