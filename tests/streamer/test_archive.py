from __future__ import annotations

import itertools

import pytest

from ncs_streamer.archive import begin_replay, describe, entries_between, model_at
from ncs_streamer.sealed import DamagedError
from ncs_streamer.store import MemoryStore, StoreError
from ncs_streamer.stream_model import SNAPSHOT_FORMAT

from .histories import KEY, Live, entries_of

pytestmark = pytest.mark.unit

TAIL = 24


@pytest.fixture
async def live() -> Live:
    """A stream with snapshots at 8 and 16, the journal from 9 on, and its end at 24."""
    live = Live(MemoryStore())
    live.snapshots = {}  # type: ignore[attr-defined]
    for number, entry in enumerate(itertools.islice(entries_of(5), TAIL), 1):
        await live.take(entry)
        live.snapshots[number] = live.model.snapshot()  # type: ignore[attr-defined]
        if number in (8, 16):
            await live.save()
    return live


@pytest.mark.parametrize("offset", [8, 9, 15, 16, 17, TAIL])
async def test_the_model_at_any_offset_that_is_kept(live: Live, offset: int) -> None:
    model = await model_at(live.store, KEY, offset)
    assert model.snapshot() == live.snapshots[offset]  # type: ignore[attr-defined]


@pytest.mark.parametrize("offset", [1, 7])
async def test_what_was_truncated_is_told_with_the_first_that_there_is(
    live: Live, offset: int
) -> None:
    with pytest.raises(StoreError, match="first offset that can be replayed is 9"):
        await model_at(live.store, KEY, offset)


async def test_what_has_not_been_yet_is_told(live: Live) -> None:
    with pytest.raises(StoreError, match=f"the journal ends at offset {TAIL}"):
        await model_at(live.store, KEY, TAIL + 1)


async def test_a_replay_begins_as_early_as_it_can(live: Live) -> None:
    assert (await begin_replay(live.store, KEY, None)).model.offset == 8


async def test_a_damaged_snapshot_is_passed_over(live: Live) -> None:
    await live.store.snapshots.save(KEY, 16, b"damaged")
    model = await model_at(live.store, KEY, 18)
    assert model.snapshot() == live.snapshots[18]  # type: ignore[attr-defined]


async def test_a_snapshot_from_which_the_journal_is_gone_is_passed_over(
    live: Live,
) -> None:
    await live.store.journal.truncate(KEY, 11)
    assert (await begin_replay(live.store, KEY, None)).model.offset == 16


async def test_nothing_that_leads_there_is_told(live: Live) -> None:
    for offset in (8, 16):
        await live.store.snapshots.save(KEY, offset, b"damaged")
    with pytest.raises(StoreError, match="nothing that is kept leads to the journal"):
        await begin_replay(live.store, KEY, None)


async def test_entries_are_given_up_to_the_last_one_asked_for(live: Live) -> None:
    found = [at async for at, _ in entries_between(live.store, KEY, 9, 12)]
    assert found == [10, 11, 12]


async def test_a_journal_that_is_truncated_meanwhile_is_told(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ncs_streamer.recovery._CHUNK_ENTRIES", 2)
    reading = entries_between(live.store, KEY, 8, TAIL)
    await anext(reading)
    await live.save()  # the journal now begins behind 16
    with pytest.raises(StoreError, match="deleted the journal up to offset 16"):
        async for _ in reading:
            pass


async def test_a_snapshot_tells_what_it_is(live: Live) -> None:
    (_, payload), *_ = await live.store.snapshots.load(KEY)
    info = describe(payload)
    assert (info.format, info.stream, info.offset) == (SNAPSHOT_FORMAT, "s", 16)
    assert (info.epoch, info.producers, info.bytes) == ("e1", 2, len(payload))
    assert info.checkpoint == live._checkpoints[16]


def test_what_is_no_snapshot_is_damaged() -> None:
    with pytest.raises(DamagedError):
        describe(b"nonsense")
