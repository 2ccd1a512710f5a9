from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_streamer.sampling.pca import MEMORY_ROWS, OnlinePca

from .clouds import Floats, blobs, gaussian, steady

pytestmark = pytest.mark.unit

FEW = examples(25)


def learned(blocks: Any) -> OnlinePca:
    pca = None
    for block in blocks:
        pca = pca or OnlinePca(block.shape[1])
        pca.learn(block)
    assert pca is not None
    return pca


def weighted(blocks: list[Floats]) -> tuple[Floats, Floats, Floats]:
    """Return rows, weights and mean as the definition has them: the oracle."""
    after = np.cumsum([0, *[len(block) for block in blocks[:0:-1]]])[::-1]
    weights = np.concatenate(
        [
            np.full(len(block), 0.5 ** (rows / MEMORY_ROWS))
            for block, rows in zip(blocks, after, strict=True)
        ]
    )
    rows = np.vstack(blocks)
    return rows, weights, np.average(rows, axis=0, weights=weights)


@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8), d=st.integers(1, 12))
@FEW
def test_it_is_the_weighted_pca_of_all_rows(sizes: list[int], d: int) -> None:
    chance = np.random.default_rng(sum(sizes))
    mix = chance.normal(size=(d, d))
    blocks = [chance.normal(size=(n, d)) @ mix + 3.0 for n in sizes]
    pca = learned(blocks)
    rows, weights, mean = weighted(blocks)
    np.testing.assert_allclose(pca.mean, mean, rtol=1e-9, atol=1e-9)
    scale = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(pca.scale, scale, rtol=1e-9, atol=1e-9)
    if sum(sizes) == 1:
        return
    apart = np.sqrt(weights)[:, np.newaxis] * (rows - mean) / scale
    sizes_of_all, axes = np.linalg.svd(apart, full_matrices=False)[1:]
    for found, axis, size in zip(pca.directions, axes, sizes_of_all, strict=False):
        others = np.delete(sizes_of_all, np.flatnonzero(sizes_of_all == size))
        if (np.abs(others - size) > 0.05 * size).all():  # else the axis is arbitrary
            assert np.abs(found @ axis) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("dimension", [1, 2, 40, 200])
def test_directions_are_orthonormal(dimension: int) -> None:
    axes = learned(steady(gaussian(dimension, 1), 4)).directions
    assert min(dimension, 16) == len(axes)
    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-6)


def test_in_a_thousand_dimensions_the_main_ones_are_found() -> None:
    chance = np.random.default_rng(0)
    plane = np.linalg.qr(chance.normal(size=(1000, 2)))[0].T
    spread = [40.0, 30.0]
    blocks = [
        chance.normal(size=(64, 2)) * spread @ plane + chance.normal(size=(64, 1000))
        for _ in range(12)
    ]
    pca = learned(blocks)
    true = np.linalg.qr((plane / pca.scale).T)[0].T
    overlap = np.linalg.svd(pca.directions[:2] @ true.T, compute_uv=False)
    assert overlap.min() > 0.9


def test_a_feature_in_large_numbers_is_not_all_there_is() -> None:
    chance = np.random.default_rng(0)
    common = chance.normal(size=(2000, 1))
    rows = np.hstack([common + 0.2 * chance.normal(size=(2000, 3)) for _ in "ab"])
    rows[:, 0] *= 1e5
    axis = np.abs(learned(np.split(rows, 25)).directions[0])
    np.testing.assert_allclose(axis, np.full(6, 6**-0.5), atol=0.03)


def test_what_is_long_past_counts_no_more() -> None:
    past = [block @ np.diag([1, 9, 1, 1]) for block in steady(gaussian(4, 1), 200)]
    present = list(steady(blobs(4, 2), 30 * MEMORY_ROWS // 64))
    both, alone = learned([*past, *present]), learned(present)
    np.testing.assert_allclose(both.mean, alone.mean, rtol=1e-6)
    assert np.abs(both.directions[0] @ alone.directions[0]) > 0.9999


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -1e-300])
def test_constant_rows_have_no_direction(value: float) -> None:
    pca = learned([np.full((n, 3), value) for n in (1, 7, 64, 3)])
    assert not len(pca.directions)
    assert not pca.scale.any()
    assert not pca.standardised(np.full((2, 3), value + 1.0)).any()


def test_a_constant_feature_has_no_part_in_any_direction() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 3))
    rows[:, 1] = 0.1
    pca = learned(np.split(rows, 10))
    assert 2 == len(pca.directions)
    assert not pca.directions[:, 1].any()
