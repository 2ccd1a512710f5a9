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
        await store.journal.append([Append(A, 1, b""), Append(B, 2, b"")])
    assert await store.streams() == []


async def test_a_stream_of_events_alone_is_not_listed(store: Store) -> None:
    await store.history.record(A, [(1, b"")], forget=0)
    assert await store.streams() == []


async def test_a_check_passes_and_leaves_nothing_to_be_seen(store: Store) -> None:
    await store.check(4096)
    await store.check(4096)
    assert (await store.streams(), await store.directory.users()) == ([], [])


@pytest.mark.parametrize(
    "name", ["ncs_streamer.store", "ncs_streamer.store.contracts", "ncs_streamer.auth"]
)
def test_it_can_be_the_first_import_of_a_process(name: str) -> None:
    others = {n: m for n, m in sys.modules.items() if not n.startswith("ncs_streamer")}
    with patch.dict(sys.modules, others, clear=True):
        importlib.import_module(name)
