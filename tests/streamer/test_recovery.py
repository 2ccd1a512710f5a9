from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from structlog.testing import capture_logs

from ncs_engine import EngineParams
from ncs_protocol import MSGPACK
from ncs_protocol.messages import Event
from ncs_streamer.entry import Entry, decode_entry, encode_entry
from ncs_streamer.recovery import Progress
from ncs_streamer.replay import Replay
from ncs_streamer.sealed import seal, unseal
from ncs_streamer.state_hash import Checkpoint
from ncs_streamer.store import (
    DamageError,
    MemoryStore,
    SqliteStore,
    Store,
)
from ncs_streamer.stream_model import Applied, StreamModel

from .histories import KEY, Live, entries_of, recovered

pytestmark = pytest.mark.unit

STEADY = examples(10)
STORES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda path: MemoryStore(),
    "sqlite": SqliteStore,
}
steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "take", "save", "record", "crash"]),
        st.integers(1, 5),
    ),
    min_size=5,
    max_size=14,
)


def shown(events: list[Event]) -> list[bytes]:
    return [MSGPACK.encode(event) for event in events]


async def live_through(
    store: Store, seed: int, plan: list[tuple[str, int]]
) -> tuple[Live, Live, int]:
    """Go through a plan; return the stream that crashed, one that did not, crashes."""
    crashing, steady = Live(store), Live(MemoryStore())
    entries, crashes = entries_of(seed), 0
    for what, number in plan:
        match what:
            case "take":
                for entry in itertools.islice(entries, number):
                    await steady.take(entry)
                    await crashing.take(entry, in_flight=number)
            case "save":
                await crashing.save()
            case "record":
                rows = [(e.last, MSGPACK.encode(e)) for e in crashing.events]
                await store.history.record(KEY, rows, 0)
            case "crash" if crashing.model.offset:
                found = await recovered(store)
                assert found.divergence is None
                assert found.model.snapshot() == crashing.model.snapshot()
                # Who kept no history finds what happened since the snapshot.
                kept = len(found.events)
                assert shown(found.events) == shown(
                    steady.events[-kept:] if kept else []
                )
                crashing, crashes = crashing.restarted(found), crashes + 1
    return crashing, steady, crashes


@pytest.mark.parametrize("kind", STORES)
@given(st.integers(0, 10**6), steps)
@STEADY
def test_a_stream_that_crashed_is_bit_by_bit_the_one_that_never_stopped(
    kind: str, seed: int, plan: list[tuple[str, int]]
) -> None:
    async def live() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store: Store = STORES[kind](Path(folder) / "ncs.db")
            await store.open()
            try:
                plan_to_the_end = [*plan, ("crash", 1), ("take", 5)]
                crashing, steady, _ = await live_through(store, seed, plan_to_the_end)
            finally:
                await store.close()
        assert crashing.model.snapshot() == steady.model.snapshot()
        assert crashing.model.checkpoint == steady.model.checkpoint
        assert shown(crashing.model.keyed_events()) == shown(
            steady.model.keyed_events()
        )

    asyncio.run(live())


async def test_the_plans_come_to_what_they_are_for() -> None:
    plan = [("take", 9), ("save", 1), ("crash", 1)] * 8
    _, steady, crashes = await live_through(MemoryStore(), 3, plan)
    assert crashes == 8
    assert len({event.key for event in steady.events if hasattr(event, "key")}) > 10
    assert steady.model.marks.keys() == {"a", "b"}


@pytest.fixture
async def live() -> Live:
    """A stream with 40 entries and a snapshot after the tenth."""
    live = Live(MemoryStore())
    for number, entry in enumerate(itertools.islice(entries_of(1), 40), 1):
        await live.take(entry, in_flight=3)
        if number == 10:
            await live.save()
    return live


async def tampered(live: Live, offset: int, change: Callable[[Entry], None]) -> None:
    """Change a journal entry where it is."""
    entries: dict[int, bytes] = live.store.journal.entries[KEY]  # type: ignore[attr-defined]
    entry = decode_entry(entries[offset])
    change(entry)
    entries[offset] = encode_entry(entry)


def other_hash(entry: Entry) -> None:
    assert entry.applied is not None
    told = entry.applied
    entry.applied = Checkpoint(told.offset, bytes(16), told.engine)


def other_points(entry: Entry) -> None:
    entry.points = entry.points * np.full(1, -100, entry.points.dtype)


def other_engine(entry: Entry) -> None:
    assert entry.applied is not None
    entry.applied = Checkpoint(entry.applied.offset, bytes(16), "0.0.1+00000000")


# Divergence


@pytest.mark.parametrize("change", [other_hash, other_engine])
async def test_a_divergence_is_told_with_offset_and_both_hashes(
    live: Live, change: Callable[[Entry], None]
) -> None:
    expected = Checkpoint(27, live._checkpoints[27].hash, live.model.checkpoint.engine)
    await tampered(live, 31, change)
    found = (await recovered(live.store)).divergence
    assert found is not None
    assert (found.journal.offset, found.journal.hash) == (27, bytes(16))
    assert found.replay == expected
    assert found.is_expected is (change is other_engine)


async def test_what_an_engine_makes_otherwise_is_noticed(live: Live) -> None:
    batches = await live.store.journal.read(KEY, 10, 25)
    entries = [(offset, decode_entry(payload)) for offset, payload in batches]
    offset = next(at for at, e in entries if e.count > 1 and e.producer is None)
    await tampered(live, offset, other_points)
    found = (await recovered(live.store)).divergence
    assert found is not None
    assert (found.journal.offset, found.is_expected) == (offset, False)


async def test_a_divergence_begins_a_new_epoch_with_a_snapshot(live: Live) -> None:
    rows = [(event.last, MSGPACK.encode(event)) for event in live.events]
    await live.store.history.record(KEY, rows, 0)
    await tampered(live, 31, other_hash)
    found = await recovered(live.store)
    assert found.model.epoch != live.model.epoch
    assert found.events == []
    assert (await live.store.history.recent(KEY, 10**6)) == []
    assert (await live.store.snapshots.offsets(KEY))[0] == 41 == found.model.offset


async def test_a_divergence_is_dealt_with_once(live: Live) -> None:
    await tampered(live, 31, other_hash)
    first = await recovered(live.store)
    again = live.restarted(first)
    await again.take(Entry(kind="reset", ingest_ns=0))  # frees the dimension
    for entry in itertools.islice(entries_of(2), 1, 10):
        await again.take(entry)
    second = await recovered(live.store)
    assert second.divergence is None
    assert second.model.snapshot() == again.model.snapshot()
    assert shown(second.events) == shown(again.events)
    assert {event.epoch for event in second.events} == {first.model.epoch}


async def test_a_damaged_snapshot_after_a_divergence_leads_to_the_same_epoch(
    live: Live,
) -> None:
    await tampered(live, 31, other_hash)
    first = await recovered(live.store)
    await live.store.snapshots.save(KEY, 41, b"damaged")
    second = await recovered(live.store)
    assert second.divergence is None
    assert second.model.snapshot() == first.model.snapshot()


async def test_hashes_that_began_elsewhere_are_not_compared() -> None:
    live = Live(MemoryStore())
    entries = entries_of(1)
    for entry in itertools.islice(entries, 10):
        await live.take(entry)
    state = msgpack.unpackb(unseal(live.model.snapshot(), {2}))
    for name in ("hash", "by", "since", "ingest_ns"):
        del state[name]
    await live.store.snapshots.save(KEY, 10, seal(1, msgpack.packb(state)))
    upgraded = live.restarted(await recovered(live.store))
    for entry in itertools.islice(entries, 10):
        await upgraded.take(entry)
    assert upgraded.model.checkpoint.since == 10
    saved = StreamModel.restore(upgraded.model.snapshot())
    assert saved.checkpoint == upgraded.model.checkpoint
    from_the_begin = Replay(StreamModel("s", "", EngineParams()), KEY, "memory")
    from_the_begin.run(await live.store.journal.read(KEY, 0, 99))
    assert (from_the_begin.divergences, from_the_begin.checked) == ([], 10)
    from_the_snapshot = await recovered(live.store)
    assert from_the_snapshot.divergence is None
    assert from_the_snapshot.model.snapshot() == upgraded.model.snapshot()


# Damage


async def error_of(live: Live) -> str:
    with pytest.raises(DamageError) as caught:
        await recovered(live.store)
    assert caught.value.key == KEY
    message = str(caught.value)
    assert message.startswith(f"{caught.value.code}: stream 's' of tenant 'acme', ")
    assert "in memory: " in message
    assert "backup" in message
    return message


async def test_a_flipped_byte_in_an_entry_is_told(live: Live) -> None:
    entries: dict[int, bytes] = live.store.journal.entries[KEY]  # type: ignore[attr-defined]
    entries[20] = entries[20][:30] + bytes([entries[20][30] ^ 1]) + entries[20][31:]
    message = await error_of(live)
    assert "journal_entry_damaged" in message
    assert "offset 20" in message
    assert "checksum differs" in message
    assert "snapshot restore --tenant acme --stream s --offset 19" in message


@pytest.mark.parametrize("gone", [11, 20, 40])
async def test_a_missing_entry_is_told(live: Live, gone: int) -> None:
    del live.store.journal.entries[KEY][gone]  # type: ignore[attr-defined]
    message = await error_of(live)
    assert (
        f"journal_entry_missing: stream 's' of tenant 'acme', offset {gone}" in message
    )


async def test_an_entry_that_the_engine_fails_on_is_told(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = StreamModel.apply

    def fail(model: StreamModel, offset: int, entry: Entry) -> Applied:
        if offset == 20:
            raise ZeroDivisionError("a defect")
        return apply(model, offset, entry)

    monkeypatch.setattr(StreamModel, "apply", fail)
    message = await error_of(live)
    assert "replay_failed" in message
    assert "offset 20" in message and "ZeroDivisionError" in message


async def test_a_damaged_snapshot_is_replaced_by_the_one_before_it(live: Live) -> None:
    await live.save()
    await live.store.snapshots.save(KEY, 40, b"damaged")
    found = await recovered(live.store)
    assert found.model.snapshot() == live.model.snapshot()


async def test_damaged_snapshots_without_their_journal_are_told(live: Live) -> None:
    await live.save()
    for offset in await live.store.snapshots.offsets(KEY):
        await live.store.snapshots.save(KEY, offset, b"damaged")
    assert "snapshot_damaged" in await error_of(live)


async def test_a_damaged_event_ends_what_is_remembered_and_nothing_else(
    live: Live,
) -> None:
    await live.save()
    kept = live.events[-4:]
    rows = [(event.last, MSGPACK.encode(event)) for event in kept]
    rows[1] = (rows[1][0], b"damaged")
    await live.store.history.record(KEY, rows, 0)
    found = await recovered(live.store)
    assert shown(found.events) == shown(kept[2:])


# Batches


@given(st.integers(0, 10**6), st.lists(st.integers(1, 299), max_size=12))
@STEADY
def test_where_batches_end_changes_no_assignment(seed: int, cuts: list[int]) -> None:
    points = np.random.default_rng(seed).normal(size=(300, 2)).cumsum(axis=0)
    told = []
    for places in ([], sorted(set(cuts))):
        model = StreamModel("s", "e", EngineParams())
        results = [
            model.apply(offset, Entry(kind="points", ingest_ns=0, points=part)).result
            for offset, part in enumerate(np.split(points, places), 1)
            if len(part)
        ]
        told.append(
            [
                np.concatenate([getattr(result, name) for result in results]).tolist()
                for name in ("cluster_ids", "is_outlier", "outlier_scores")
            ]
        )
        told[-1].append(model.engine.snapshot())
    assert told[0] == told[1]


# Progress


def test_progress_tells_percent_and_time_left() -> None:
    progress = Progress(100.0, streams=3, entries=400, entries_done=100, points_done=7)
    told = progress.as_dict(105.0)
    assert (told["percent"], told["eta_s"], told["points_replayed"]) == (25.0, 15.0, 7)
    assert (told["streams_done"], told["streams_total"]) == (0, 3)


def test_progress_before_the_first_entry_guesses_no_time() -> None:
    assert Progress(100.0, 1, 400).as_dict(101.0)["eta_s"] is None


async def test_a_long_recovery_is_logged_from_time_to_time() -> None:
    progress = Progress(100.0, streams=1, entries=4)
    with capture_logs() as logs:
        for now in (101.0, 105.5, 106.0, 111.0):
            progress.note([Applied(1, accepted=5)], now)
    assert [(line["event"], line["percent"]) for line in logs] == [
        ("recovering", 50.0),
        ("recovering", 100.0),
    ]


async def test_what_was_replayed_is_not_in_a_snapshot_yet(live: Live) -> None:
    before = StreamModel.restore((await live.store.snapshots.load(KEY))[0][1])
    found = await recovered(live.store)
    entries = await live.store.journal.read(KEY, before.offset, 100)
    assert found.journal_bytes == sum(len(payload) for _, payload in entries)
    assert found.points > 0
