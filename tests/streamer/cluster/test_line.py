"""Batches on their way to the owner: in order, and none of them lost on the way."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_streamer.cluster.line import Batch, Identity, Line
from ncs_streamer.entry import Entry

pytestmark = pytest.mark.unit

MIB = 1024 * 1024


def entry(**fields: object) -> Entry:
    return Entry(kind="points", ingest_ns=1, **fields)  # type: ignore[arg-type]


def batch(seq: int, size: int = 1, *, relayed: bool = False) -> Batch:
    one = entry(producer="p", seq=seq)
    return Batch(one, size, lambda _: None, "none", is_relayed=relayed)


def seqs(batches: Iterable[Batch]) -> list[int]:
    return [one.entry.seq for one in batches]


def send_all(line: Line, ids: Iterator[int]) -> list[int]:
    sent = []
    for one in line.take():
        line.sent(next(ids), one)
        sent.append(one.entry.seq)
    return sent


def test_what_was_not_answered_is_sent_again_in_order() -> None:
    line, ids = Line(), itertools.count()
    for seq in range(1, 5):
        line.add(batch(seq))
    assert send_all(line, ids) == [1, 2, 3, 4]
    assert line.answered(1) is not None  # seq 2
    line.add(batch(5))
    line.begin_anew()
    assert send_all(line, ids) == [1, 3, 4, 5]


def test_an_answer_of_an_attempt_before_counts_no_more() -> None:
    line, ids = Line(), itertools.count()
    line.add(batch(1))
    send_all(line, ids)
    line.begin_anew()
    assert line.answered(0) is None
    assert len(line) == 1


def test_every_attempt_has_a_number_of_its_own() -> None:
    line = Line()
    before = line.number
    line.begin_anew()
    assert line.number > before


def test_what_is_on_its_way_is_bounded_but_one_batch_always_is() -> None:
    line, ids = Line(), itertools.count()
    for seq in (1, 2, 3):
        line.add(batch(seq, 5 * MIB))
    assert send_all(line, ids) == [1]
    line.answered(0)
    assert send_all(line, ids) == [2]


def test_a_batch_that_comes_back_late_takes_its_place() -> None:
    line = Line()
    first, second, third = batch(1), batch(2), batch(3)
    line.add(second)
    line.add(third)
    line.add(first)
    assert seqs(line.take_all()) == [1, 2, 3]


def test_what_other_nodes_sent_is_refused_apart() -> None:
    line = Line()
    for seq in range(1, 5):
        line.add(batch(seq, relayed=seq % 2 == 0))
    assert seqs(line.refuse_relayed()) == [2, 4]
    assert seqs(line.take_all()) == [1, 3]


def test_who_has_no_name_gets_that_of_the_node_once() -> None:
    identity = Identity("a", 7)
    one, two = entry(), entry()
    for given_twice in (one, two, one):
        identity.give(given_twice)
    assert (one.producer, one.producer_epoch, one.seq) == ("@a", 7, 1)
    assert two.seq == 2
    assert one.is_relayed


def test_who_has_a_name_or_a_key_keeps_it() -> None:
    identity = Identity("a", 7)
    named, keyed = entry(producer="p", seq=3), entry(key="k")
    identity.give(named)
    identity.give(keyed)
    assert (named.producer, named.seq) == ("p", 3)
    assert keyed.producer is None


class Owner:
    """Takes each batch once, and none before the one that it follows."""

    def __init__(self) -> None:
        self.has: list[int] = []

    def take(self, seq: int) -> None:
        last = self.has[-1] if self.has else 0
        if seq > last:
            assert seq == last + 1
            self.has.append(seq)


@given(st.lists(st.sampled_from(["add", "send", "answer", "lose"]), max_size=60))
def test_an_owner_that_counts_each_once_has_all_in_order(steps: list[str]) -> None:
    line, ids, added, owner = Line(), itertools.count(), 0, Owner()
    way: deque[tuple[int, int]] = deque()

    def send() -> None:
        for one in line.take():
            id = next(ids)
            line.sent(id, one)
            way.append((id, one.entry.seq))

    def answer() -> None:
        id, seq = way.popleft()
        owner.take(seq)
        line.answered(id)

    for step in steps:
        if step == "add":
            added += 1
            line.add(batch(added))
        elif step == "send":
            send()
        elif step == "answer" and way:
            answer()
        elif step == "lose":
            if way:  # the first has arrived, and its answer is lost
                owner.take(way[0][1])
            way.clear()
            line.begin_anew()
    while len(line):
        send()
        answer()
    assert owner.has == list(range(1, added + 1))
    assert line.bytes == 0
