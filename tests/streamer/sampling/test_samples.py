from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ncs_engine import LearnResult
from ncs_protocol import Code, NcsError
from ncs_protocol.messages import Sample
from ncs_streamer.entry import Entry
from ncs_streamer.sampling.samples import Kind, Samples
from ncs_streamer.stream_model import Applied

pytestmark = pytest.mark.unit


def join(samples: Samples, **options: Any) -> Kind:
    return samples.join(Sample(**options))


def learn(samples: Samples, count: int = 10, dimension: int = 2) -> None:
    block = np.arange(1.0 * count * dimension).reshape(count, dimension)
    ids, flags = np.zeros(count, np.int64), np.zeros(count, bool)
    result = LearnResult(ids, flags, flags.astype(np.float32))
    entry = Entry(kind="points", ingest_ns=1, points=block)
    samples.applied(entry, Applied(1, accepted=count, result=result))
    samples.note_news()


def reset(samples: Samples) -> None:
    samples.applied(Entry(kind="reset", ingest_ns=1), Applied(1))


def test_readers_that_ask_for_the_same_share_it() -> None:
    samples = Samples(0)
    assert join(samples) is join(samples, max_points=500, dimensions=2)
    assert join(samples, dimensions=3) is not join(samples, dimensions=[0, 1])
    assert 3 == len(samples.kinds)


def test_with_the_last_reader_the_sample_goes() -> None:
    samples = Samples(0)
    one, same, other = join(samples), join(samples), join(samples, dimensions=3)
    samples.leave(one)
    assert (same, other) == samples.kinds
    samples.leave(same)
    assert (other,) == samples.kinds


def test_there_are_only_so_many_kinds() -> None:
    samples = Samples(0)
    kinds = [join(samples, max_points=n) for n in range(1, 9)]
    with pytest.raises(NcsError) as caught:
        join(samples, max_points=9)
    assert Code.TOO_MANY_SAMPLES is caught.value.code
    join(samples, max_points=8)  # one that there is
    samples.leave(kinds[0])
    join(samples, max_points=9)


def test_a_sample_is_due_at_its_rate_and_only_if_there_is_news() -> None:
    samples = Samples(0)
    kind = join(samples, max_hz=2.0)
    assert ([], None) == samples.due(0.0)
    learn(samples)
    assert ([kind], None) == samples.due(0.0)
    assert ([], None) == samples.due(0.1)
    learn(samples)
    assert ([], 0.4) == samples.due(0.1)
    assert ([kind], None) == samples.due(0.5)


def test_each_kind_has_its_rate() -> None:
    samples = Samples(0)
    fast, slow = join(samples, max_hz=10), join(samples, max_hz=1)
    learn(samples)
    assert ([fast, slow], None) == samples.due(0.0)
    learn(samples)
    assert ([fast], 0.5) == samples.due(0.5)
    learn(samples)
    assert ([fast, slow], None) == samples.due(1.0)


def test_nobody_gets_more_than_twenty_a_second() -> None:
    samples = Samples(0)
    join(samples, max_hz=1000)
    learn(samples)
    samples.due(0.0)
    learn(samples)
    assert ([], 0.05) == samples.due(0.0)


@pytest.mark.parametrize("blocks", [[10], [1] * 10, [6000, 1], [4095, 1, 1]], ids=str)
def test_every_kind_sees_every_point_since_its_own_last_sample(
    blocks: list[int],
) -> None:
    samples = Samples(0)
    one, other = join(samples, max_points=3), join(samples, dimensions=3)
    for count in blocks:
        learn(samples, count)
    first = samples.take(one)
    learn(samples, 5)
    second, both = samples.take(one), samples.take(other)
    assert first is not None and second is not None and both is not None
    seen = (first.learned, second.learned, both.learned)
    assert (sum(blocks), 5, sum(blocks) + 5) == seen


def test_after_a_reset_what_waited_is_dropped_too() -> None:
    samples = Samples(0)
    kind = join(samples)
    learn(samples, 10)
    reset(samples)
    assert samples.take(kind) is None
    learn(samples, 3)
    sample = samples.take(kind)
    assert sample is not None
    assert 3 == sample.learned


def test_points_of_another_dimension_do_not_wait_together() -> None:
    samples = Samples(0)
    kind = join(samples)
    learn(samples, 10, dimension=2)
    learn(samples, 4, dimension=5)
    sample = samples.take(kind)
    assert sample is not None
    assert 4 == sample.learned


def test_what_came_by_for_an_earlier_reader_is_not_for_a_later_one() -> None:
    samples = Samples(0)
    samples.leave(join(samples))
    learn(samples, 10)  # as a turn that was under way
    kind = join(samples)
    learn(samples, 3)
    sample = samples.take(kind)
    assert sample is not None
    assert 3 == sample.learned


def test_an_entry_without_points_changes_nothing() -> None:
    samples = Samples(0)
    kind = join(samples)
    learn(samples, 3)
    samples.applied(Entry(kind="configure", ingest_ns=1), Applied(2))
    sample = samples.take(kind)
    assert sample is not None
    assert 3 == sample.learned
