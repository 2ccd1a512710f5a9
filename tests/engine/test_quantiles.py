"""Medians and quartiles are those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine.quantiles import median, medians, upper_quartile

pytestmark = pytest.mark.unit

numbers = st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=40)


@given(numbers)
def test_the_median_is_the_one_of_numpy(values: list[float]) -> None:
    assert median(np.array(values)) == np.median(values)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 99))
def test_so_are_those_of_columns(rows: int, columns: int, seed: int) -> None:
    block = np.round(np.random.default_rng(seed).normal(0, 3, (rows, columns)), 1)
    assert medians(block).tolist() == np.median(block, axis=0).tolist()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_the_quartile_is_the_one_of_numpy_but_for_rounding(values: list[float]) -> None:
    expected = np.quantile(values, 0.75)
    assert upper_quartile(np.array(values)) == pytest.approx(expected, rel=1e-12)
