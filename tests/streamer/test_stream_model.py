from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from properties import examples

from ncs_engine import EngineParams
from ncs_protocol import JSON, MSGPACK
from ncs_protocol.messages import Cause, ClusterInfo, ClusterUpdateEvent, Event
from ncs_streamer.entry import Entry
from ncs_streamer.sealed import seal, unseal
from ncs_streamer.stream_model import SNAPSHOT_FORMAT, Mark, StreamModel

pytestmark = pytest.mark.unit

STEADY = examples(6)
SECOND = 1_000_000_000
LENGTH = 800


def wild_points(seed: int) -> NDArray[np.float64]:
    """Return points whose clusters come, go, merge and split."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(LENGTH // 100):
        centres = rng.normal(0, rng.choice([1.0, 4.0, 20.0, 100.0]), (5, 2))
        parts.append(centres[rng.integers(5, size=100)] + rng.normal(size=(100, 2)))
    return np.concatenate(parts)


POINTS = [wild_points(seed) for seed in range(4)]


def entry(number: int, points: Any = None, **more: Any) -> Entry:
    kind = more.pop("kind", "points")
    return Entry(kind=kind, ingest_ns=number * SECOND, points=points, **more)


def history(seed: int, sizes: list[int]) -> list[Entry]:
    """Return a stream's entries: batches of these sizes, and all that comes between."""
    rng = np.random.default_rng(seed)
    params = EngineParams(max_clusters=int(rng.choice([3, 1000]))).as_dict()
    entries = [entry(0, kind="begin", epoch="e1", params=params)]
    at = 0
    for number, size in enumerate(sizes, 1):
        who: dict[str, Any] = {"producer": "ab"[number % 2], "seq": number // 2 + 1}
        who |= {"metadata": {"n": number}} if rng.random() < 0.5 else {}
        points = POINTS[seed][at : at + size].astype(rng.choice(["f4", "f8"]))
        at = (at + size) % (LENGTH - 100)
        entries.append(entry(number, points, **who))
        match int(rng.integers(10)):
            case 0:
                entries.append(entry(number, points, **who))  # a duplicate
            case 1:
                entries.append(entry(number, kind="reset"))
            case 2:
                changes = {"base_threshold": float(rng.choice([0.5, 0.9, 7.0]))}
                entries.append(entry(number, kind="configure", params=changes))
            case 3:
                entries.append(entry(number, points, params={"max_clusters": 9}))
    return entries


seeds = st.integers(0, len(POINTS) - 1)
batch_sizes = st.lists(st.integers(1, 120), min_size=4, max_size=14)


def new() -> StreamModel:
    return StreamModel("s", "e", EngineParams())


def run(model: StreamModel, entries: list[Entry], tell: list[bool]) -> list[Event]:
    """Apply entries, telling updates after some of them; return all events."""
    events: list[Event] = []
    for item in entries:
        events += model.apply(model.offset + 1, item).events
        if tell[model.offset % len(tell)]:
            events += model.keyed_events()
    return events


tellings = st.lists(st.booleans(), min_size=1, max_size=5)
BLOB = np.random.default_rng(0).normal(size=(40, 2))


def state_of(model: StreamModel) -> dict[str, Any]:
    """Return what a snapshot holds."""
    state: dict[str, Any] = msgpack.unpackb(unseal(model.snapshot(), {SNAPSHOT_FORMAT}))
    return state


def learned(**more: Any) -> StreamModel:
    model = new()
    model.apply(1, entry(1, BLOB, producer="p", seq=1, **more))
    return model


# Entries


def test_a_batch_is_learned_and_counted() -> None:
    model = new()
    applied = model.apply(1, entry(1, BLOB, producer="p", producer_epoch=2, seq=1))
    assert (applied.offset, applied.accepted, applied.duplicate) == (1, 40, False)
    assert (model.engine.points_learned, model.marks) == (40, {"p": Mark(2, 1)})


@pytest.mark.parametrize(("epoch", "seq"), [(2, 5), (2, 4), (1, 9)])
def test_a_batch_that_was_there_is_a_duplicate(epoch: int, seq: int) -> None:
    model = new()
    model.apply(1, entry(1, BLOB, producer="p", producer_epoch=2, seq=5))
    again = entry(2, BLOB + 50, producer="p", producer_epoch=epoch, seq=seq)
    applied = model.apply(2, again)
    assert (applied.duplicate, applied.accepted, applied.events) == (True, 0, [])


def test_a_duplicate_changes_nothing_but_where_the_model_is() -> None:
    model = learned()
    before = state_of(model)
    model.apply(2, entry(2, BLOB + 50, producer="p", seq=1))
    after = {"offset": 2, "ingest_ns": 2 * SECOND, "hash": model.checkpoint.hash}
    assert state_of(model) == {**before, **after}


def test_a_sender_without_a_name_has_no_duplicates() -> None:
    model = new()
    assert [model.apply(n, entry(n, BLOB)).accepted for n in (1, 2)] == [40, 40]


def test_a_reset_removes_every_cluster_and_frees_the_dimension() -> None:
    model = learned()
    ids = {info.cluster_id for info in model.view().clusters}
    events = model.apply(2, entry(2, kind="reset")).events
    assert {(e.key, e.data.change) for e in events} == {(i, "removed") for i in ids}  # type: ignore[union-attr]
    assert (model.view().clusters, model.engine.dimension) == ([], None)


def test_a_reset_leaves_marks_and_ids_behind_it() -> None:
    model = learned()
    last = max(info.cluster_id for info in model.view().clusters)
    model.apply(2, entry(2, kind="reset"))
    model.apply(3, entry(3, np.ones((40, 5))))
    assert min(info.cluster_id for info in model.view().clusters) > last
    assert model.marks == {"p": Mark(0, 1)}


def test_a_configuration_changes_the_engine() -> None:
    model = new()
    model.apply(1, entry(1, kind="configure", params={"base_threshold": 0.9}))
    assert model.engine.params.base_threshold == 0.9
    assert model.apply(2, entry(2, BLOB)).accepted == 40


def test_a_batch_may_bring_parameters_that_hold_for_its_own_points() -> None:
    model = learned()
    applied = model.apply(2, entry(2, BLOB, params={"learning_rate": 0.5}))
    assert (applied.accepted, model.engine.params.learning_rate) == (40, 0.5)


def test_a_batch_whose_parameters_cannot_be_is_not_learned() -> None:
    model = learned()
    applied = model.apply(2, entry(2, BLOB, params={"learning_rate": 7}))
    assert (applied.accepted, model.engine.points_learned) == (0, 40)
    assert "learning_rate" in applied.refusal


@pytest.mark.parametrize("wrong", [{"base_threshold": 7}, {"metric": "x"}, {"no": 1}])
def test_a_configuration_that_cannot_be_is_refused_whole(wrong: dict[str, Any]) -> None:
    model = learned()
    changes = {"learning_rate": 0.5, **wrong}
    applied = model.apply(2, entry(2, kind="configure", params=changes))
    assert next(iter(wrong)) in applied.refusal
    assert model.engine.params == EngineParams()


def test_the_first_entry_gives_epoch_and_parameters() -> None:
    model = new()
    model.apply(1, entry(1, kind="begin", epoch="e9", params={"max_clusters": 7}))
    assert (model.epoch, model.engine.params.max_clusters) == ("e9", 7)


# Events


@pytest.mark.parametrize("kind", ["lossless", "keyed"])
def test_an_event_tells_what_caused_it_and_when(kind: str) -> None:
    model = new()
    batch = entry(7, BLOB, producer="p", seq=3, metadata={"site": "x"})
    events = model.apply(1, batch).events + model.keyed_events()
    cause = Cause(offset=1, producer="p", from_seq=3, to_seq=3, metadata={"site": "x"})
    own = [event for event in events if event.delivery == kind]
    assert own
    for event in own:
        assert event.times is not None
        assert (event.caused_by, event.times.ingest) == (cause, 7.0)
        assert (event.stream, event.epoch) == ("s", "e")


def test_an_event_names_all_frames_that_came_together() -> None:
    model = new()
    (event, *_) = model.apply(
        1, entry(7, BLOB, producer="p", first_seq=3, seq=9)
    ).events
    cause = event.caused_by
    assert cause is not None
    assert (3, 9) == (cause.from_seq, cause.to_seq)
    assert {"p": Mark(0, 9)} == model.marks


def test_of_frames_that_are_partly_in_the_model_nothing_counts_twice() -> None:
    model = new()
    model.apply(1, entry(7, BLOB, producer="p", seq=1))
    before = model.engine.points_learned
    assert model.apply(2, entry(8, BLOB, producer="p", first_seq=1, seq=2)).duplicate
    assert (model.engine.points_learned, model.marks) == (before, {"p": Mark(0, 1)})


def test_a_cluster_was_last_updated_when_its_last_batch_came() -> None:
    model = learned()
    model.apply(2, entry(9, BLOB))
    assert {info.last_updated for info in model.view().clusters} == {9.0}


@given(seeds, batch_sizes, tellings)
@STEADY
def test_offsets_of_each_class_follow_each_other_without_a_gap(
    seed: int, sizes: list[int], tell: list[bool]
) -> None:
    model = new()
    last = {"lossless": 0, "keyed": 0}
    for event in run(model, history(seed, sizes), tell) + model.keyed_events():
        assert event.first == last[event.delivery] + 1
        assert event.last >= event.first
        last[event.delivery] = event.last
    assert last["lossless"] == model.lossless
    assert last["keyed"] == model.keyed_told <= model.keyed


@given(seeds, batch_sizes, tellings, st.integers(0, 20))
@STEADY
def test_a_reader_that_begins_anywhere_ends_with_the_clusters_of_the_model(
    seed: int, sizes: list[int], tell: list[bool], begin: int
) -> None:
    model = new()
    entries = history(seed, sizes)
    run(model, entries[:begin], tell)
    view = model.view()
    clusters = {info.cluster_id: info for info in view.clusters}
    told = {"lossless": view.lossless, "keyed": view.keyed}
    for event in run(model, entries[begin:], tell) + model.keyed_events():
        if event.last <= told[event.delivery]:
            continue  # the view was ahead of what had been told
        assert event.first <= told[event.delivery] + 1
        told[event.delivery] = event.last
        if isinstance(event, ClusterUpdateEvent):
            if event.data.change in ("merged", "removed"):
                del clusters[event.data.cluster_id]
            else:
                assert event.data.change != "updated" or event.key in clusters
                names = ClusterInfo.__struct_fields__
                told_of_it = {name: getattr(event.data, name) for name in names}
                clusters[event.data.cluster_id] = ClusterInfo(**told_of_it)
    assert clusters == {info.cluster_id: info for info in model.view().clusters}


@given(seeds, batch_sizes, tellings)
@STEADY
def test_updates_since_a_position_are_those_that_would_have_been_told_at_once(
    seed: int, sizes: list[int], tell: list[bool]
) -> None:
    model, entries = new(), history(seed, sizes)
    run(model, entries[:4], [True])
    position, twin = model.keyed_told, StreamModel.restore(model.snapshot())
    run(model, entries[4:], tell)
    run(twin, entries[4:], [False])
    before = model.keyed_told
    assert model.keyed_events_since(position) == twin.keyed_events()
    assert model.keyed_told == before


def test_an_event_can_be_sent_in_both_forms() -> None:
    for event in run(new(), history(0, [100] * 8), [True]):
        assert MSGPACK.decode_server(MSGPACK.encode(event)) == event
        assert JSON.decode_server(JSON.encode(event)) == event


# Snapshots


@given(seeds, batch_sizes, tellings, st.integers(0, 20))
@STEADY
def test_a_restored_model_goes_on_as_if_nothing_had_been(
    seed: int, sizes: list[int], tell: list[bool], cut: int
) -> None:
    model = new()
    entries = history(seed, sizes)
    run(model, entries[:cut], tell)
    restored = StreamModel.restore(model.snapshot())
    later = run(model, entries[cut:], tell)
    assert run(restored, entries[cut:], tell) == later
    assert restored.marks == model.marks
    assert restored.snapshot() == model.snapshot()


SNAPSHOT = learned(metadata={"site": "x"}).snapshot()
ENGINE = SNAPSHOT.index(b"NCSE")  # the engine's own snapshot, which comes last


def test_any_changed_byte_of_a_snapshot_is_noticed() -> None:
    for place in [*range(ENGINE), *range(ENGINE, len(SNAPSHOT), 97)]:
        damaged = bytearray(SNAPSHOT)
        damaged[place] ^= 0x01
        with pytest.raises(ValueError, match=r".+"):
            StreamModel.restore(bytes(damaged))


OTHERS = [SNAPSHOT[:1], SNAPSHOT[:ENGINE], SNAPSHOT[:-1], b"\x80" * 20]
OTHER_FORMAT = seal(SNAPSHOT_FORMAT + 1, unseal(SNAPSHOT, {SNAPSHOT_FORMAT}))
OTHERS.append(OTHER_FORMAT)


@pytest.mark.parametrize("data", [b"", *OTHERS], ids=lambda data: repr(data[:12]))
def test_something_else_is_no_snapshot(data: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        StreamModel.restore(data)
