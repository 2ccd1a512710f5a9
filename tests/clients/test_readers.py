"""Where a subscription stands, and what it passes on of what comes."""

from __future__ import annotations

from typing import Any

import pytest

from ncs_client.errors import RefusedError
from ncs_client.readers import Incoming, Reader, Readers, Wanted
from ncs_protocol.messages import (
    AlgorithmStatus,
    ClusterUpdate,
    ClusterUpdateEvent,
    Error,
    Skip,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
)

pytestmark = pytest.mark.unit

STATUS = AlgorithmStatus(
    is_ready=True, total_points_processed=0, active_clusters=0, algorithm_quality=0.0,
    clustering_quality=0.0, global_stability=0.0, current_dynamic_threshold=0.7,
    outlier_rate=0.0, dimension=None, memory_usage_mb=0.0, avg_processing_time_ms=0.0,
    uptime_seconds=0.0,
)  # fmt: skip


def subscribed(id: str, recovered: bool = False, epoch: str = "e", **at: int) -> Any:
    offsets: Any = {"lossless": 0, "keyed": 0, "latest": 0, "sampled": 0, **at}
    snapshot = Snapshot(model_version=0, dimension=None, clusters=[], status=STATUS)
    return Subscribed(
        id=id, stream="s", epoch=epoch, offsets=offsets, recovered=recovered,
        snapshot=None if recovered else snapshot,
    )  # fmt: skip


def event(first: int, last: int | None = None, epoch: str = "e") -> ClusterUpdateEvent:
    place = {"offset": first} if last is None else {"from_": first, "to": last}
    data = ClusterUpdate(cluster_id=0, change="created", size=1, quality=1.0)
    return ClusterUpdateEvent(
        stream="s", delivery="lossless", epoch=epoch, data=data, **place
    )


def skip(first: int, last: int) -> Skip:
    return Skip(stream="s", delivery="lossless", epoch="e", from_=first, to=last)


def refusal(id: str, code: str, retry: str, after: float | None = None) -> Error:
    return Error(
        code=code, blame="server", retry=retry, detail="no", id=id, retry_after=after
    )


class Room:
    """One subscription that is live at offset 0."""

    def __init__(self) -> None:
        self.got: list[Incoming] = []
        self.failed: list[Exception] = []
        self.readers = Readers()
        self.reader = Reader("", "s", Wanted(), self.got.append, self.failed.append)
        self.readers.add(self.reader)
        self.readers.requests()
        self.readers.subscribed(subscribed("s1"))
        self.got.clear()

    def ranges(self) -> list[tuple[int, int]]:
        return [
            (e.first, e.last) for e in self.got if isinstance(e, ClusterUpdateEvent)
        ]

    def asked_again(self) -> Subscribe:
        self.readers.disconnected()
        (request,) = self.readers.requests()
        assert isinstance(request, Subscribe)
        return request


def test_events_that_follow_are_passed_on_and_old_ones_are_not() -> None:
    room = Room()
    for one in (event(1), event(2, 4), event(3), event(5)):
        assert [] == room.readers.follow(one)
    assert [(1, 1), (2, 4), (5, 5)] == room.ranges()


@pytest.mark.parametrize("bad", [event(3), event(2, epoch="other"), skip(3, 4)])
def test_what_does_not_follow_is_not_passed_on_and_the_reader_begins_anew(
    bad: Any,
) -> None:
    room = Room()
    room.readers.follow(event(1))
    assert [Unsubscribe(id="s1")] == room.readers.follow(bad)
    assert [] == room.readers.follow(event(2)), "it is not live any more"
    assert ([(1, 1)], 1, 0.25) == (room.ranges(), room.reader.gaps, room.readers.rest_s)
    assert [] == room.readers.requests()
    room.readers.due()
    (request,) = room.readers.requests()
    assert isinstance(request, Subscribe)
    assert ("s2", None) == (request.id, request.since)


def test_the_next_event_covers_what_was_skipped_before_it() -> None:
    room = Room()
    for one in (skip(1, 2), skip(3, 5), event(6), skip(7, 7)):
        room.readers.follow(one)
    assert [(1, 6)] == room.ranges()


def test_what_was_skipped_before_a_reconnect_is_covered_after_it() -> None:
    room = Room()
    room.readers.follow(event(1))
    room.readers.follow(skip(2, 3))
    request = room.asked_again()
    assert request.since is not None
    assert 3 == request.since.offsets["lossless"], "what was skipped is not asked for"
    room.readers.subscribed(subscribed(request.id, recovered=True, lossless=3))
    resumed = room.got[-1]
    assert isinstance(resumed, Subscribed)
    assert 1 == resumed.offsets["lossless"], "nor has it been passed on"
    room.readers.follow(event(4))
    assert [(1, 1), (2, 4)] == room.ranges()


def test_a_snapshot_covers_what_was_skipped_itself() -> None:
    room = Room()
    room.readers.follow(skip(1, 3))
    room.readers.subscribed(subscribed("s1", lossless=3))
    room.readers.follow(event(4))
    assert [(4, 4)] == room.ranges()


def test_an_answer_to_an_old_request_is_not_taken() -> None:
    room = Room()
    room.asked_again()
    room.readers.subscribed(subscribed("s1", lossless=9))
    assert [] == room.got


def test_a_refusal_for_now_is_waited_out() -> None:
    room = Room()
    request = room.asked_again()
    room.readers.refused(refusal(request.id, "overloaded", "later", after=2.5))
    assert (2.5, [], []) == (room.readers.rest_s, room.readers.requests(), room.failed)
    room.readers.due()
    assert 1 == len(room.readers.requests())


def test_a_refusal_before_a_reconnect_is_left_to_that() -> None:
    room = Room()
    request = room.asked_again()
    room.readers.refused(refusal(request.id, "draining", "reconnect"))
    assert ([], [], None) == (
        room.readers.requests(), room.failed, room.readers.rest_s,
    )  # fmt: skip
    assert room.asked_again()


def test_a_reader_that_is_paused_hears_nothing_and_goes_on_where_it_was() -> None:
    room = Room()
    room.readers.follow(event(1))
    assert [Unsubscribe(id="s1")] == room.readers.pause(room.reader)
    room.readers.follow(event(2))
    room.readers.disconnected()
    assert [] == room.readers.requests()
    room.readers.resume(room.reader)
    (request,) = room.readers.requests()
    assert isinstance(request, Subscribe) and request.since is not None
    assert ([(1, 1)], 1) == (room.ranges(), request.since.offsets["lossless"])


def test_a_refusal_for_good_ends_it() -> None:
    room = Room()
    request = room.asked_again()
    room.readers.refused(refusal(request.id, "permission_denied", "never"))
    assert [RefusedError] == [type(error) for error in room.failed]
    room.readers.disconnected()
    assert [] == room.readers.requests()
