from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from ncs_streamer.entry import Entry, encode_entry
from ncs_streamer.last_entries import last_entries
from ncs_streamer.store import Append, MemoryStore, StoreError
from ncs_streamer.store.contracts import DamageError

from .histories import KEY, entries_of

pytestmark = pytest.mark.unit

NO_LIMIT = 2**40


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


async def keep(store: MemoryStore, entries: list[Entry]) -> list[tuple[int, Entry]]:
    kept = list(enumerate(entries, 1))
    appends = [Append(KEY, offset, encode_entry(entry)) for offset, entry in kept]
    await store.journal.append(appends)
    return kept


async def ends(store: MemoryStore, points: int, max_bytes: int) -> Any:
    return await last_entries(store, KEY, points, max_bytes, asyncio.to_thread)


def offsets(entries: list[tuple[int, Entry]]) -> list[int]:
    return [offset for offset, _ in entries]


@pytest.mark.parametrize("points", [1, 40, 41, 700, 5000, 10**9])
async def test_they_are_the_fewest_batches_that_hold_so_many(
    store: MemoryStore, points: int
) -> None:
    kept = await keep(store, [*itertools.islice(entries_of(1), 300)])
    found = await ends(store, points, NO_LIMIT)
    expected = len(kept)
    for first in range(len(kept), 0, -1):
        expected = first
        if sum(entry.count for _, entry in kept[first - 1 :]) >= points:
            break
    assert offsets(found) == list(range(expected, len(kept) + 1))
    for (_, one), (_, two) in zip(found, kept[expected - 1 :], strict=True):
        assert encode_entry(one) == encode_entry(two)


async def test_of_a_journal_that_was_cut_there_is_what_is_left(
    store: MemoryStore,
) -> None:
    await keep(store, [*itertools.islice(entries_of(1), 300)])
    await store.journal.truncate(KEY, 270)
    found = await ends(store, 10**9, NO_LIMIT)
    assert offsets(found) == list(range(271, 301))


async def test_it_ends_where_they_would_take_too_much_memory(
    store: MemoryStore,
) -> None:
    row = Entry(kind="points", ingest_ns=1, points=np.zeros((1000, 4)))
    await keep(store, [row] * 40)
    size = len(encode_entry(row))
    assert len(await ends(store, 10**9, 10 * size)) == 10
    assert len(await ends(store, 10**9, 1)) == 1


async def test_large_ones_are_read_a_few_at_a_time(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Entry(kind="points", ingest_ns=1, points=np.zeros((1, 4)))
    large = Entry(kind="points", ingest_ns=1, points=np.zeros((50_000, 4)))
    await keep(store, [large] * 40 + [small] * 3000)
    read, sizes = store.journal.read, list[int]()

    async def noted(*args: Any) -> list[tuple[int, bytes]]:
        found = await read(*args)
        sizes.append(sum(len(payload) for _, payload in found))
        return found

    monkeypatch.setattr(store.journal, "read", noted)
    found = await ends(store, 3000 + 25 * 50_000, NO_LIMIT)
    assert offsets(found) == list(range(16, 3041))
    assert max(sizes) <= 8 * 2**20
    assert len(sizes) < 40


async def test_a_stream_without_entries_has_none(store: MemoryStore) -> None:
    assert await ends(store, 10, NO_LIMIT) == []


async def test_a_damaged_entry_is_named(store: MemoryStore) -> None:
    await keep(store, [*itertools.islice(entries_of(1), 5)])
    await store.journal.append([Append(KEY, 6, b"\x02damaged")])
    with pytest.raises(DamageError, match="offset 6") as caught:
        await ends(store, 10, NO_LIMIT)
    assert caught.value.code == "journal_entry_damaged"


async def test_a_gap_is_not_passed_over(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(store, [*itertools.islice(entries_of(1), 30)])
    read = store.journal.read

    async def without_25(*args: object) -> list[tuple[int, bytes]]:
        found = await read(*args)  # type: ignore[arg-type]
        return [one for one in found if one[0] != 25]

    monkeypatch.setattr(store.journal, "read", without_25)
    with pytest.raises(StoreError, match="gap"):
        await ends(store, 10**9, NO_LIMIT)
