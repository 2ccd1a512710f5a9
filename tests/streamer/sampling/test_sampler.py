from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_protocol.messages import PointsSample, Sample
from ncs_streamer.sampling.sampler import Sampler

pytestmark = pytest.mark.unit

MANY = examples(150)


def sampler(**options: Any) -> Sampler:
    return Sampler(Sample(**options), seed=0)


def learn(target: Sampler, points: Any) -> None:
    """Let points come by as if learned; the far ones are outliers."""
    block = np.asarray(points, float)
    outside = np.abs(block).max(axis=1) > 100
    ids = np.where(outside, -1, np.arange(len(block)) % 3)
    target.learned(block, ids, outside)


def cloud(count: int, dimension: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, dimension))


def take(source: Sampler) -> PointsSample:
    sample = source.take()
    assert sample is not None
    return sample


def test_a_sample_says_how_many_points_it_stands_for() -> None:
    source = sampler(max_points=40)
    for _ in range(3):
        learn(source, cloud(50, 4))
    sample = take(source)
    assert (150, 40 / 150) == (sample.learned, sample.ratio)
    assert (40, 2) == np.shape(sample.points)


def test_of_few_points_all_are_shown() -> None:
    source = sampler(max_points=40)
    learn(source, cloud(7, 4))
    sample = take(source)
    assert (7, 7, 1.0) == (len(sample.points), sample.learned, sample.ratio)


def test_without_new_points_there_is_no_sample() -> None:
    source = sampler()
    assert source.take() is None
    learn(source, cloud(5, 2))
    take(source)
    assert source.take() is None


def test_arrays_are_of_the_documented_kinds() -> None:
    source = sampler(dimensions=3)
    learn(source, [*cloud(20, 5), [1000.0] * 5])
    sample = take(source)
    kinds = {"points": "<f4", "cluster_ids": "<i4", "is_outlier": "|u1"}
    for name, kind in kinds.items():
        assert kind == getattr(sample, name).dtype.str
    assert (sample.cluster_ids == -1).tolist() == sample.is_outlier.tolist()
    assert 1 == sample.is_outlier.sum()


def test_the_projection_that_is_told_gives_the_points_that_are_shown() -> None:
    source = sampler(max_points=500, dimensions=2)
    points = cloud(30, 4)
    learn(source, points)
    sample = take(source)
    assert sample.projection is not None
    assert sample.projection_version == sample.projection.version
    shown = (points - sample.projection.mean) @ sample.projection.components.T
    np.testing.assert_allclose(
        np.sort(shown, axis=0), np.sort(sample.points, axis=0), rtol=1e-4, atol=1e-4
    )


def test_an_outlier_does_not_decide_what_the_axes_are() -> None:
    source = sampler(max_points=500)
    learn(source, [*cloud(60, 4), [1e6, 0, 0, 0]])
    sample = take(source)
    assert np.abs(sample.points[sample.is_outlier == 0]).std() > 0.5


def test_if_all_are_outliers_they_do() -> None:
    source = sampler()
    learn(source, cloud(60, 4) * 1e4)
    assert take(source).points.std() > 0.5


def test_after_a_reset_no_point_of_before_is_shown() -> None:
    source = sampler()
    learn(source, cloud(60, 4))
    axes = take(source).projection
    learn(source, cloud(60, 4))
    source.forget()
    assert source.take() is None
    learn(source, cloud(5, 4))
    sample = take(source)
    assert (5, axes) == (sample.learned, sample.projection)


@pytest.mark.parametrize("dimensions", [2, 3, (0, 3)], ids=str)
def test_points_of_another_dimension_begin_anew_with_a_higher_version(
    dimensions: Any,
) -> None:
    source = sampler(dimensions=dimensions)
    learn(source, cloud(60, 4))
    before = take(source)
    learn(source, cloud(60, 4))
    learn(source, cloud(5, 1))
    after = take(source)
    assert 5 == after.learned
    assert after.projection_version > before.projection_version
    assert (before.points.shape[1], 1) == after.projection.components.shape  # type: ignore[union-attr]


def test_chosen_dimensions_are_shown_as_they_are() -> None:
    source = sampler(dimensions=(3, 1))
    points = cloud(6, 4)
    learn(source, points)
    shown = take(source).points
    expected = points[:, [3, 1]].astype(np.float32)
    assert sorted(expected.tolist()) == sorted(shown.tolist())


@pytest.mark.parametrize("dimensions", [2, 3, (0, 999)], ids=str)
def test_a_thousand_dimensions_are_shown_too(dimensions: Any) -> None:
    source = sampler(dimensions=dimensions)
    learn(source, cloud(100, 1000))
    sample = take(source)
    assert (100, 3 if dimensions == 3 else 2) == np.shape(sample.points)
    assert np.isfinite(sample.points).all()


coordinates = st.floats(-1e6, 1e6, width=64) | st.sampled_from([0.0, 1e-300, 5e-324])


@given(
    batches=st.lists(
        st.lists(st.tuples(*[coordinates] * 3), min_size=1, max_size=5),
        min_size=1,
        max_size=6,
    ),
    dimensions=st.sampled_from([2, 3, (2, 0)]),
)
@MANY
def test_whatever_the_points_are_the_coordinates_are_finite(
    batches: Any, dimensions: Any
) -> None:
    source = sampler(dimensions=dimensions)
    for batch in batches:
        learn(source, batch)
        sample = take(source)
        assert np.isfinite(sample.points).all()
        assert sample.projection is not None
        assert np.isfinite(sample.projection.components).all()
