from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from link import MemoryTransport
from properties import examples

from ncs_engine import Engine
from ncs_protocol import JSON, MSGPACK, Codec, messages
from ncs_protocol.codec import JsonCodec
from ncs_protocol.messages import EVENT_TYPES, Event, Position, Subscribed
from ncs_streamer.history import HistoryBounds
from ncs_streamer.hub import Hub, Sight
from ncs_streamer.outbox import Patience
from ncs_streamer.outgoing import Outgoing
from ncs_streamer.store import StreamKey
from ncs_streamer.stream_model import StreamView
from ncs_streamer.wire import WebSocketWire

pytestmark = pytest.mark.unit

MANY = examples(60)


def numbers(kind: Any, **others: Any) -> Any:
    """Return a message of that kind in which every number is 1."""
    return kind(**dict.fromkeys(kind.__struct_fields__, 1) | others)


STATUS = numbers(messages.AlgorithmStatus, is_ready=True)
PERFORMANCE = numbers(messages.PerformanceMetrics)


def status(**changes: Any) -> Any:
    return msgspec.structs.replace(STATUS, **changes)


def cluster(delivery: Any, **place: Any) -> Event:
    change: Any = "created" if delivery == "lossless" else "updated"
    data = messages.ClusterUpdate(cluster_id=1, change=change, size=1, quality=0.5)
    times = messages.EventTimes(ingest=1.0, emitted=0.0)
    return messages.ClusterUpdateEvent(
        stream="s", delivery=delivery, epoch="e", data=data, times=times, **place
    )


def drift(offset: int) -> Event:
    words: Any = {"severity": "low", "recommendation": "", "detector": "occupancy"}
    data = numbers(messages.DriftDetection, affected_clusters=[], **words)
    return messages.DriftDetectionEvent(
        stream="s", delivery="lossless", epoch="e", offset=offset, data=data
    )


PATIENCE = Patience(10**6, lagging_s=1.0, skipping_s=5.0, hopeless_s=60.0)


class Reader:
    """A connection with one subscription.

    Attributes:
        transport: to hold it up with.
        outgoing: to give credit to.
    """

    def __init__(self, stage: Stage, wire: WebSocketWire) -> None:
        self.transport = MemoryTransport()
        self.waits = False
        self.outgoing = Outgoing(
            self.transport,
            wire,
            PATIENCE,
            monotonic=lambda: stage.now,
            on_waiting=lambda _: None,
            on_owed=lambda _: stage.hub.renew(self.subscription, stage.sight(), 0.0),
            on_hopeless=lambda: None,
        )
        self.subscription: Any = None

    @property
    def sent(self) -> list[Any]:
        """Everything that it was sent."""
        codec = self.subscription.audience.wire.codec
        return [codec.decode_server(message) for message in self.transport.sent]


class Stage:
    """A hub, the model's numbers for it, and readers."""

    def __init__(self, keep: int = 100) -> None:
        self.deliveries: list[tuple[str, int]] = []
        self.now = 0.0
        self.hub = Hub(
            StreamKey("acme", "s"),
            "e",
            HistoryBounds(events=keep, bytes=10**6, age_s=1000.0),
            lambda *counted: self.deliveries.append(counted),
            lambda hub: None,
        )
        self.lossless = self.keyed = 0
        self.wires = {codec: WebSocketWire(codec) for codec in (JSON, MSGPACK)}

    def publish(self, events: list[Event]) -> None:
        self.hub.publish(events, applied=5.0, now=6.0)
        self.flush()

    def flush(self) -> float | None:
        return self.hub.flush(self.now)

    def create(self, times: int = 1) -> None:
        for _ in range(times):
            self.lossless += 1
            self.publish([cluster("lossless", offset=self.lossless)])

    def drift(self) -> None:
        self.lossless += 1
        self.publish([drift(self.lossless)])

    def update(self, changes: int = 1) -> None:
        first, self.keyed = self.keyed + 1, self.keyed + changes
        self.publish([cluster("keyed", from_=first, to=self.keyed)])

    def status(self, **changes: Any) -> None:
        self.hub.publish_status(status(**changes))
        self.flush()

    def performance(self) -> None:
        self.hub.publish_performance(PERFORMANCE)
        self.flush()

    def sight(self, missed: list[Event] | None = None) -> Sight:
        view = StreamView(9, self.lossless, self.keyed, [], Engine().statistics())
        return Sight(view, STATUS, missed or [])

    def follow(
        self,
        since: Position | None = None,
        catch_up: list[Event] | None = None,
        *,
        events: tuple[Any, ...] = EVENT_TYPES,
        codec: Codec = JSON,
        room: int = 10**6,
        **more: Any,
    ) -> Reader:
        """Let a reader join."""
        wire = self.wires.setdefault(codec, WebSocketWire(codec))
        reader = Reader(self, wire)
        request = messages.Subscribe(
            id="a", stream="s", events=[*events], since=since, **more
        )
        reader.subscription = self.hub.join(
            request,
            self.sight(catch_up),
            reader.outgoing,
            wire,
            now=7.0,
            mono=self.now,
            room=room,
        )
        return reader

    def join(self, *args: Any, **more: Any) -> list[Any]:
        """Let a reader join; return what it is sent at once."""
        return self.follow(*args, **more).sent


def since(lossless: int, keyed: int = 0, epoch: str = "e") -> Position:
    return Position(epoch=epoch, offsets={"lossless": lossless, "keyed": keyed})


def places(sent: list[Any]) -> list[Any]:
    """Return (kind, class, first, last) of everything after `subscribed`."""
    places = []
    for m in sent[1:]:
        skips = isinstance(m, messages.Skip)
        first, last = (m.from_, m.to) if skips else (m.first, m.last)
        places.append((m.__struct_config__.tag, m.delivery, first, last))
    return places


# Encoding


class CountingCodec(JsonCodec):
    """Counts what it encodes."""

    def __init__(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol
        self.encoded = 0

    def encode(self, message: Any) -> bytes:
        self.encoded += 1
        return super().encode(message)


@pytest.mark.parametrize("readers", [1, 2, 50])
def test_an_event_is_encoded_once_a_codec_whoever_reads_it(readers: int) -> None:
    stage = Stage()
    codecs = [CountingCodec("one"), CountingCodec("other")]
    for codec in codecs * readers:
        stage.join(codec=codec)
    before = [codec.encoded for codec in codecs]
    stage.create()
    assert [codec.encoded for codec in codecs] == [n + 1 for n in before]


def test_an_event_that_nobody_wants_is_not_encoded() -> None:
    stage, codec = Stage(), CountingCodec("one")
    stage.join(events=("drift_detection",), codec=codec)
    before = codec.encoded
    stage.create()
    assert codec.encoded == before


def test_each_reader_is_told_in_its_own_codec() -> None:
    stage = Stage()
    readers = [stage.follow(codec=codec) for codec in (JSON, MSGPACK)]
    stage.create()
    assert [places(reader.sent) for reader in readers] == [
        [("cluster_update", "lossless", 1, 1)]
    ] * 2


def test_deliveries_are_counted_by_codec() -> None:
    stage = Stage()
    for codec in (JSON, JSON, MSGPACK):
        stage.join(codec=codec)
    stage.create()
    assert {*stage.deliveries} == {("ncs.v1+json", 2), ("ncs.v1+msgpack", 1)}


def test_an_event_tells_when_it_was_applied_and_told() -> None:
    stage = Stage()
    reader = stage.follow()
    stage.create()
    assert reader.sent[1].times == messages.EventTimes(
        ingest=1.0, applied=5.0, emitted=6.0
    )


# Joining


def test_a_reader_begins_with_the_model_and_its_position() -> None:
    stage = Stage()
    stage.create(3)
    stage.update(2)
    (welcome,) = stage.join()
    assert isinstance(welcome, Subscribed)
    assert (welcome.id, welcome.stream, welcome.epoch) == ("a", "s", "e")
    assert welcome.offsets == {
        "lossless": 3,
        "keyed": 2,
        "latest": 0,
        "sampled": 0,
    }
    assert welcome.snapshot is not None


def test_a_reader_that_comes_back_is_told_exactly_what_it_missed() -> None:
    stage = Stage()
    stage.create(5)
    sent = stage.join(since(2))
    assert isinstance(sent[0], Subscribed)
    assert (sent[0].recovered, sent[0].snapshot) == (True, None)
    assert (sent[0].offsets["lossless"], sent[0].offsets["keyed"]) == (2, 0)
    assert [place[2] for place in places(sent)] == [3, 4, 5]


def test_a_reader_that_comes_back_is_told_the_updates_of_its_clusters() -> None:
    stage = Stage()
    stage.update(7)
    sent = stage.join(since(0, keyed=2), [cluster("keyed", from_=3, to=7)])
    assert places(sent) == [("cluster_update", "keyed", 3, 7)]


@pytest.mark.parametrize(
    ("position", "recovered"),
    [
        *((since(at), True) for at in (2, 3, 5)),
        *((since(at), False) for at in (0, 1, 6, 2**63 - 1)),
        (since(5, 3), True),
        (since(5, 4), False),
        (since(5, epoch="d"), False),
        (Position(epoch="e", offsets={}), False),
    ],
    ids=str,
)
def test_a_position_can_be_resumed_while_all_after_it_is_kept(
    position: Position, recovered: bool
) -> None:
    stage = Stage(keep=3)
    stage.create(5)
    stage.update(3)
    (welcome, *_) = stage.join(position)
    assert isinstance(welcome, Subscribed)
    assert welcome.recovered is recovered
    assert (welcome.snapshot is None) is recovered


def test_who_missed_more_than_there_is_room_for_gets_the_model() -> None:
    stage = Stage()
    stage.create(3)
    missed = stage.join(since(1))[1:]
    size = sum(len(JSON.encode(message)) for message in missed)
    assert stage.join(since(1), room=size)[0].recovered
    (welcome,) = stage.join(since(1), room=size - 1)
    assert (welcome.recovered, welcome.offsets["lossless"]) == (False, 3)
    assert welcome.snapshot is not None


def test_what_is_remembered_from_before_can_be_resumed() -> None:
    stage = Stage()
    for offset in (1, 2, 3):
        stage.hub.remember(cluster("lossless", offset=offset), 0.0)
    stage.lossless = 3
    assert [place[2] for place in places(stage.join(since(1)))] == [2, 3]


# Filters

types = st.sets(st.sampled_from(EVENT_TYPES), min_size=1).map(tuple)
steps = st.lists(
    st.sampled_from(["create", "drift", "update", "range", "status", "performance"]),
    max_size=25,
)


def take(stage: Stage, step: str, number: int) -> None:
    match step:
        case "range":
            stage.update(3)
        case "status":
            stage.status(total_points_processed=number)
        case _:
            getattr(stage, step)()


@given(types, steps, steps, st.integers(0, 30), st.booleans())
@MANY
def test_with_any_filter_each_message_follows_the_one_before(
    wanted: Any, before: list[str], after: list[str], back: int, resumes: bool
) -> None:
    stage = Stage()
    for number, step in enumerate(before):
        take(stage, step, number)
    lossless, keyed = max(0, stage.lossless - back), max(0, stage.keyed - back)
    missed = cluster("keyed", from_=keyed + 1, to=stage.keyed)
    catch_up = [missed] if keyed < stage.keyed else []
    position = since(lossless, keyed) if resumes else None
    reader = stage.follow(position, catch_up, events=wanted)
    for number, step in enumerate(after, 100):
        take(stage, step, number)
    sent = reader.sent
    assert isinstance(sent[0], Subscribed)
    told: dict[Any, int] = {**sent[0].offsets}
    for kind, delivery, first, last in places(sent):
        assert first == told[delivery] + 1
        assert last >= first
        assert kind in (*wanted, "skip")
        told[delivery] = last
    assert reader.subscription.told == told


# Status


def test_a_status_is_told_when_it_changed() -> None:
    stage = Stage()
    reader = stage.follow()
    for points in (10, 11, 11, 12, 12):
        stage.status(total_points_processed=points)
    assert [place[2] for place in places(reader.sent)] == [1, 2, 3]


def test_uptime_alone_is_no_change() -> None:
    stage = Stage()
    reader = stage.follow()
    for uptime in (1.0, 2.0, 3.0):
        stage.status(uptime_seconds=uptime)
    assert [place[2] for place in places(reader.sent)] == [1]


def test_performance_is_told_every_time() -> None:
    stage = Stage()
    reader = stage.follow()
    for _ in range(3):
        stage.performance()
    assert [place[2] for place in places(reader.sent)] == [1, 2, 3]


# Readers in step, and readers that are not

BLOCKED = 2**30


def kinds(reader: Reader) -> list[str]:
    """Return what a reader was sent, by tag, `subscribed` first."""
    return [tag_of(message) for message in reader.sent]


def tag_of(message: Any) -> str:
    """Return the tag of a message."""
    return str(message.__struct_config__.tag)


def test_readers_in_step_are_written_the_very_same_bytes_once_a_flush() -> None:
    stage = Stage()
    readers = [stage.follow() for _ in range(3)]
    written: list[bytes] = []
    for reader in readers:
        reader.outgoing._write = written.append
    stage.hub.publish(
        [cluster("lossless", offset=1), cluster("keyed", offset=1)],
        applied=5.0,
        now=6.0,
    )
    stage.flush()
    assert len(written) == 3
    assert written[0] is written[1] is written[2]


def test_readers_that_want_something_else_are_told_something_else() -> None:
    stage = Stage()
    every, bare = stage.follow(), stage.follow(centroids=False)
    drift_only = stage.follow(events=("drift_detection",))
    place: dict[str, Any] = {"offset": 1}
    event: Any = cluster("keyed", **place)
    event.data.centroid = [1.0, 2.0]
    stage.keyed = 1
    stage.publish([event])
    assert every.sent[1].data.centroid == [1.0, 2.0]
    assert bare.sent[1].data.centroid is None
    assert kinds(drift_only) == ["subscribed"]


def test_a_reader_that_is_full_waits_and_the_others_do_not() -> None:
    stage = Stage()
    full, other = stage.follow(), stage.follow()
    full.transport.buffered = BLOCKED
    stage.create(2)
    stage.update(2)
    assert len(other.sent) == 4
    assert len(full.sent) == 1
    full.transport.buffered = 0
    full.outgoing.attend(0.0)
    assert full.sent[1:] == other.sent[1:]


def test_a_reader_that_has_caught_up_is_in_step_again() -> None:
    stage = Stage()
    reader = stage.follow()
    reader.transport.buffered = BLOCKED
    stage.create()
    assert reader.subscription.lanes is not None
    reader.transport.buffered = 0
    reader.outgoing.attend(0.0)
    stage.create()
    assert reader.subscription.lanes is None
    stage.create()
    assert [place[2] for place in places(reader.sent)] == [1, 2, 3]


def test_a_reader_that_joins_at_once_is_in_step_at_once() -> None:
    stage = Stage()
    stage.create(3)
    assert stage.follow().subscription.lanes is None


def test_a_reader_ahead_of_the_others_is_told_what_is_new_to_it() -> None:
    stage = Stage()
    first = stage.follow()
    stage.keyed = 5  # the model is there, and nobody was told yet
    second = stage.follow()
    stage.publish([cluster("keyed", from_=1, to=4), cluster("keyed", from_=5, to=7)])
    assert [place[2:] for place in places(first.sent)] == [(1, 7)]
    assert [place[2:] for place in places(second.sent)] == [(6, 7)]
    assert second.subscription.lanes is None


def test_joining_a_filtered_audience_closes_its_gap() -> None:
    stage = Stage()
    first = stage.follow(events=("drift_detection",))
    stage.create(3)
    assert kinds(first) == ["subscribed"]
    second = stage.follow(events=("drift_detection",))
    assert second.subscription.lanes is not None
    stage.drift()
    assert second.subscription.lanes is None
    assert places(first.sent) == [
        ("skip", "lossless", 1, 3),
        ("drift_detection", "lossless", 4, 4),
    ]
    assert places(second.sent) == [("drift_detection", "lossless", 4, 4)]


def test_with_max_hz_updates_are_told_so_often_and_lossless_events_at_once() -> None:
    stage = Stage()
    reader = stage.follow(max_hz=2.0)
    for _ in range(3):
        stage.update()
    stage.create()
    assert [place[2:] for place in places(reader.sent)] == [(1, 1), (1, 1)]
    stage.now = 0.49
    assert stage.flush() == 0.5
    assert len(reader.sent) == 3
    stage.now = 0.5
    assert stage.flush() is None
    assert places(reader.sent)[-1] == ("cluster_update", "keyed", 2, 3)


def sized(size: int, offset: int) -> Event:
    event: Any = cluster("keyed", offset=offset)
    event.data.size = size
    event.data.radius = 1.0
    return event


def test_with_epsilon_a_small_change_is_left_out_and_covered_by_the_next() -> None:
    stage = Stage()
    reader = stage.follow(epsilon=messages.Epsilon(size=0.1))
    for offset, size in enumerate((100, 105, 110, 111, 115, 130), 1):
        stage.publish([sized(size, offset)])
    told = [(m.first, m.last, m.data.size) for m in reader.sent[1:]]
    assert told == [(1, 1, 100), (2, 4, 111), (5, 6, 130)]


def test_who_begins_in_between_is_never_off_by_more_than_epsilon() -> None:
    stage, options = Stage(), {"epsilon": messages.Epsilon(size=0.1)}
    first = stage.follow(**options)
    stage.publish([sized(100, 1)])
    stage.publish([sized(109, 2)])
    stage.keyed = 2
    second = stage.follow(**options)  # with 109 in its snapshot
    stage.publish([sized(92, 3)])  # little for the first; the second is told
    stage.publish([sized(109, 4)])  # still little for the first, not for the second
    for reader in (first, second):
        told = [m.data.size for m in reader.sent if isinstance(m, Event)]
        assert told[-1] == 109


def test_who_comes_back_is_told_the_states_that_hold_now() -> None:
    stage = Stage()
    stage.create(2)
    stage.status()
    stage.performance()
    stage.status(active_clusters=7)
    stage.performance()
    reader = stage.follow(since(2))
    stage.flush()
    back = reader.sent
    assert (back[0].recovered, back[0].offsets["latest"]) == (True, 2)
    assert [tag_of(message) for message in back] == [
        "subscribed",
        "algorithm_status",
        "skip",
    ]
    assert (back[1].first, back[1].data.active_clusters) == (3, 7)
    assert (back[2].delivery, back[2].from_, back[2].to) == ("latest", 4, 4)
    other = stage.join(since(2), events=("drift_detection",))
    assert [tag_of(message) for message in other] == ["subscribed"]
    assert other[0].offsets["latest"] == 4


def test_a_reader_without_credit_is_behind() -> None:
    stage = Stage()
    reader, other = stage.follow(), stage.follow()
    reader.outgoing.grant(1)
    stage.create(3)
    assert (len(reader.sent), len(other.sent)) == (2, 4)
    reader.outgoing.grant(10**6)
    assert reader.sent == other.sent


def test_a_hopeless_backlog_becomes_a_snapshot_and_loses_no_lossless_event() -> None:
    stage = Stage()
    reader = stage.follow()
    reader.transport.buffered = BLOCKED
    stage.update(2)
    stage.create()
    stage.now = 6.0
    reader.outgoing.attend(stage.now)
    stage.update(2)
    reader.transport.buffered = 0
    reader.outgoing.attend(stage.now)
    assert kinds(reader) == [
        "subscribed", "lagging", "cluster_update", "subscribed", "caught_up"
    ]  # fmt: skip
    marker = reader.sent[3]
    assert (marker.recovered, marker.snapshot is None) == (False, False)
    assert (marker.offsets["lossless"], marker.offsets["keyed"]) == (1, 4)
    stage.update()
    stage.update()
    assert [place[2] for place in places(reader.sent[4:])] == [5, 6]
    assert reader.subscription.lanes is None


def test_who_leaves_is_told_nothing_more_and_an_audience_ends_with_its_last() -> None:
    stage = Stage()
    reader = stage.follow()
    stage.hub.leave(reader.subscription)
    stage.create()
    assert kinds(reader) == ["subscribed"]
    assert stage.hub.subscribers == 0
    assert not stage.hub._audiences


@pytest.mark.parametrize("bits", [0, 15])
def test_only_snapshots_are_compressed(bits: int) -> None:
    stage = Stage()
    reader = Reader(stage, WebSocketWire(JSON))
    reader.outgoing._window_bits = bits
    large = messages.Subscribed(
        id="a" * 2000, stream="s", epoch="e", offsets={}, recovered=True
    )
    pong = messages.Pong(server_time=1.0, id="b" * 2000)
    compressed = [reader.outgoing.frame(m).data[0] == 0xC1 for m in (large, pong)]
    assert compressed == [bool(bits), False]
