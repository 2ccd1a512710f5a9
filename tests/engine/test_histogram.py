from __future__ import annotations

import numpy as np
import pytest

from ncs_engine.histogram import CELLS, Histogram
from ncs_engine.standardizer import Standardizer

from .streams import Points, blobs, gaussian

pytestmark = pytest.mark.unit


def built(points: Points, *, unit: bool = False) -> Histogram:
    """Return cells that are built of the first 256 points."""
    scaler = Standardizer(points.shape[1])
    scaler.observe(points[:256])
    scaler.move()
    histogram = Histogram(points.shape[1], unit=unit)
    histogram.build(points[:256], scaler)
    return histogram


def boxes(counts: np.ndarray) -> list[int]:
    return counts.reshape(-1, 2).sum(axis=1).tolist()


def test_every_box_has_as_many_of_the_points_it_was_built_of() -> None:
    points = gaussian(0, 256, 3)
    assert boxes(built(points).count(points)) == [4] * (CELLS // 2)


@pytest.mark.parametrize("dimension", [1, 3, 10, 40])
def test_inner_and_outer_cells_take_about_as_many_points(dimension: int) -> None:
    points = gaussian(1, 8256, dimension)
    counts = built(points).count(points[256:])
    assert 0.25 <= counts[1::2].sum() / counts.sum() <= 0.75


def test_points_fall_into_all_boxes_of_blobs() -> None:
    points, _ = blobs(2, 8256)
    assert min(boxes(built(points).count(points[256:]))) >= 10


def test_the_unit_of_a_feature_does_not_matter() -> None:
    points = gaussian(3, 1256, 4)
    scaled = points * np.array([2.0**-10, 1.0, 2.0**10, 2.0])
    one, other = (built(p).cells(p[256:]).tolist() for p in (points, scaled))
    assert one == other


def test_of_unit_vectors_the_length_does_not_matter() -> None:
    points = gaussian(4, 512, 4)
    histogram = built(points, unit=True)
    assert histogram.cells(points).tolist() == histogram.cells(3.0 * points).tolist()


@pytest.mark.parametrize("value", [0.0, 1e100])
def test_points_that_are_all_alike_fall_into_one_cell(value: float) -> None:
    points = np.full((256, 2), value)
    assert np.count_nonzero(built(points).count(points)) == 1


def test_a_point_at_the_limit_of_what_is_allowed_has_a_cell() -> None:
    histogram = built(gaussian(5, 256, 2))
    assert histogram.count(np.array([[1e100, -1e100]])).sum() == 1
