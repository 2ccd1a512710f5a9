from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from ncs_engine.standardizer import Standardizer

from .oracle import two_pass
from .streams import MANY, Points, gaussian, seeds

pytestmark = pytest.mark.unit


def observed(*blocks: Points) -> Standardizer:
    scaler = Standardizer(blocks[0].shape[1])
    for block in blocks:
        scaler.observe(block)
    return scaler


def moved(*blocks: Points) -> Standardizer:
    scaler = observed(*blocks)
    scaler.move()
    return scaler


def scattered(seed: int) -> Points:
    """Return points whose features have scales and offsets of their own."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(2, 120)), int(rng.integers(1, 6))
    scale, offset = 10.0 ** rng.integers(-3, 3, (2, shape[1]))
    points: Points = rng.normal(size=shape) * scale + offset
    return points


def in_blocks(points: Points, seed: int) -> list[Points]:
    rng = np.random.default_rng(seed)
    cuts = np.unique(rng.integers(1, len(points), 4))
    return np.split(points, cuts)


@given(seeds)
@MANY
def test_mean_is_that_of_all_points_whatever_the_blocks(seed: int) -> None:
    points = scattered(seed)
    mean, _ = two_pass(points.tolist())
    spread = points.std(axis=0)
    off = observed(*in_blocks(points, seed)).mean - mean
    assert (np.abs(off) <= 1e-9 * spread + 1e-14 * np.abs(mean)).all()


@given(seeds)
@MANY
def test_variance_is_that_of_all_points_whatever_the_blocks(seed: int) -> None:
    points = scattered(seed)
    mean, variance = two_pass(points.tolist())
    off = observed(*in_blocks(points, seed)).var - variance
    lost = 1e-14 * np.abs(mean) * np.sqrt(variance)
    assert (np.abs(off) <= 1e-9 * np.array(variance) + lost).all()


@given(seeds)
@MANY
def test_remapped_coordinates_are_those_of_a_fresh_standardisation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = gaussian(seed, 40, 3)
    after = rng.uniform(0.1, 10, 3) * gaussian(seed + 1, 60, 3) + rng.normal(0, 5, 3)
    scaler = moved(before)
    kept = scaler.apply(before)
    scaler.observe(after)
    factor, offset = scaler.move()
    np.testing.assert_allclose(kept * factor + offset, scaler.apply(before), atol=1e-12)


def test_a_constant_feature_that_begins_to_vary_is_remapped_to_where_it_was() -> None:
    before = np.column_stack([gaussian(0, 50, 1), np.full(50, 7.0)])
    after = gaussian(1, 50, 2) * [1.0, 3.0] + [0.0, 7.0]
    scaler = moved(before)
    kept = scaler.apply(before)
    scaler.observe(after)
    factor, offset = scaler.move()
    np.testing.assert_allclose(kept * factor + offset, scaler.apply(before), atol=1e-12)


def test_standardised_points_have_mean_0() -> None:
    points = 50.0 + 3.0 * gaussian(2, 200, 4)
    np.testing.assert_allclose(moved(points).apply(points).mean(axis=0), 0, atol=1e-12)


def test_standardised_points_have_standard_deviation_1() -> None:
    points = 50.0 + 3.0 * gaussian(3, 200, 4)
    np.testing.assert_allclose(moved(points).apply(points).std(axis=0), 1)


@given(seeds)
@MANY
def test_inverting_undoes_standardising(seed: int) -> None:
    points = scattered(seed)
    scaler = moved(points)
    back = scaler.invert(scaler.apply(points))
    np.testing.assert_allclose(back, points, rtol=1e-12)


def test_a_constant_feature_has_scale_0() -> None:
    assert moved(np.full((30, 2), 4.0)).scale.tolist() == [0.0, 0.0]


def test_a_constant_feature_comes_back_as_its_mean() -> None:
    points = np.column_stack([gaussian(4, 30, 1), np.full(30, 4.0)])
    scaler = moved(points)
    assert scaler.invert(scaler.apply(points))[:, 1].tolist() == [4.0] * 30


def test_noise_that_float32_cannot_tell_apart_counts_as_constant() -> None:
    points = 1e6 * (1.0 + 1e-8 * gaussian(5, 100, 1))
    assert moved(points).scale.tolist() == [0.0]


def test_noise_that_float32_can_tell_apart_counts() -> None:
    points = 1e6 * (1.0 + 1e-6 * gaussian(6, 100, 1))
    assert moved(points).scale[0] == pytest.approx(1 / points.std(), rel=1e-9)


def test_nothing_moves_before_move() -> None:
    scaler = observed(5.0 + gaussian(7, 30, 2))
    assert scaler.apply(np.ones((1, 2))).tolist() == [[1.0, 1.0]]


def test_the_identity_never_moves() -> None:
    scaler = Standardizer(2, identity=True)
    scaler.observe(5.0 + gaussian(8, 30, 2))
    scaler.move()
    assert scaler.apply(np.ones((1, 2))).tolist() == [[1.0, 1.0]]


def test_the_identity_remaps_to_the_same_place() -> None:
    scaler = Standardizer(2, identity=True)
    scaler.observe(5.0 + gaussian(9, 30, 2))
    factor, offset = scaler.move()
    assert (factor.tolist(), offset.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_points_long_past_are_forgotten() -> None:
    old, new = np.zeros((512, 1)), np.ones((512, 1))
    # 65,536 old points and 16,384 new ones: with nothing forgotten the mean were 0.2.
    assert observed(*[old] * 128, *[new] * 32).mean[0] > 0.6


def test_points_are_standardised_without_being_modified() -> None:
    points = gaussian(10, 30, 2)
    scaler, copy = moved(points), points.copy()
    scaler.apply(points)
    assert points.tolist() == copy.tolist()
