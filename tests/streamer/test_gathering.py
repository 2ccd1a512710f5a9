"""Which frames that came together are one batch, and that nobody can tell the
difference but by the numbers of offsets."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from link import MemoryLink, MemoryServer
from properties import examples

from ncs_protocol import MSGPACK, Limits, ScaledArray
from ncs_protocol.messages import (
    Ack,
    ClusterUpdateEvent,
    Error,
    Hello,
    Ping,
    Points,
    ServerMessage,
    Subscribe,
)
from ncs_streamer.effects import Send
from ncs_streamer.gathering import Arrived, Gathering, join

pytestmark = pytest.mark.unit


def listed(seq: int, count: int = 1, **more: Any) -> Points:
    points = [[float(seq), float(i)] for i in range(count)]
    return Points(seq=seq, **({"points": points} | more))


def packed(seq: int, count: int = 1, dtype: str = "f4", d: int = 2) -> Points:
    return Points(seq=seq, array=np.full((count, d), seq, dtype))


def groups(*messages: Points, size: int = 100) -> list[list[int]]:
    """Return the seqs of the batches that frames, come together, are taken as."""
    gathering, found = Gathering(Limits()), list[list[int]]()
    for arrived in (Arrived(message, size) for message in messages):
        if not gathering.add(arrived):
            found.append([frame.message.seq for frame in gathering.take()])
            assert gathering.add(arrived)
    return [*found, [frame.message.seq for frame in gathering.take()]]


def test_frames_that_follow_each_other_are_one_batch() -> None:
    assert groups(listed(1), listed(2), listed(3)) == [[1, 2, 3]]
    assert groups(packed(1), packed(2, 5), packed(3)) == [[1, 2, 3]]


def test_a_number_that_does_not_follow_begins_another_batch() -> None:
    assert groups(listed(1), listed(2), listed(2), listed(4)) == [[1, 2], [2], [4]]


@pytest.mark.parametrize(
    "other",
    [
        listed(2, stream="t"),
        listed(2, metadata={"n": 1}),
        listed(2, timestamps=[5.0]),
        listed(2, event_time=5.0),
        listed(2, results="summary"),
        packed(2),
        Points(seq=2),
        listed(2, array=np.zeros((1, 2))),
        listed(2, points=[]),
        listed(2, timestamps=[5.0, 6.0]),
        Points(seq=2, array=np.zeros(2)),
    ],
    ids=str,
)
def test_a_frame_that_is_different_is_a_batch_of_its_own(other: Points) -> None:
    assert groups(listed(1), other, listed(3)) == [[1], [2], [3]]


@pytest.mark.parametrize("other", [packed(2, dtype="f8"), packed(2, d=3)], ids=str)
def test_arrays_of_another_kind_are_not_joined(other: Points) -> None:
    assert groups(packed(1), other, packed(3)) == [[1], [2], [3]]


def test_the_same_metadata_may_be_shared_and_what_only_equals_it_may_not() -> None:
    ones: list[Any] = [1, 1, True, 1.0]
    frames = [listed(seq, metadata={"n": one}) for seq, one in enumerate(ones, 1)]
    assert groups(*frames) == [[1, 2], [3], [4]]


@pytest.mark.parametrize("depth", [9, 600, 1000])
def test_metadata_that_is_nested_too_deep_is_refused_for_each_frame(depth: int) -> None:
    bottomless: Any = 1
    for _ in range(depth):
        bottomless = {"n": bottomless}
    link = opened("p")
    messages = [listed(seq, stream="s", metadata=bottomless) for seq in (1, 2, 3)]
    gathering = Gathering(Limits())
    assert gathering.add(Arrived(messages[0], 10))
    gathering.add(Arrived(messages[1], 10))  # whatever it says
    for message in messages:
        effects = link.session.receive_points([Arrived(message, 10)] * 2, 0.0)
        assert ["nested_too_deep"] * 2 == [
            effect.message.code
            for effect in effects
            if isinstance(effect, Send) and isinstance(effect.message, Error)
        ]


def test_metadata_that_cannot_be_compared_is_not_joined() -> None:
    odd: list[Any] = [object(), 2**70]
    for value in odd:
        frames = [listed(seq, metadata={"n": value}) for seq in (1, 2)]
        assert groups(*frames) == [[1], [2]]


def test_a_batch_has_no_more_than_1024_points_and_64_kb() -> None:
    found = groups(*(listed(seq, 100) for seq in range(1, 22)))
    assert [len(group) for group in found] == [10, 10, 1]
    found = groups(*(listed(seq) for seq in range(1, 6)), size=30_000)
    assert [len(group) for group in found] == [2, 2, 1]


def test_who_can_not_be_followed_by_its_like_need_not_be_waited_for() -> None:
    gathering = Gathering(Limits())
    assert gathering.add(Arrived(listed(1), 30_000)) and not gathering.is_full
    assert gathering.add(Arrived(listed(2), 10_000)) and gathering.is_full
    gathering.take()
    assert gathering.add(Arrived(listed(3, 600), 10)) and gathering.is_full


def test_what_was_joined_has_all_of_every_frame() -> None:
    frames = [listed(1, 2, timestamps=[1, 2]), listed(2, timestamps=[3])]
    joined = join([Arrived(frame, 10) for frame in frames])
    assert joined == listed(
        2, points=[[1.0, 0.0], [1.0, 1.0], [2.0, 0.0]], timestamps=[1, 2, 3]
    )
    array = join([Arrived(packed(1, 2), 10), Arrived(packed(2), 10)]).array
    assert array.tolist() == [[1, 1], [1, 1], [2, 2]] and array.dtype == "f4"


# Through a session, admission and model

QUIRKS: dict[str, dict[str, Any]] = {
    "metadata": {"metadata": {"site": "x"}},
    "time": {"timestamps": [1.5]},
    "summary": {"results": "summary"},
    "ragged": {"points": [[1.0, 2.0], [3.0]]},
    "nothing": {"points": []},
    "too far": {"points": [[1.0, 1e9]]},
    "wrong dimension": {"points": [[1.0, 2.0, 3.0]]},
    "packed": {"points": None, "array": np.ones((2, 2), "f4")},
    "scaled": {"points": None, "array": ScaledArray(np.ones((1, 2), "i2"), 0.5, 1.0)},
}
"""What may be special about a frame; most frames are plain."""

step = st.tuples(st.just(1), st.sampled_from(["plain"] * 12 + sorted(QUIRKS)))
resend = st.tuples(st.integers(-12, 3), st.just("plain"))
sendings = st.lists(st.one_of(step, step, step, resend), min_size=1, max_size=30)
"""By how much the seq goes on, and what is special."""


def frame(seq: int, number: int, quirk: str) -> bytes:
    # The first coordinate changes by enough for clusters to come, and stay.
    fields: dict[str, Any] = {"points": [[30.0 * (seq % 3), float(seq % 2)]]}
    fields |= QUIRKS.get(quirk, {})
    return MSGPACK.encode(Points(seq=seq, id=f"t{number}", stream="s", **fields))


def opened(producer: str | None) -> MemoryLink:
    link = MemoryServer().connect(MSGPACK)
    link.send(Hello(token="TOKEN", producer=producer))
    return link


def errors(replies: list[ServerMessage]) -> list[Error]:
    return [reply for reply in replies if isinstance(reply, Error)]


@examples(300)
@given(
    sendings,
    st.lists(st.integers(1, 30), max_size=10),
    st.sampled_from(["p", None]),
)
def test_frames_that_come_together_are_taken_as_if_they_came_one_by_one(
    sendings: list[tuple[int, str]], cuts: list[int], producer: str | None
) -> None:
    frames, seq = [], 0
    for number, (on, quirk) in enumerate(sendings):
        seq = max(1, seq + on)
        frames.append(frame(seq, number, quirk))
    alone, together = opened(producer), opened(producer)
    expected, found = list[ServerMessage](), list[ServerMessage]()
    for one in frames:
        alone.send_frame(one)
        expected += alone.take()
    edges = [0, *sorted(cuts), len(frames)]
    for begin, end in itertools.pairwise(edges):
        together.send_frames(frames[begin:end])
        found += together.take()
    assert errors(found) == errors(expected)
    acks = [reply for reply in found if isinstance(reply, Ack)]
    acks_alone = [reply for reply in expected if isinstance(reply, Ack)]
    assert sum(a.accepted for a in acks) == sum(a.accepted for a in acks_alone)
    assert [a.results for a in acks if a.results] == [
        a.results for a in acks_alone if a.results
    ]
    assert {a.seq for a in acks} <= {a.seq for a in acks_alone}
    assert [a.seq for a in acks[-1:]] == [a.seq for a in acks_alone[-1:]]
    assert together.session.in_flight_bytes == 0
    one, other = (link.server.stream("acme", "s").model for link in (alone, together))
    assert other.engine.snapshot() == one.engine.snapshot()
    assert (other.marks, other.lossless) == (one.marks, one.lossless)
    assert other.offset <= one.offset


def test_a_resend_that_reaches_beyond_what_is_known_counts_from_there_on() -> None:
    link = opened("p")
    link.send_frames(frame(seq, seq, "plain") for seq in (1, 2, 3))
    assert [(3, 3, False)] == told(link)
    link.send_frames(frame(seq, seq, "plain") for seq in (2, 3, 4, 5))
    assert [(2, 0, True), (3, 0, True), (4, 1, False), (5, 1, False)] == told(link)
    link.send_frames(frame(seq, seq, "plain") for seq in (1, 2, 3, 4, 5))
    assert [(5, 0, True)] == told(link)
    assert 5 == link.server.stream("acme", "s").model.engine.points_learned


def told(link: MemoryLink) -> list[tuple[int, int, bool]]:
    """Return the acks: seq, accepted, duplicate."""
    acks = [message for message in link.take() if isinstance(message, Ack)]
    return [(ack.seq, ack.accepted, ack.duplicate) for ack in acks]


def test_a_bad_frame_is_named_and_the_good_ones_before_it_go_through() -> None:
    link = opened("p")
    quirks = ["plain", "plain", "too far", "plain"]
    link.send_frames(frame(seq, seq, quirk) for seq, quirk in enumerate(quirks, 1))
    replies = link.take()
    assert [
        ("out_of_range", "t3", 3, 0, None),
        ("seq_gap", "t4", 4, None, 3),
    ] == [(e.code, e.id, e.seq, e.index, e.expected_seq) for e in errors(replies)]
    assert [1, 2] == [reply.seq for reply in replies if isinstance(reply, Ack)]


def test_many_frames_refused_at_once_do_not_end_the_session() -> None:
    link = opened("p")
    link.send_frames(frame(seq, seq, "plain") for seq in range(10, 200))
    assert ["seq_gap"] * 190 == [error.code for error in errors(link.take())]
    assert link.closed is None


def test_many_bad_frames_at_once_end_the_session_as_they_do_one_by_one() -> None:
    link = opened("p")
    link.send_frames(frame(seq, seq, "too far") for seq in range(1, 60))
    assert [*["out_of_range"] * 33, "too_many_errors"] == [
        error.code for error in errors(link.take())
    ]


def test_what_looks_like_a_probe_is_told_of_the_frame_that_it_is_in() -> None:
    link = opened(None)
    odd = [[float(seq == 2)] + [float(i % 2) for i in range(149)] for seq in range(4)]
    odd[2] = [0.0] * 149 + [1.0]
    frames = [Arrived(Points(seq=n, points=[p]), 10) for n, p in enumerate(odd, 1)]
    effects = link.session.receive_points(frames, 0.0)
    assert ["Submit", "Submit", "Suspicious", "Submit", "Submit"] == [
        type(effect).__name__ for effect in effects
    ]
    assert "point 0: more than 95 % zeros" in str(effects[2])


def test_what_comes_between_frames_is_answered_in_its_place() -> None:
    link = opened("p")
    ping = MSGPACK.encode(Ping(id="x"))
    plain = [frame(seq, seq, "plain") for seq in range(1, 5)]
    link.send_frames([*plain[:2], ping, *plain[2:]])
    assert ["ack", "pong", "ack"] == [
        type(message).__struct_config__.tag for message in link.take()
    ]


def test_events_say_which_frames_caused_them() -> None:
    link = opened("p")
    link.send(Subscribe(id="x", stream="s"))
    link.send_frames(frame(seq, seq, "metadata") for seq in (1, 2, 3))
    created, *_ = (m for m in link.take() if isinstance(m, ClusterUpdateEvent))
    cause = created.caused_by
    assert cause is not None
    assert (1, 3) == (cause.from_seq, cause.to_seq)
    assert {"site": "x"} == cause.metadata
