from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_streamer.sampling.reservoir import Reservoir, Taken

pytestmark = pytest.mark.unit

MANY = examples(100)
TRIALS = 1500


def reservoir(size: int, seed: int = 0, dimension: int = 1) -> Reservoir:
    return Reservoir(size, dimension, np.random.default_rng(seed))


def feed(reservoir: Reservoir, first: int, count: int) -> None:
    """Let points first, first+1 ... come by, which tell everything by their value."""
    numbers = np.arange(first, first + count)
    points = np.repeat(numbers[:, np.newaxis], reservoir.dimension, axis=1)
    reservoir.add(points.astype(np.float32), numbers, numbers % 2 == 1)


def numbers(taken: Taken) -> list[int]:
    return [int(number) for number in taken.points[:, 0]]


@given(blocks=st.lists(st.integers(0, 40), max_size=12), size=st.integers(1, 50))
@MANY
def test_a_sample_is_some_of_the_points_each_once(blocks: Any, size: int) -> None:
    source = reservoir(size)
    for number, count in enumerate(blocks):
        feed(source, sum(blocks[:number]), count)
    taken = source.take()
    found = numbers(taken)
    assert len(found) == len(set(found)) == min(size, sum(blocks))
    assert set(found) <= set(range(sum(blocks)))
    assert sum(blocks) == taken.seen


@given(blocks=st.lists(st.integers(1, 40), min_size=1, max_size=12))
@MANY
def test_ids_and_flags_stay_with_their_points(blocks: Any) -> None:
    source = reservoir(20)
    for number, count in enumerate(blocks):
        feed(source, sum(blocks[:number]), count)
    taken = source.take()
    assert numbers(taken) == taken.cluster_ids.tolist()
    assert [n % 2 == 1 for n in numbers(taken)] == taken.is_outlier.tolist()


@pytest.mark.parametrize("blocks", [[40], [1] * 40, [3, 30, 7], [10, 30]], ids=str)
def test_every_point_is_as_likely_as_any_other(blocks: list[int]) -> None:
    counts = np.zeros(40)
    source = reservoir(10)
    for _ in range(TRIALS):
        for number, count in enumerate(blocks):
            feed(source, sum(blocks[:number]), count)
        counts[numbers(source.take())] += 1
    # Binomial, and 5 standard deviations off is one chance in a million.
    expected, deviation = TRIALS / 4, (TRIALS * 0.25 * 0.75) ** 0.5
    assert (np.abs(counts - expected) < 5 * deviation).all()


def test_the_beginning_of_a_sample_is_a_sample_too() -> None:
    counts = np.zeros(40)
    source = reservoir(20)
    for _ in range(TRIALS):
        feed(source, 0, 40)
        counts[numbers(source.take())[:10]] += 1
    expected, deviation = TRIALS / 4, (TRIALS * 0.25 * 0.75) ** 0.5
    assert (np.abs(counts - expected) < 5 * deviation).all()


def test_the_same_seed_gives_the_same_sample() -> None:
    one, same, other = reservoir(10, 1), reservoir(10, 1), reservoir(10, 2)
    for source in (one, same, other):
        feed(source, 0, 1000)
    sample = numbers(one.take())
    assert numbers(same.take()) == sample != numbers(other.take())


def test_what_was_taken_does_not_come_again() -> None:
    source = reservoir(10)
    feed(source, 0, 100)
    first = source.take()
    assert len(source.take().points) == 0
    feed(source, 100, 5)
    assert sorted(numbers(source.take())) == [100, 101, 102, 103, 104]
    assert max(numbers(first)) < 100


def test_points_of_many_coordinates_are_fewer() -> None:
    assert 250 == reservoir(10_000, dimension=1000).size
    assert 10_000 == reservoir(10_000, dimension=25).size


def test_points_are_kept_to_their_last_digit() -> None:
    source = reservoir(1)
    point = np.array([[1e6 + 1e-9]])
    source.add(point, np.array([0]), np.array([False]))
    assert point.tolist() == source.take().points.tolist()
