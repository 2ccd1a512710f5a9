import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_streamer.verify.batches import Batches, Mark, mark_of

pytestmark = pytest.mark.unit


@given(st.integers(0, 1023), st.integers(1, 2**24), st.integers(1, 100))
def test_every_point_tells_whose_and_which_it_is(
    producer: int, seq: int, size: int
) -> None:
    batches = Batches(7, producer, size)
    marks = [mark_of(point) for point in batches.block(seq)]
    first = (seq - 1) * size
    assert [Mark(producer, first + i) for i in range(size)] == marks
    assert {seq} == {batches.seq_of(mark) for mark in marks}


def test_a_batch_is_the_same_whenever_it_is_made() -> None:
    assert np.array_equal(Batches(7, 1, 5).block(9), Batches(7, 1, 5).block(9))
    assert not np.array_equal(Batches(7, 1, 5).block(9), Batches(8, 1, 5).block(9))
