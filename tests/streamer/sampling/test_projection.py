from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_streamer.sampling.projection import ChosenDimensions, MainAxes, project

from .clouds import ROWS, Floats, blobs, gaussian, steady, turning

pytestmark = pytest.mark.unit

FEW = examples(10)


def learn(axes: MainAxes, blocks: Iterable[Floats]) -> list[Any]:
    """Let the axes learn; return (before, after, rows) of every change of them."""
    changes = []
    for rows in blocks:
        before = axes.projection
        axes.learn(rows)
        if axes.projection is not before:
            changes.append((before, axes.projection, rows))
    return changes


def likeness(before: Any, after: Any, rows: Floats) -> Floats:
    """Return per axis how alike rows are shown: 1 the same, -1 the mirror image."""
    pairs = zip(project(before, rows).T, project(after, rows).T, strict=True)
    return np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])


def share_kept(axes: MainAxes, rows: Floats) -> float:
    """Return the variance that the axes keep, of what the best of the rows would."""
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    shown = np.asarray(axes.projection.components) * rows.std(axis=0)
    plane = np.linalg.svd(shown, full_matrices=False)[2]
    best = np.linalg.svd(standard, compute_uv=False)[: len(plane)]
    return float(((standard @ plane.T) ** 2).sum() / (best**2).sum())


sources = st.builds(
    lambda kind, dimension, seed: kind(dimension, seed),
    st.sampled_from((gaussian, blobs)),
    st.integers(1, 20),
    st.integers(0, 1000),
)


@given(source=sources, axes=st.sampled_from((2, 3)), seed=st.integers(0, 1000))
@FEW
def test_while_the_data_stand_still_the_axes_do(
    source: Any, axes: int, seed: int
) -> None:
    dimension = source(np.random.default_rng(0)).shape[1]
    shown = MainAxes(dimension, axes, 1)
    begin = learn(shown, steady(source, 1, seed))
    settling = learn(shown, steady(source, 100, seed + 1))
    assert (len(begin), len(settling) <= 3) == (1, True)
    later = learn(shown, steady(source, 200, seed + 2))
    for before, after, rows in settling:
        assert likeness(before, after, rows).min() > 0  # not flipped
    for before, after, rows in later:  # seldom any
        assert likeness(before, after, rows).min() > 0.8
    assert len(later) <= 1


@given(source=sources, axes=st.sampled_from((2, 3)))
@FEW
def test_the_axes_keep_most_of_what_two_or_three_can(source: Any, axes: int) -> None:
    blocks = list(steady(source, 100))
    shown = MainAxes(blocks[0].shape[1], axes, 1)
    learn(shown, blocks)
    assert share_kept(shown, np.vstack(blocks[50:])) > 0.85


def test_noise_that_has_no_direction_does_not_turn_the_axes() -> None:
    shown = MainAxes(30, 2, 1)
    source = steady(lambda chance: chance.normal(size=(ROWS, 30)), 400)
    assert 1 == len(learn(shown, source))


@pytest.mark.parametrize(("axes", "alike"), [(2, 0.9), (3, 0.0)])
def test_when_the_data_turn_the_axes_follow_in_small_steps(
    axes: int, alike: float
) -> None:
    shown = MainAxes(10, axes, 1)
    blocks = list(turning(1200))
    changes = learn(shown, blocks)
    assert 3 < len(changes) < 40
    for before, after, rows in changes[1:]:  # a third axis is noise at first
        assert likeness(before, after, rows).min() > alike
    assert share_kept(shown, np.vstack(blocks[-200:])) > 0.9


def test_versions_rise_and_an_old_projection_stays_as_it_was() -> None:
    shown = MainAxes(10, 2, 1)
    changes = learn(shown, turning(600))
    versions = [after.version for _, after, _ in changes]
    assert [*range(2, 2 + len(changes))] == versions
    (_, first, _), (second, _, _) = changes[0], changes[1]
    assert first is second


def test_two_that_saw_other_rows_of_the_same_data_show_the_same_picture() -> None:
    def source(chance: np.random.Generator) -> Floats:
        factors = chance.normal(size=(ROWS, 2)) @ [
            [3, -3, 3, -3, 3, 0],
            [0, 0, 0, 1, 1, 3],
        ]
        return factors + chance.normal(size=(ROWS, 6))

    one, other = MainAxes(6, 2, 1), MainAxes(6, 2, 1)
    learn(one, steady(source, 60, seed=1))
    learn(other, steady(source, 60, seed=2))
    (rows,) = steady(source, 1)
    assert likeness(one.projection, other.projection, rows).min() > 0.95


@pytest.mark.parametrize(("dimension", "axes"), [(1, 2), (1, 3), (2, 3)])
def test_an_axis_that_the_data_do_not_have_is_zero(dimension: int, axes: int) -> None:
    shown = MainAxes(dimension, axes, 1)
    learn(shown, steady(blobs(dimension, 0), 30))
    (rows,) = steady(blobs(dimension, 0), 1)
    coordinates = project(shown.projection, rows)
    assert (ROWS, axes) == coordinates.shape
    assert coordinates[:, :dimension].std(axis=0).min() > 0.1
    assert not coordinates[:, dimension:].any()


def test_constant_data_are_one_spot_until_they_vary() -> None:
    shown = MainAxes(3, 2, 1)
    assert not learn(shown, [np.full((ROWS, 3), 0.1)] * 50)
    assert not project(shown.projection, np.full((5, 3), 0.1)).any()
    assert learn(shown, steady(blobs(3, 0), 1))
    assert project(shown.projection, np.eye(3)).any()


def test_single_rows_are_enough() -> None:
    shown = MainAxes(4, 2, 1)
    rows = np.vstack(list(steady(gaussian(4, 5), 25)))
    learn(shown, rows[:, np.newaxis])
    assert share_kept(shown, rows[-800:]) > 0.85


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_features_that_vary_more_or_less_than_before_are_scaled_anew(
    factor: float,
) -> None:
    shown, source = MainAxes(4, 2, 1), gaussian(4, 0)
    learn(shown, steady(source, 60))
    stretched = [rows * [factor, 1, 1, 1] for rows in steady(source, 600, seed=1)]
    learn(shown, stretched)
    assert 0.5 < project(shown.projection, stretched[-1]).std() < 2


def test_far_from_where_they_began_points_are_told_apart() -> None:
    shown, source = MainAxes(3, 2, 1), blobs(3, 0)
    learn(shown, steady(source, 60))
    learn(shown, (rows * 1e-3 + 1e6 for rows in steady(source, 2000, seed=1)))
    (rows,) = steady(source, 1)
    coordinates = project(shown.projection, rows * 1e-3 + 1e6)
    assert len(np.unique(coordinates[:, 0])) > ROWS / 2


def test_chosen_dimensions_are_shown_as_they_are() -> None:
    shown = ChosenDimensions(4, (2, 0), 7)
    points = np.arange(8.0).reshape(2, 4)
    shown.learn(points)
    assert [[2.0, 0.0], [6.0, 4.0]] == project(shown.projection, points).tolist()
    assert ("dimensions", 7) == (shown.projection.method, shown.projection.version)


def test_a_chosen_dimension_that_the_points_do_not_have_is_zero() -> None:
    shown = ChosenDimensions(2, (0, 5, 1), 1)
    assert [[3.0, 0.0, 4.0]] == project(
        shown.projection, np.array([[3.0, 4.0]])
    ).tolist()


@pytest.mark.parametrize("dimension", [3, 100])
def test_coordinates_are_what_a_graphics_card_takes(dimension: int) -> None:
    shown = MainAxes(dimension, 3, 1)
    learn(shown, steady(gaussian(dimension, 0), 2))
    (rows,) = steady(gaussian(dimension, 0), 1)
    coordinates = project(shown.projection, rows)
    assert np.float32 == coordinates.dtype
    assert coordinates.flags.c_contiguous
    for array in (shown.projection.mean, shown.projection.components):
        assert np.float32 == np.asarray(array).dtype
