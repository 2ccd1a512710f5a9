from __future__ import annotations

import pytest

from ncs_streamer.door.waits import Waits

pytestmark = pytest.mark.unit


def test_who_is_late_is_told_once() -> None:
    waits: Waits[str] = Waits(10.0)
    waits.begin("a", 0.0)
    waits.begin("b", 5.0)
    assert list(waits.due(9.9)) == []
    assert list(waits.due(10.0)) == ["a"]
    assert list(waits.due(10.0)) == []
    assert list(waits.due(15.0)) == ["b"]


def test_who_is_there_in_time_is_not_late() -> None:
    waits: Waits[str] = Waits(10.0)
    waits.begin("a", 0.0)
    waits.end("a")
    assert list(waits.due(100.0)) == []
    assert "a" not in waits


def test_to_begin_again_does_not_move_the_deadline() -> None:
    waits: Waits[str] = Waits(10.0)
    waits.begin("a", 0.0)
    waits.begin("a", 9.0)
    assert list(waits.due(10.0)) == ["a"]


def test_bytes_move_the_deadline_on_at_the_slowest_rate() -> None:
    waits: Waits[str] = Waits(10.0, bytes_per_s=500)
    waits.begin("a", 0.0)
    waits.arrived("a", 1000)
    assert list(waits.due(11.9)) == []
    assert list(waits.due(12.0)) == ["a"]


def test_a_byte_a_second_does_not_hold_a_place() -> None:
    waits: Waits[str] = Waits(10.0, bytes_per_s=500)
    waits.begin("dribbler", 0.0)
    late = []
    for second in range(1, 12):
        waits.arrived("dribbler", 1)
        late += waits.due(float(second))
    assert late == ["dribbler"]


def test_a_slow_line_that_keeps_its_pace_is_let_finish() -> None:
    waits: Waits[str] = Waits(10.0, bytes_per_s=500)
    waits.begin("gateway", 0.0)
    for second in range(1, 600):
        waits.arrived("gateway", 600)
        assert list(waits.due(float(second))) == []


def test_without_a_rate_bytes_win_no_time() -> None:
    waits: Waits[str] = Waits(10.0)
    waits.begin("a", 0.0)
    waits.arrived("a", 10**9)
    assert list(waits.due(10.0)) == ["a"]


def test_who_may_be_excused_has_as_much_time_more_and_others_have_not() -> None:
    waits: Waits[str] = Waits(10.0)
    waits.begin("a", 0.0)
    waits.postpone(3.0)
    waits.begin("b", 3.0)
    assert list(waits.due(12.9)) == []
    assert list(waits.due(13.0)) == ["a", "b"]
    waits.begin("c", 13.0)
    assert list(waits.due(22.9)) == []
    assert list(waits.due(23.0)) == ["c"]


def test_who_is_not_got_to_is_late_still() -> None:
    waits: Waits[str] = Waits(10.0)
    for who in ("a", "b", "c"):
        waits.begin(who, 0.0)
    assert next(waits.due(10.0)) == "a"
    assert list(waits.due(10.0)) == ["b", "c"]


def test_who_goes_while_others_are_looked_at_is_not_late() -> None:
    waits: Waits[str] = Waits(10.0)
    waits.begin("a", 0.0)
    waits.begin("b", 0.0)
    for who in waits.due(10.0):
        assert who == "a"
        waits.end("b")
