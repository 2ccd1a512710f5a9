import itertools
from typing import Any

import pytest

from ncs_protocol.messages import (
    Ack,
    AlgorithmStatus,
    ClusterUpdate,
    ClusterUpdateEvent,
    DeliveryClass,
    Error,
    Resume,
    ServerMessage,
    Skip,
    Snapshot,
    Subscribed,
    Welcome,
)
from ncs_streamer.verify.ledger import (
    ProducerLedger,
    ReaderLedger,
    Told,
    Violation,
    take_down,
)

pytestmark = pytest.mark.unit


def ledger(sent: int = 0) -> ProducerLedger:
    clock = itertools.count()
    ledger = ProducerLedger("gw", lambda: float(next(clock)))
    for seq in range(1, sent + 1):
        ledger.transmitted(seq)
    return ledger


def kinds(violations: list[Violation]) -> list[str]:
    return [violation.kind for violation in violations]


def ack(seq: int, duplicate: bool = False) -> Ack:
    return Ack(
        stream="s", seq=seq, offset=1, model_version=1, accepted=1, credit=1,
        duplicate=duplicate,
    )  # fmt: skip


def welcome(resume: dict[str, Resume]) -> Welcome:
    return Welcome(
        session="x",
        server_time=0.0,
        versions={},
        limits={},
        durability="local",
        heartbeat_s=1.0,
        credit=1,
        resume=resume,
    )


def test_an_ack_covers_everything_before_it_and_is_timed_from_the_first_sending() -> (
    None
):
    books = ledger(sent=3)  # at 0, 1 and 2
    books.transmitted(2)
    books.acknowledged(3, duplicate=False)  # at 3
    assert (3, 3, 1) == (books.sent, books.acked, books.again)
    assert [3.0, 2.0, 1.0] == books.waits_s
    assert [] == books.violations


def test_a_duplicate_is_counted_and_covers_nothing_new() -> None:
    books = ledger(sent=3)
    books.acknowledged(3, duplicate=False)
    books.acknowledged(1, duplicate=True)
    assert (3, 1) == (books.acked, books.duplicates)
    assert [] == books.violations


def test_a_server_that_knows_less_than_it_acknowledged_has_taken_an_ack_back() -> None:
    books = ledger(sent=3)
    books.acknowledged(3, duplicate=False)
    books.welcomed(2)
    assert ["ack taken back"] == kinds(books.violations)
    assert "producer gw: batch 3" in books.violations[0].detail


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    books = ledger(sent=1)
    books.acknowledged(2, duplicate=False)
    books.welcomed(5)
    assert ["phantom", "phantom"] == kinds(books.violations)


def test_messages_of_the_server_go_to_the_right_column() -> None:
    books = ledger(sent=4)
    resume = {"s": Resume(producer_epoch=1, last_seq=3)}
    refusal = Error(
        code="seq_gap", blame="client", retry="rewind", detail="", seq=4, stream="s"
    )
    messages: list[ServerMessage] = [ack(1), welcome(resume), ack(2, True), refusal]
    for message in messages:
        take_down(books, "s", message)
    assert (3, 1, {"seq_gap": 1}) == (books.acked, books.duplicates, books.refusals)
    take_down(books, "s", welcome({}))
    assert ["ack taken back"] == kinds(books.violations)


def subscribed(recovered: bool, **offsets: int) -> Subscribed:
    status = AlgorithmStatus(**dict.fromkeys(AlgorithmStatus.__struct_fields__, 0))
    snapshot = Snapshot(model_version=1, dimension=1, clusters=[], status=status)
    at: Any = {"lossless": 0, "keyed": 0, "latest": 0, **offsets}
    return Subscribed(
        id="s1",
        stream="s",
        epoch="e",
        offsets=at,
        recovered=recovered,
        snapshot=None if recovered else snapshot,
    )


def event(offset: int, size: int = 1) -> ClusterUpdateEvent:
    data = ClusterUpdate(cluster_id=1, change="created", size=size, quality=0.0)
    return ClusterUpdateEvent(
        stream="s", delivery="lossless", epoch="e", offset=offset, key=1, data=data
    )


def skip(first: int, last: int, delivery: DeliveryClass = "lossless") -> Skip:
    return Skip(stream="s", delivery=delivery, epoch="e", from_=first, to=last)


def read(*messages: ServerMessage, told: Told | None = None) -> ReaderLedger:
    reader = ReaderLedger("r", {} if told is None else told)
    for message in messages:
        reader.take_down(message)
    return reader


def test_events_that_follow_each_other_over_a_reconnect_are_in_order() -> None:
    reader = read(
        subscribed(False, lossless=4),
        event(5),
        skip(1, 7, "latest"),
        event(6),
        subscribed(True, lossless=6),
        event(7),
    )
    assert ([], 3, 0) == (reader.violations, reader.events, reader.gaps_told)
    assert 1 == reader.recoveries


def test_lossless_events_are_not_to_be_skipped() -> None:
    reader = read(subscribed(False), event(1), skip(2, 3), event(4))
    assert ["silent gap"] == kinds(reader.violations)


def test_a_gap_is_silent_unless_the_reader_is_told() -> None:
    reader = read(subscribed(False), event(1), event(3))
    assert ["silent gap"] == kinds(reader.violations)
    reader = read(subscribed(False), event(1), subscribed(False, lossless=5), event(6))
    assert ([], 1) == (reader.violations, reader.gaps_told)


def test_a_recovery_that_goes_on_elsewhere_hides_a_gap() -> None:
    reader = read(subscribed(False), event(1), subscribed(True, lossless=2))
    assert ["silent gap"] == kinds(reader.violations)
    other = subscribed(True)
    other.epoch = "other"
    assert ["silent gap"] == kinds(read(subscribed(False), other).violations)


def test_an_event_comes_once() -> None:
    reader = read(subscribed(False), event(1), event(1))
    assert ["event repeated"] == kinds(reader.violations)


def test_an_event_says_the_same_to_everyone() -> None:
    told: Told = {}
    assert [] == read(subscribed(False), event(1), told=told).violations
    assert [] == read(subscribed(False), event(1), told=told).violations
    reader = read(subscribed(False), event(1, size=2), told=told)
    assert ["event changed"] == kinds(reader.violations)
