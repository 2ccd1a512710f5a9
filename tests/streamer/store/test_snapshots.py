from __future__ import annotations

import pytest

from ncs_streamer.store import Store, StreamKey

pytestmark = pytest.mark.unit

A, B = StreamKey("acme", "a"), StreamKey("acme", "b")
STRANGER = StreamKey("other", "a")


async def save(store: Store, key: StreamKey, *offsets: int) -> None:
    for offset in offsets:
        await store.snapshots.save(key, offset, b"%d" % offset)


async def test_a_stream_without_snapshots_has_none(store: Store) -> None:
    assert await store.snapshots.load(A) == []


@pytest.mark.parametrize("payload", [b"", b"\0\xff", b"x" * 2_000_000], ids=len)
async def test_a_snapshot_comes_back(store: Store, payload: bytes) -> None:
    await store.snapshots.save(A, 7, payload)
    assert await store.snapshots.load(A) == [(7, payload)]


async def test_the_newest_comes_first(store: Store) -> None:
    await save(store, A, 5, 9)
    assert await store.snapshots.load(A) == [(9, b"9"), (5, b"5")]


async def test_the_last_two_are_kept(store: Store) -> None:
    await save(store, A, 5, 9, 20, 100)
    assert await store.snapshots.load(A) == [(100, b"100"), (20, b"20")]


async def test_newest_means_the_highest_offset_and_not_the_last_save(
    store: Store,
) -> None:
    await save(store, A, 20, 100, 5)
    assert [offset for offset, _ in await store.snapshots.load(A)] == [100, 20]


async def test_a_snapshot_at_the_same_offset_takes_the_place_of_the_old(
    store: Store,
) -> None:
    await save(store, A, 5, 9)
    await store.snapshots.save(A, 9, b"new")
    assert await store.snapshots.load(A) == [(9, b"new"), (5, b"5")]


async def test_each_stream_keeps_its_own(store: Store) -> None:
    for key in (A, B, STRANGER):
        await save(store, key, 1, 2, 3)
    await save(store, A, 4)
    found = [[n for n, _ in await store.snapshots.load(k)] for k in (A, B, STRANGER)]
    assert found == [[4, 3], [3, 2], [3, 2]]


async def test_a_snapshot_does_not_move_the_journal(store: Store) -> None:
    await save(store, A, 5)
    assert await store.journal.tail(A) == 0


async def test_offsets_are_told_without_the_snapshots(store: Store) -> None:
    for offset in (5, 9, 12):
        await store.snapshots.save(A, offset, b"")
    assert await store.snapshots.offsets(A) == [12, 9]
    assert await store.snapshots.offsets(B) == []
