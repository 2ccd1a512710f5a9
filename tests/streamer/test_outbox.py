"""The outbox as transcripts: what is queued, what leaves, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_protocol.messages import (
    DELIVERY_CLASSES,
    CaughtUp,
    ClusterUpdate,
    ClusterUpdateEvent,
    Lagging,
)
from ncs_streamer.encoded import Encoded
from ncs_streamer.lanes import Lanes
from ncs_streamer.outbox import Outbox, Patience
from ncs_streamer.wire import Frame

pytestmark = pytest.mark.unit

PATIENCE = Patience(max_bytes=100, lagging_s=1.0, skipping_s=5.0, hopeless_s=60.0)
ROOM = 10**6


def event(delivery: Any, first: int, last: int, key: int | None = None) -> Encoded:
    data = ClusterUpdate(cluster_id=key or 0, change="updated", size=1, quality=0.5)
    place = {"offset": last} if first == last else {"from_": first, "to": last}
    return Encoded(
        ClusterUpdateEvent(
            stream="s", delivery=delivery, epoch="e", key=key, data=data, **place
        )
    )


def frame_of(words: str) -> Frame:
    return Frame(words.encode(), len(words))


def notice(message: Lagging | CaughtUp) -> Frame:
    if isinstance(message, CaughtUp):
        return frame_of(f"caught up, skipped {message.skipped}")
    return frame_of(
        f"{message.level}, skipped {message.skipped}, {message.behind_ms} ms"
    )


class Names:
    """Makes frames that say what they are."""

    def event(self, encoded: Encoded, first: int, told: Mapping[Any, int]) -> Frame:
        one = encoded.event
        assert told[one.delivery] == one.last
        name = {"lossless": "A", "keyed": f"B{one.key}", "latest": "C"}[one.delivery]
        return frame_of(f"{name} {first}-{one.last}")

    def skip(
        self, delivery: Any, first: int, last: int, told: Mapping[Any, int]
    ) -> Frame:
        assert told[delivery] == last
        return frame_of(f"skip {delivery} {first}-{last}")


class Desk:
    """An outbox with subscriptions, and a clock that is set by hand."""

    def __init__(self, subscriptions: int = 1, **patience: Any) -> None:
        bounds = {name: getattr(PATIENCE, name) for name in PATIENCE.__slots__}
        self.box = Outbox(Patience(**bounds | patience), notice)
        self.now = 0.0
        told = dict.fromkeys(DELIVERY_CLASSES, 0)
        self.lanes = [self.box.open(Names(), told) for _ in range(subscriptions)]

    def add(self, *events: Encoded, to: int = 0, size: int = 6) -> None:
        for one in events:
            self.box.add(self.lanes[to], one, size, self.now)

    def reply(self, words: str) -> None:
        self.box.reply(frame_of(words), self.now)

    def take(self, room: int = ROOM) -> list[str]:
        return [data.decode() for data in self.box.take(room, self.now)]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.box.check(self.now)

    def renew(self, lossless: int, keyed: int, latest: int = 0, to: int = 0) -> None:
        told = dict.fromkeys(DELIVERY_CLASSES, 0)
        told |= {"lossless": lossless, "keyed": keyed, "latest": latest}
        self.box.begin(self.lanes[to], frame_of("snapshot"), told, self.now)


def lossless(*offsets: int) -> list[Encoded]:
    return [event("lossless", offset, offset) for offset in offsets]


def keyed(key: int, first: int, last: int | None = None) -> Encoded:
    return event("keyed", first, last or first, key)


def latest(offset: int) -> Encoded:
    return event("latest", offset, offset)


# Lanes


def test_answers_come_first_then_a_then_b_then_c() -> None:
    desk = Desk()
    desk.add(latest(1), keyed(7, 1), *lossless(1))
    desk.reply("pong")
    assert desk.take() == ["pong", "A 1-1", "B7 1-1", "C 1-1"]
    assert desk.box.is_empty


def test_lane_a_is_first_in_first_out() -> None:
    desk = Desk()
    desk.add(*lossless(1, 2, 3))
    assert desk.take() == ["A 1-1", "A 2-2", "A 3-3"]


def test_lane_b_keeps_the_latest_of_each_cluster_and_tiles_the_range() -> None:
    desk = Desk()
    desk.add(keyed(1, 1), keyed(2, 2), keyed(1, 3), keyed(3, 4), keyed(2, 5, 6))
    assert desk.take() == ["B1 1-3", "B3 4-4", "B2 5-6"]


def test_lane_c_keeps_one_of_each_type() -> None:
    desk = Desk()
    desk.add(latest(1), latest(2), latest(3))
    assert desk.take() == ["C 1-3"]


def test_what_the_reader_has_already_is_not_queued() -> None:
    desk = Desk()
    desk.renew(lossless=2, keyed=5)
    desk.add(*lossless(1, 2, 3), keyed(1, 2, 4), keyed(2, 5, 7))
    assert desk.take() == ["snapshot", "A 3-3", "B2 6-7"]


def test_what_waits_already_is_not_overtaken_by_what_it_stands_for() -> None:
    desk = Desk()
    desk.add(keyed(1, 1, 4), keyed(2, 5, 8), keyed(1, 2), keyed(3, 6), keyed(2, 9))
    assert desk.take() == ["B1 1-4", "B2 5-9"]


def test_a_lossless_event_after_a_gap_is_preceded_by_a_skip() -> None:
    desk = Desk()
    desk.add(*lossless(4))
    assert desk.take() == ["skip lossless 1-3", "A 4-4"]


def test_a_gap_is_closed_once() -> None:
    desk = Desk()
    for _ in range(2):
        desk.box.close_gap(desk.lanes[0], "lossless", 3, 0.0)
    assert desk.take() == ["skip lossless 1-3"]


def test_what_is_taken_leaves_room_for_the_frame_that_exceeds_it() -> None:
    desk = Desk()
    desk.add(*lossless(1, 2), keyed(1, 1))
    assert [desk.take(room=1), desk.take(room=6), desk.take(room=0)] == [
        ["A 1-1"],
        ["A 2-2", "B1 1-1"],
        [],
    ]


def test_a_subscription_that_had_its_turn_is_after_the_others() -> None:
    desk = Desk(subscriptions=2)
    desk.add(keyed(1, 1), keyed(2, 2), keyed(3, 3))
    desk.add(keyed(9, 1), keyed(8, 2), to=1)
    assert desk.take(room=6) == ["B1 1-1"]
    assert desk.take(room=6) == ["B9 1-1"]
    assert desk.take(room=6) == ["B2 2-2"]


def test_what_waits_for_a_subscription_that_ends_is_forgotten() -> None:
    desk = Desk(subscriptions=2)
    desk.add(*lossless(1), keyed(1, 1), latest(1))
    desk.add(*lossless(1), to=1)
    desk.box.close(desk.lanes[0])
    desk.box.close(desk.lanes[0])
    assert desk.take() == ["A 1-1"]
    assert (desk.box.waiting_bytes, desk.box.is_empty) == (0, True)


# Credit


def test_without_credit_answers_go_and_events_wait() -> None:
    desk = Desk()
    desk.box.grant(1, 100)
    desk.box.spend(1)
    desk.add(*lossless(1), keyed(1, 1))
    desk.reply("pong")
    assert desk.take() == ["pong"]


def test_credit_lets_events_go_and_is_used_up_by_them() -> None:
    desk = Desk()
    desk.box.grant(7, 100)
    desk.add(*lossless(1, 2, 3))
    assert desk.take() == ["A 1-1", "A 2-2"]  # 10 bytes of 7: the last may exceed it
    desk.box.grant(3, 100)
    assert desk.take() == []
    desk.box.grant(1, 100)
    assert desk.take() == ["A 3-3"]


def test_credit_is_bounded() -> None:
    desk = Desk()
    for _ in range(3):
        desk.box.grant(60, 100)
    assert desk.box.credit == 100


# Patience


def test_a_reader_that_lags_is_told_so_and_told_when_it_has_caught_up() -> None:
    desk = Desk()
    desk.add(keyed(1, 1))
    desk.wait(0.5)
    desk.add(keyed(1, 2))
    desk.wait(0.75)
    assert desk.take(room=0) == ["lagging, skipped 1, 1250 ms"]
    assert desk.take(room=0) == []
    assert desk.take() == ["B1 1-2", "caught up, skipped 1"]
    assert desk.take() == []


def test_what_waits_shortly_is_no_lag() -> None:
    desk = Desk()
    desk.add(*lossless(1))
    desk.wait(0.99)
    assert desk.take() == ["A 1-1"]


def test_age_is_that_of_the_oldest_even_if_a_newer_one_took_its_place() -> None:
    desk = Desk()
    desk.add(keyed(1, 1))
    for offset in range(2, 12):
        desk.wait(0.2)
        desk.add(keyed(1, offset))
    assert desk.take() == [
        "lagging, skipped 10, 2000 ms",
        "B1 1-11",
        "caught up, skipped 10",
    ]


def test_lane_b_makes_way_for_a_snapshot_and_lane_a_does_not() -> None:
    desk = Desk()
    desk.add(*lossless(1), keyed(1, 1), keyed(2, 2))
    desk.wait(5.0)
    desk.add(keyed(1, 3), *lossless(2))
    assert desk.box.owing() == []  # lane A is not empty yet
    assert desk.take() == ["skipping, skipped 3, 5000 ms", "A 1-1", "A 2-2"]
    assert desk.box.owing() == [desk.lanes[0]]
    assert not desk.box.is_empty
    desk.add(*lossless(3))
    desk.renew(lossless=3, keyed=4)
    desk.add(keyed(2, 4), keyed(2, 5))
    assert desk.take() == ["A 3-3", "snapshot", "B2 5-5", "caught up, skipped 3"]
    assert desk.box.is_empty


def test_a_snapshot_is_not_asked_for_without_credit() -> None:
    desk = Desk()
    desk.box.grant(1, 100)
    desk.box.spend(1)
    desk.add(keyed(1, 1))
    desk.wait(5.0)
    assert desk.box.owing() == []
    desk.box.grant(1, 100)
    assert desk.box.owing() == [desk.lanes[0]]


def test_who_does_not_read_at_all_is_hopeless_in_the_end() -> None:
    desk = Desk()
    desk.add(keyed(1, 1))
    for _ in range(59):
        desk.wait(1.0)
    assert not desk.box.hopeless
    desk.wait(1.0)
    assert desk.box.hopeless


def test_lane_b_is_dropped_when_bytes_run_out() -> None:
    desk = Desk(max_bytes=20)
    desk.add(keyed(1, 1), keyed(2, 2))
    desk.add(*lossless(1, 2, 3, 4))
    assert not desk.box.hopeless
    assert desk.take() == [
        "skipping, skipped 2, 0 ms",
        "A 1-1",
        "A 2-2",
        "A 3-3",
        "A 4-4",
    ]


def test_what_cannot_be_dropped_and_does_not_fit_is_hopeless() -> None:
    desk = Desk(max_bytes=20)
    desk.add(*lossless(1, 2, 3, 4))
    assert not desk.box.hopeless
    desk.reply("x")
    assert desk.box.hopeless
    assert desk.box.waiting_bytes == 20


# Any order of things

STEPS = st.lists(
    st.sampled_from(["A", "A", "gap", "B0", "B1", "B2", "C", "reply", "take", "bit"])
    | st.sampled_from(["wait", "credit", "long"]),
    max_size=60,
)


@given(STEPS, st.booleans())
@examples(200)
def test_whatever_happens_each_frame_follows_the_one_before(
    steps: list[str], with_credit: bool
) -> None:
    desk = Desk()
    if with_credit:
        desk.box.grant(30, 100)
    at = {"A": 0, "B": 0, "C": 0}
    out: list[str] = []

    def take(room: int) -> None:
        out.extend(desk.take(room))
        for lanes in desk.box.owing():
            assert isinstance(lanes, Lanes)
            out.append(f"renewed {at['A']} {at['B']} {at['C']}")
            desk.renew(at["A"], at["B"], at["C"])

    for step in steps:
        match step:
            case "A" | "C" | "gap":
                lane = "C" if step == "C" else "A"
                at[lane] += 2 if step == "gap" else 1
                kind = "lossless" if lane == "A" else "latest"
                desk.add(event(kind, at[lane], at[lane]))
            case "B0" | "B1" | "B2":
                at["B"] += 1
                desk.add(keyed(int(step[1]), at["B"]))
            case "reply":
                desk.reply("r")
            case "take" | "bit":
                take(ROOM if step == "take" else 6)
            case "wait" | "long":
                desk.wait(1.0 if step == "wait" else 5.0)
            case "credit":
                desk.box.grant(10, 100)
        assert 0 <= desk.box.waiting_bytes <= 100
    if desk.box.hopeless:
        return
    desk.box.credit = None
    take(ROOM)
    take(ROOM)
    assert desk.box.is_empty
    assert desk.box.waiting_bytes == 0
    told, renewed = {"A": 0, "B": 0, "C": 0}, []
    for words in out:
        name, _, place = words.rpartition(" ")
        if words.startswith("renewed"):
            renewed.append([int(w) for w in words.split()[1:]])
        elif words == "snapshot":
            seen, told["B"], told["C"] = renewed.pop(0)
            assert told["A"] == seen
        elif "-" in place:
            lane = "A" if name.startswith("skip") else name[0]
            first, last = map(int, place.split("-"))
            assert first == told[lane] + 1
            assert last >= first
            told[lane] = last
    assert told["A"] == at["A"]
    assert told["B"] == at["B"]
