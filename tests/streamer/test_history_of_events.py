from __future__ import annotations

import pytest

from ncs_protocol.messages import (
    Cause,
    ClusterUpdate,
    ClusterUpdateEvent,
    EventTimes,
)
from ncs_streamer.encoded import Encoded
from ncs_streamer.history import History, HistoryBounds

pytestmark = pytest.mark.unit


def history(events: int = 100, bytes: int = 1000, age_s: float = 60.0) -> History:
    return History(HistoryBounds(events=events, bytes=bytes, age_s=age_s))


def add(history: History, *offsets: int, size: int = 1, at: float = 0.0) -> None:
    for offset in offsets:
        event = ClusterUpdateEvent(
            stream="s",
            delivery="lossless",
            epoch="e",
            offset=offset,
            data=ClusterUpdate(cluster_id=1, change="created", size=1, quality=1.0),
            caused_by=Cause(offset=offset),
            times=EventTimes(ingest=at, emitted=0.0),
        )
        history.add(Encoded(event), size, at)


def between(history: History, after: int, last: int) -> list[int] | None:
    found = history.between(after, last)
    return None if found is None else [one.event.last for one in found]


def test_everything_after_an_offset_is_there() -> None:
    kept = history()
    add(kept, 1, 2, 3, 4)
    assert between(kept, 2, 4) == [3, 4]
    assert between(kept, 4, 4) == []


def test_a_part_is_nothing() -> None:
    kept = history(events=2)
    add(kept, 1, 2, 3, 4)
    assert between(kept, 1, 4) is None
    assert between(kept, 2, 4) == [3, 4]
    assert between(kept, 3, 5) is None


def test_the_oldest_are_forgotten_by_count() -> None:
    kept = history(events=3)
    add(kept, 1, 2, 3, 4, 5)
    assert kept.forgotten == 2


def test_the_oldest_are_forgotten_by_bytes() -> None:
    kept = history(bytes=10)
    add(kept, 1, 2, size=4)
    assert kept.forgotten == 0
    add(kept, 3, size=4)
    assert kept.forgotten == 1
    add(kept, 4, size=11)  # more than all that may be kept
    assert kept.forgotten == 4
    add(kept, 5)
    assert between(kept, 4, 5) == [5]


def test_the_oldest_are_forgotten_by_age() -> None:
    kept = history(age_s=60.0)
    add(kept, 1, at=0.0)
    add(kept, 2, at=50.0)
    kept.trim(60.0)
    assert kept.forgotten == 0
    kept.trim(60.5)
    assert between(kept, 0, 2) is None
    assert between(kept, 1, 2) == [2]


def test_what_was_before_it_began_is_not_there() -> None:
    kept = history()
    add(kept, 7, 8)
    assert kept.forgotten == 6
    assert between(kept, 5, 8) is None
    assert between(kept, 6, 8) == [7, 8]
