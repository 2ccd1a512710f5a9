"""Who is there, as a list of what happened and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_protocol.messages import GatewayPresence, GatewayReport, GatewayState, Presence
from ncs_streamer import presence as module
from ncs_streamer.presence import FlappingLimit, Roll
from ncs_streamer.store.contracts import StreamKey

pytestmark = pytest.mark.unit

START = 1_000_000.0
PLANT = StreamKey("acme", "plant")


class Room:
    """A roll whose clock the test turns."""

    def __init__(self, connects: int = 3, window_s: float = 60.0) -> None:
        self.roll = Roll(FlappingLimit(connects, window_s))
        self.now = START

    def connect(
        self, name: str, *streams: str, tenant: str = "acme", label: str | None = None
    ) -> bool:
        """Connect; return whether that is where it begins to flap."""
        wanted = streams or ("plant",)
        return self.roll.connected(tenant, name, wanted, label, self.now)

    def leave(self, name: str, tenant: str = "acme") -> None:
        """Disconnect."""
        self.roll.disconnected(tenant, name, self.now)

    def apply(
        self,
        name: str,
        seq: int,
        *,
        points: int = 1,
        lag_s: float = 0.0,
        key: StreamKey = PLANT,
    ) -> None:
        """Have a batch applied."""
        self.roll.applied(key, name, 7, seq, points, lag_s, self.now)

    def told(
        self, key: StreamKey = PLANT, most: int = 100, subscribers: int = 0
    ) -> Presence:
        """Return what is told of a stream."""
        return self.roll.presence(key, subscribers, self.now, most)

    def row(self, name: str, key: StreamKey = PLANT) -> GatewayPresence:
        """Return what is told of a producer."""
        return next(g for g in self.told(key).gateways if g.producer == name)


def test_a_stream_that_nobody_knows_is_empty() -> None:
    assert Room().told(subscribers=3) == Presence(
        subscribers=3, producers=0, gateways=[]
    )


def test_a_producer_is_there_from_its_hello_on() -> None:
    room = Room()
    room.connect("press-1", label="hall 2")
    assert room.told() == Presence(
        subscribers=0,
        producers=1,
        gateways=[
            GatewayPresence(
                producer="press-1",
                is_connected=True,
                since=START,
                connects=1,
                is_flapping=False,
                connection_id="hall 2",
            )
        ],
    )


def test_it_is_told_on_the_streams_that_it_named_or_pushed_to_only() -> None:
    room = Room()
    room.connect("press-1", "plant", "hall")
    room.apply("press-1", 1, key=StreamKey("acme", "yard"))
    for name, count in {"plant": 1, "hall": 1, "yard": 1, "roof": 0}.items():
        assert room.told(StreamKey("acme", name)).producers == count


def test_tenants_do_not_see_each_other() -> None:
    room = Room()
    room.connect("press-1", tenant="acme")
    room.connect("press-1", tenant="other", label="theirs")
    room.leave("press-1", tenant="other")
    assert room.row("press-1").is_connected
    assert room.row("press-1").connection_id is None
    assert not room.row("press-1", StreamKey("other", "plant")).is_connected
    assert room.told(StreamKey("third", "plant")).gateways == []


def test_it_tells_how_far_and_how_fast_a_producer_is() -> None:
    room = Room()
    room.connect("press-1")
    for seq in range(1, 301):
        room.now += 0.1
        room.apply("press-1", seq, points=50, lag_s=0.25)
    row = room.row("press-1")
    assert (row.producer_epoch, row.last_seq, row.lag_ms) == (7, 300, 250.0)
    assert row.points_per_second == pytest.approx(500, rel=0.06)
    room.now += 10.1  # else presence would change, and be told, for minutes
    assert room.row("press-1").points_per_second == 0.0
    assert room.row("press-1").last_seq == 300


def test_the_newest_report_is_told_with_its_time() -> None:
    room = Room()
    room.connect("press-1")
    room.roll.reported("acme", "press-1", GatewayReport(spool_batches=9), room.now)
    room.now += 5
    report = GatewayReport(spool_batches=4, clock_offset_s=-0.5, dropped_batches=1)
    room.roll.reported("acme", "press-1", report, room.now)
    row = room.row("press-1")
    assert row.reported == START + 5
    assert row.report == GatewayState(
        spool_batches=4, clock_offset_s=-0.5, dropped_batches=1
    )


def test_who_has_gone_is_told_for_a_while_and_then_forgotten() -> None:
    room = Room()
    room.connect("press-1")
    room.now += 10
    room.leave("press-1")
    row = room.row("press-1")
    assert (row.is_connected, row.since, room.told().producers) == (
        False,
        START + 10,
        0,
    )
    room.now += 600
    room.roll.forget_old(room.now)
    assert room.told().gateways
    room.now += 1
    room.roll.forget_old(room.now)
    assert room.told().gateways == []


def test_who_is_there_is_not_forgotten_however_long_it_is_quiet() -> None:
    room = Room()
    room.connect("press-1")
    room.now += 100_000
    room.roll.forget_old(room.now)
    assert room.row("press-1").is_connected


def test_a_producer_that_connects_again_and_again_flaps() -> None:
    room = Room(connects=3, window_s=60)
    begins = []
    for _ in range(5):
        begins.append(room.connect("press-1"))
        room.leave("press-1")
        room.now += 1
    assert begins == [False, False, True, False, False]
    assert room.row("press-1").is_flapping
    assert room.row("press-1").connects == 3


def test_a_producer_that_has_calmed_down_flaps_no_more_and_may_begin_anew() -> None:
    room = Room(connects=2, window_s=60)
    assert [room.connect("press-1"), room.connect("press-1")] == [False, True]
    room.now += 61
    assert not room.row("press-1").is_flapping
    assert not room.connect("press-1")
    assert room.connect("press-1")


def test_a_slow_series_of_connects_is_no_flapping() -> None:
    room = Room(connects=3, window_s=60)
    for _ in range(20):
        assert not room.connect("press-1")
        room.now += 31


def test_those_in_trouble_are_listed_first_and_the_rest_is_counted() -> None:
    room = Room(connects=2)
    for name in ("calm-1", "calm-2", "full", "gone", "flaps"):
        room.connect(name)
    room.connect("flaps")
    room.leave("gone")
    room.roll.reported("acme", "full", GatewayReport(spool_batches=5), room.now)
    names = [gateway.producer for gateway in room.told().gateways]
    assert names == ["flaps", "gone", "full", "calm-1", "calm-2"]
    told = room.told(most=2)
    assert [gateway.producer for gateway in told.gateways] == ["flaps", "gone"]
    assert (told.producers, told.left_out) == (4, 3)


def test_who_had_pushed_before_a_restart_is_recalled_for_a_while() -> None:
    room = Room()
    room.roll.recall(PLANT, {"press-1": (7, 40), "press-2": (7, 3)}, room.now)
    row = room.row("press-1")
    assert (row.is_recalled, row.is_connected) == (True, False)
    assert (row.producer_epoch, row.last_seq, row.since) == (7, 40, START)
    assert (row.connects, row.report, row.lag_ms) == (0, None, None)
    assert room.told().producers == 0
    room.now += 60.0
    room.connect("press-1")
    assert not room.row("press-1").is_recalled
    assert room.row("press-1").last_seq == 40
    room.now += 541.0
    room.roll.forget_old(room.now)
    assert [row.producer for row in room.told().gateways] == ["press-1"]


def test_nobody_who_is_known_is_forgotten_for_who_is_recalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_PRODUCERS", 2)
    room = Room()
    room.connect("there")
    room.roll.recall(PLANT, {"a": (1, 1), "there": (1, 9), "b": (1, 2)}, room.now)
    rows = {row.producer: row for row in room.told().gateways}
    assert set(rows) == {"there", "a"}
    assert rows["there"].is_connected and not rows["there"].is_recalled


def test_who_is_not_known_is_not_made_by_what_it_sends() -> None:
    room = Room()
    room.apply("stranger", 1)
    room.roll.reported("acme", "stranger", GatewayReport(), room.now)
    room.leave("stranger")
    assert room.told().gateways == []


def test_a_tenant_fills_its_own_roll_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_PRODUCERS", 3)
    room = Room()
    for number in range(3):
        room.connect(f"p{number}")
        room.now += 1
    room.connect("late")  # all of the others are there
    assert [g.producer for g in room.told().gateways] == ["p0", "p1", "p2"]
    room.leave("p1")
    room.connect("later")
    assert [g.producer for g in room.told().gateways] == ["later", "p0", "p2"]
    room.connect("p0", tenant="other")
    assert room.told(StreamKey("other", "plant")).producers == 1


def test_who_names_very_many_streams_is_not_told_on_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_MARKS", 5)
    room = Room()
    room.connect("greedy", *(f"s{number}" for number in range(9)))
    room.apply("greedy", 1, key=StreamKey("acme", "s8"))
    told = [room.told(StreamKey("acme", f"s{n}")).producers for n in range(9)]
    assert told == [1] * 5 + [0] * 4
    room.connect("modest", "s0", tenant="other")
    assert room.told(StreamKey("other", "s0")).producers == 1
    room.leave("greedy")
    room.now += 601
    room.roll.forget_old(room.now)
    room.connect("next", "s7")
    assert room.told(StreamKey("acme", "s7")).producers == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["connect", "leave", "apply", "report", "wait", "forget"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["acme", "other"]),
    ),
    max_size=60,
)


@examples(100)
@given(STEPS)
def test_whatever_happens_it_agrees_with_a_list_of_who_is_there(
    steps: list[tuple[str, str, str]],
) -> None:
    room, here = Room(), set[tuple[str, str]]()
    seqs: dict[tuple[str, str], Any] = {}
    for what, name, tenant in steps:
        if what == "connect":
            room.connect(name, tenant=tenant)
            here.add((tenant, name))
        elif what == "leave":
            room.leave(name, tenant)
            here.discard((tenant, name))
        elif what == "apply" and (tenant, name) in here:
            seqs[tenant, name] = seqs.get((tenant, name), 0) + 1
            room.apply(name, seqs[tenant, name], key=StreamKey(tenant, "plant"))
        elif what == "report":
            room.roll.reported(tenant, name, GatewayReport(), room.now)
        elif what == "wait":
            room.now += 100
        else:
            room.roll.forget_old(room.now)
        for each in ("acme", "other"):
            told = room.told(StreamKey(each, "plant"))
            present = {g.producer for g in told.gateways if g.is_connected}
            assert present == {n for t, n in here if t == each}
            assert told.producers == len(present)
            for gateway in told.gateways:
                if gateway.is_connected and (each, gateway.producer) in seqs:
                    assert gateway.last_seq in (0, seqs[each, gateway.producer])


# Other nodes


def call(at: Room, to: Room, node: str = "b") -> None:
    """Have a node, whose roll is `at`, tell another of its producers."""
    for told in at.roll.registered():
        to.roll.hear(node, told, to.now)


def test_producers_of_other_nodes_are_on_the_roll_with_what_they_tell() -> None:
    here, there = Room(), Room()
    there.connect("press-1", "plant", "hall", label="hall 2")
    there.roll.reported("acme", "press-1", GatewayReport(spool_batches=3), START + 5)
    call(there, here)
    here.apply("press-1", 9)
    assert here.row("press-1") == GatewayPresence(
        producer="press-1",
        is_connected=True,
        since=START,
        connects=1,
        is_flapping=False,
        connection_id="hall 2",
        producer_epoch=7,
        last_seq=9,
        points_per_second=0.1,
        lag_ms=0.0,
        report=GatewayState(spool_batches=3),
        reported=START + 5,
    )
    assert 1 == here.told(StreamKey("acme", "hall")).producers
    assert [] == here.roll.registered(), "it told of another's producer"


@pytest.mark.parametrize("how", ["told", "lost"])
def test_who_has_gone_elsewhere_has_gone_here(how: str) -> None:
    here, there = Room(), Room()
    there.connect("press-1")
    call(there, here)
    there.now = here.now = START + 10
    if how == "told":
        there.leave("press-1")
        call(there, here)
    else:
        here.roll.lost("c", here.now)
        assert here.row("press-1").is_connected
        here.roll.lost("b", here.now)
    row = here.row("press-1")
    assert (row.is_connected, row.since) == (False, START + 10)
    assert [] == here.roll.registered(), "it told of another's producer"


def test_who_is_first_heard_of_when_gone_is_not_taken_for_ones_own() -> None:
    here, there = Room(), Room()
    there.connect("press-1")
    there.leave("press-1")
    call(there, here)
    assert not here.row("press-1").is_connected
    assert [] == here.roll.registered()


def test_who_has_come_from_another_node_stays_whatever_that_one_tells_late() -> None:
    here, there = Room(), Room()
    there.connect("press-1")
    call(there, here)
    here.now += 1
    here.connect("press-1")
    call(there, here)
    assert (True, here.now) == (
        here.row("press-1").is_connected,
        here.row("press-1").since,
    )
    there.leave("press-1")
    call(there, here)
    assert here.row("press-1").is_connected
    call(here, there, "a")
    there.leave("press-1")
    assert there.row("press-1").is_connected


def test_a_producer_flaps_whichever_nodes_it_connects_to() -> None:
    rooms = [Room(connects=3), Room(connects=3)]
    for number in range(3):
        at, other = rooms[number % 2], rooms[1 - number % 2]
        at.now = other.now = START + number
        at.connect("press-1")
        call(at, other, str(number % 2))
        call(at, other, str(number % 2))  # again says nothing new
    assert [3, 3] == [room.row("press-1").connects for room in rooms]
    assert all(room.row("press-1").is_flapping for room in rooms)
