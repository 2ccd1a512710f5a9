from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncs_streamer.outbox import Outbox

pytestmark = pytest.mark.unit


def test_frames_leave_in_the_order_in_which_they_came() -> None:
    outbox = Outbox(100)
    for frame in (b"a", b"bb", b"c"):
        outbox.push(frame)
    assert outbox.take() == [b"a", b"bb", b"c"]


def test_an_outbox_is_true_while_something_waits() -> None:
    outbox = Outbox(100)
    states = [bool(outbox)]
    outbox.push(b"a")
    states.append(bool(outbox))
    outbox.take()
    assert [*states, bool(outbox)] == [False, True, False]


def test_what_was_taken_is_not_taken_again() -> None:
    outbox = Outbox(100)
    outbox.push(b"a")
    outbox.take()
    assert outbox.take() == []


def test_bytes_count_until_they_are_written() -> None:
    outbox = Outbox(100)
    outbox.push(b"aaaa")
    outbox.push(b"bb")
    counts = [outbox.waiting_bytes]
    outbox.take()
    counts.append(outbox.waiting_bytes)
    outbox.written(4)
    assert [*counts, outbox.waiting_bytes] == [6, 6, 2]


def test_frames_up_to_exactly_the_bound_are_queued() -> None:
    outbox = Outbox(3)
    assert [outbox.push(b"aa"), outbox.push(b"b")] == [True, True]
    assert not outbox.overflowed


def test_the_frame_that_does_not_fit_is_dropped_and_marks_the_outbox() -> None:
    outbox = Outbox(3)
    assert [outbox.push(b"aa"), outbox.push(b"bb")] == [True, False]
    assert (outbox.overflowed, outbox.take()) == (True, [b"aa"])


def test_a_dropped_frame_is_not_counted() -> None:
    outbox = Outbox(3)
    outbox.push(b"aa")
    outbox.push(b"bb")
    assert outbox.waiting_bytes == 2


def test_after_an_overflow_everything_is_dropped_even_if_it_would_fit() -> None:
    outbox = Outbox(3)
    outbox.push(b"aaaa")
    assert not outbox.push(b"a")


def test_after_an_overflow_nothing_passes_when_there_is_room_again() -> None:
    outbox = Outbox(3)
    outbox.push(b"aaa")
    outbox.push(b"b")
    outbox.take()
    outbox.written(3)
    assert (outbox.push(b"c"), outbox.take()) == (False, [])


def test_what_is_taken_and_not_written_still_takes_room() -> None:
    outbox = Outbox(3)
    outbox.push(b"aaa")
    outbox.take()
    assert not outbox.push(b"b")


def test_what_is_written_makes_room() -> None:
    outbox = Outbox(3)
    outbox.push(b"aaa")
    outbox.take()
    outbox.written(3)
    assert outbox.push(b"bbb")


steps = st.lists(st.integers(0, 20) | st.just("take") | st.just("write"), max_size=40)


@given(steps)
@settings(deadline=None, derandomize=True)
def test_what_comes_out_is_a_beginning_of_what_went_in(
    steps: list[int | str],
) -> None:
    outbox = Outbox(50)
    pushed: list[bytes] = []
    taken: list[bytes] = []
    unwritten = 0
    for number, step in enumerate(steps):
        if isinstance(step, int):
            pushed.append(number.to_bytes(1, "big") * step)
            outbox.push(pushed[-1])
        elif step == "take":
            taken += (frames := outbox.take())
            unwritten += sum(map(len, frames))
        else:
            outbox.written(unwritten)
            unwritten = 0
        assert 0 <= outbox.waiting_bytes <= outbox.max_bytes
    taken += outbox.take()
    assert taken == pushed[: len(taken)]
    assert outbox.overflowed or len(taken) == len(pushed)
