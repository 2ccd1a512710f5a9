from __future__ import annotations

import pytest

from ncs_streamer.store import Store, StreamKey

pytestmark = pytest.mark.unit

A, B = StreamKey("acme", "a"), StreamKey("acme", "b")
STRANGER = StreamKey("other", "a")
ALL = 2**62


def events(*offsets: int, text: str = "") -> list[tuple[int, bytes]]:
    return [(offset, f"{text}{offset}".encode()) for offset in offsets]


async def recent(store: Store, key: StreamKey = A, through: int = ALL) -> list[int]:
    return [offset for offset, _ in await store.history.recent(key, through)]


async def test_a_stream_without_events_has_none(store: Store) -> None:
    assert await recent(store) == []


async def test_events_come_back_in_their_order(store: Store) -> None:
    await store.history.record(A, events(1, 2, 3), forget=0)
    assert await store.history.recent(A, ALL) == events(1, 2, 3)


@pytest.mark.parametrize(
    ("through", "expected"), [(0, []), (1, [1]), (2, [1, 2]), (3, [1, 2, 3])]
)
async def test_events_are_told_up_to_an_offset(
    store: Store, through: int, expected: list[int]
) -> None:
    await store.history.record(A, events(1, 2, 3), forget=0)
    assert await recent(store, through=through) == expected


async def test_what_may_be_forgotten_is_forgotten(store: Store) -> None:
    for offset in range(1, 8):
        await store.history.record(A, events(offset), forget=offset - 3)
    assert await recent(store) == [5, 6, 7]


async def test_what_is_recorded_may_be_forgotten_at_once(store: Store) -> None:
    await store.history.record(A, events(*range(1, 100)), forget=97)
    assert await recent(store) == [98, 99]


async def test_nothing_is_forgotten_that_need_not_be(store: Store) -> None:
    await store.history.record(A, events(1, 2, 3), forget=0)
    assert await recent(store) == [1, 2, 3]


async def test_all_may_be_forgotten(store: Store) -> None:
    await store.history.record(A, events(1, 2, 3), forget=0)
    await store.history.record(A, [], forget=3)
    assert await recent(store) == []


async def test_an_event_that_is_there_is_left_as_it_is(store: Store) -> None:
    await store.history.record(A, events(1, 2), forget=0)
    await store.history.record(A, events(1, 2, 3, text="again"), forget=0)
    assert await store.history.recent(A, ALL) == [(1, b"1"), (2, b"2"), (3, b"again3")]


async def test_recording_nothing_changes_nothing(store: Store) -> None:
    await store.history.record(A, events(1), forget=0)
    await store.history.record(A, [], forget=0)
    assert await recent(store) == [1]


async def test_each_stream_has_its_own(store: Store) -> None:
    for key in (A, B, STRANGER):
        await store.history.record(key, events(1, 2, text=key.tenant), forget=0)
    await store.history.record(A, events(3, 4), forget=3)
    found = [await recent(store, key) for key in (A, B, STRANGER)]
    assert found == [[4], [1, 2], [1, 2]]


async def test_tenants_do_not_see_each_other(store: Store) -> None:
    await store.history.record(A, [(1, b"ours")], forget=0)
    assert await store.history.recent(STRANGER, ALL) == []


async def test_a_history_that_is_cleared_is_empty_and_others_are_not(
    store: Store,
) -> None:
    for key in (A, B):
        await store.history.record(key, [(1, b""), (2, b"")], forget=0)
    await store.history.clear(A)
    assert await store.history.recent(A, 9) == []
    assert len(await store.history.recent(B, 9)) == 2
