from __future__ import annotations

import importlib
import sys
from unittest.mock import patch

import pytest

from ncs_streamer.store import (
    Append,
    MemoryStore,
    SqliteStore,
    Store,
    StoreError,
    StreamKey,
)

pytestmark = pytest.mark.unit

A, B = StreamKey("acme", "a"), StreamKey("acme", "b")
STRANGER = StreamKey("other", "a")


def test_each_store_names_its_level_of_durability() -> None:
    assert (MemoryStore.durability, SqliteStore.durability) == ("memory", "local")


async def test_a_new_store_has_no_streams(store: Store) -> None:
    assert await store.streams() == []


async def test_streams_are_listed_in_order(store: Store) -> None:
    for key in (STRANGER, B, A):
        await store.journal.append([Append(key, 1, b"")])
    assert await store.streams() == [A, B, STRANGER]


async def test_a_stream_is_listed_by_tenant_and_name(store: Store) -> None:
    await store.journal.append([Append(A, 1, b"")])
    (found,) = await store.streams()
    assert (type(found), found.tenant, found.stream) == (StreamKey, "acme", "a")


async def test_a_stream_with_a_snapshot_alone_is_listed(store: Store) -> None:
    await store.snapshots.save(A, 5, b"")
    assert await store.streams() == [A]


async def test_a_stream_that_was_truncated_is_listed(store: Store) -> None:
    await store.journal.append([Append(A, 1, b"")])
    await store.journal.truncate(A, 1)
    assert await store.streams() == [A]


async def test_a_stream_whose_first_entry_was_refused_is_not_listed(
    store: Store,
) -> None:
    with pytest.raises(StoreError):
        await store.journal.append([Append(B, 2, b"")])
    assert await store.streams() == []


async def test_a_stream_of_events_alone_is_not_listed(store: Store) -> None:
    await store.history.record(A, [(1, b"")], forget=0)
    assert await store.streams() == []


async def test_a_check_passes_and_leaves_nothing_to_be_seen(store: Store) -> None:
    await store.check(4096)
    await store.check(4096)
    assert (await store.streams(), await store.directory.users()) == ([], [])


async def test_a_stream_that_is_replaced_is_its_snapshot_and_goes_on_behind_it(
    store: Store,
) -> None:
    for key in (A, B):
        await store.journal.append([Append(key, n, b"%d" % n) for n in range(1, 6)])
        await store.snapshots.save(key, 2, b"two")
        await store.history.record(key, [(7, b"seven")], 0)
    await store.replace(A, 9, b"model")
    assert (await store.journal.read(A, 0, 99), await store.journal.tail(A)) == ([], 9)
    assert await store.snapshots.load(A) == [(9, b"model")]
    assert await store.history.recent(A, 99) == []
    await store.journal.append([Append(A, 10, b"next")])
    await store.history.record(A, [(3, b"three")], 0)
    assert await store.journal.read(A, 0, 99) == [(10, b"next")]
    assert await store.history.recent(A, 99) == [(3, b"three")]
    assert await store.snapshots.load(B) == [(2, b"two")]
    assert len(await store.journal.read(B, 0, 99)) == 5


async def test_a_stream_can_be_set_back_by_replacing_it(store: Store) -> None:
    await store.journal.append([Append(A, n, b"old") for n in range(1, 6)])
    await store.replace(A, 2, b"model")
    await store.journal.append([Append(A, 3, b"new")])
    assert await store.journal.read(A, 0, 9) == [(3, b"new")]


@pytest.mark.parametrize(
    "name", ["ncs_streamer.store", "ncs_streamer.store.contracts", "ncs_streamer.auth"]
)
def test_it_can_be_the_first_import_of_a_process(name: str) -> None:
    others = {n: m for n, m in sys.modules.items() if not n.startswith("ncs_streamer")}
    with patch.dict(sys.modules, others, clear=True):
        importlib.import_module(name)
