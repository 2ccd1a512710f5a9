from __future__ import annotations

import pytest

from ncs_streamer.store import StreamKey
from ncs_streamer.store.redis.recent import Recent

pytestmark = pytest.mark.unit

A, B = StreamKey("acme", "a"), StreamKey("acme", "b")


def test_what_came_after_a_tail_is_there() -> None:
    recent = Recent(10_000)
    for offset in (4, 5, 6):
        recent.add(A, offset, b"%d" % offset)
    assert recent.after(A, 4) == [(5, b"5"), (6, b"6")]
    assert recent.after(A, 3) == [(4, b"4"), (5, b"5"), (6, b"6")]
    assert recent.after(A, 6) == []
    assert recent.tails() == {A: 6}


def test_what_is_not_all_there_is_not_told() -> None:
    recent = Recent(10_000)
    recent.add(A, 4, b"")
    assert (recent.after(A, 2), recent.after(B, 0)) == (None, None)


def test_the_oldest_makes_way_whichever_streams_it_is() -> None:
    recent = Recent(1000)
    for offset in (1, 2):
        recent.add(A, offset, bytes(100))
    recent.add(B, 7, bytes(100))
    recent.add(B, 8, bytes(100))
    assert (recent.after(A, 1), recent.after(B, 6) is not None) == (
        [(2, bytes(100))],
        True,
    )
    recent.add(B, 9, bytes(700))
    assert (recent.after(A, 1), recent.tails()) == (None, {B: 9})
    recent.add(B, 10, bytes(5000))
    assert recent.after(B, 9) == [(10, bytes(5000))]


def test_a_stream_that_is_taken_up_again_begins_anew() -> None:
    recent = Recent(10_000)
    recent.add(A, 4, b"")
    recent.add(A, 9, b"nine")
    assert (recent.after(A, 3), recent.after(A, 8)) == (None, [(9, b"nine")])


def test_what_is_forgotten_takes_no_room() -> None:
    recent = Recent(700)
    recent.add(B, 1, b"")
    for n in range(1, 50):
        recent.add(A, n, bytes(100))
        recent.forget(A)
    assert recent.tails() == {B: 1}
