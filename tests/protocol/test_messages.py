from __future__ import annotations

from typing import Any, get_args

import pytest

from ncs_protocol import CODECS, Code, Codec
from ncs_protocol.messages import (
    DEFAULT_EVENTS,
    DELIVERY_CLASS,
    EVENT_TYPES,
    ClientMessage,
    ClusterUpdate,
    ClusterUpdateEvent,
    Event,
    EventType,
    Hello,
    Points,
    Position,
    Sample,
    ServerMessage,
    Subscribe,
)

from .frames import code_of, raw, refusal

pytestmark = pytest.mark.unit

each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


def tags(union: Any) -> list[str]:
    return [kind.__struct_config__.tag for kind in get_args(union)]


def update(**place: Any) -> ClusterUpdateEvent:
    data = ClusterUpdate(cluster_id=1, change="updated", size=1, quality=0.5)
    return ClusterUpdateEvent(
        stream="s", delivery="keyed", epoch="e", data=data, **place
    )


@pytest.mark.parametrize("union", [ClientMessage, ServerMessage])
def test_each_type_of_a_direction_has_its_own_name(union: Any) -> None:
    assert len(set(tags(union))) == len(tags(union))


@pytest.mark.parametrize("kind", [*get_args(ClientMessage), Position, Sample])
def test_everything_that_clients_send_is_strict(kind: Any) -> None:
    assert kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("kind", get_args(ServerMessage))
def test_everything_that_servers_send_is_lenient(kind: Any) -> None:
    assert not kind.__struct_config__.forbid_unknown_fields


def test_the_event_types_are_those_of_the_events() -> None:
    assert [*EVENT_TYPES] == tags(Event) == [*get_args(EventType)]


def test_every_event_type_has_a_delivery_class() -> None:
    assert DELIVERY_CLASS.keys() == set(EVENT_TYPES)


def test_an_event_of_one_offset_begins_and_ends_there() -> None:
    event = update(offset=5)
    assert (event.first, event.last) == (5, 5)


def test_an_event_of_a_range_covers_it() -> None:
    event = update(from_=5, to=9)
    assert (event.first, event.last) == (5, 9)


def test_an_event_without_a_place_covers_nothing() -> None:
    event = update()
    assert (event.first, event.last) == (0, 0)


@each_codec
def test_a_range_travels_as_from_and_to(codec: Codec) -> None:
    plain = codec.decode_as(codec.encode(update(from_=5, to=9)), dict)
    assert (plain["from"], plain["to"], plain["class"]) == (5, 9, "keyed")


@each_codec
def test_a_hello_needs_nothing(codec: Codec) -> None:
    assert codec.decode_client(raw(codec, {"type": "hello"})) == Hello()


def test_a_hello_asks_for_the_default_stream() -> None:
    assert Hello().streams == ["default"]


def test_points_are_for_the_default_stream_and_without_results() -> None:
    assert (Points(seq=1).stream, Points(seq=1).results) == ("default", "none")


def test_a_subscription_is_for_the_events_that_need_not_be_asked_for() -> None:
    assert Subscribe(id="a").events == [*DEFAULT_EVENTS]


@each_codec
@pytest.mark.parametrize("dimensions", [2, 3, [0, 1], [7, 0, 7]], ids=str)
def test_a_sample_has_main_axes_or_chosen_ones(codec: Codec, dimensions: Any) -> None:
    fields = {"type": "subscribe", "id": "a", "sample": {"dimensions": dimensions}}
    message: Any = codec.decode_client(raw(codec, fields))
    found = message.sample.dimensions
    assert dimensions == (found if isinstance(found, int) else [*found])


@each_codec
@pytest.mark.parametrize(
    "sample",
    [
        2,
        [],
        {"points": 5},
        {"max_points": 0},
        {"max_points": 10_001},
        {"max_points": 1.5},
        {"dimensions": 1},
        {"dimensions": 4},
        {"dimensions": []},
        {"dimensions": [1]},
        {"dimensions": [1, 2, 3, 4]},
        {"dimensions": [0, -1]},
        {"dimensions": [0, 10_000]},
        {"dimensions": ["a", "b"]},
        {"max_hz": 0},
        {"max_hz": -1},
        {"max_hz": 1001},
        {"max_hz": "fast"},
    ],
    ids=str,
)
def test_a_sample_that_cannot_be_is_refused(codec: Codec, sample: Any) -> None:
    fields = {"type": "subscribe", "id": "a", "sample": sample}
    error = refusal(lambda: codec.decode_client(raw(codec, fields)))
    assert Code.INVALID_MESSAGE is error.code
    assert "sample" in error.detail


@each_codec
@pytest.mark.parametrize(
    "fields",
    [
        {"type": "subscribe", "id": ""},
        {"type": "subscribe", "id": "x" * 65},
        {"type": "subscribe", "id": "a", "stream": "x" * 129},
        {"type": "subscribe", "id": "a", "events": []},
        {"type": "subscribe", "id": "a", "events": ["points"]},
        {"type": "subscribe", "id": "a", "since": {"epoch": "e"}},
        {"type": "subscribe", "id": "a", "since": {"epoch": "e", "offsets": {"x": 1}}},
        {
            "type": "subscribe",
            "id": "a",
            "since": {"epoch": "e", "offsets": {"keyed": -1}},
        },
        {"type": "hello", "producer_epoch": -1},
        {"type": "hello", "producer_epoch": 2**63},
        {"type": "hello", "token": "x" * 8193},
        {"type": "hello", "producer": "x" * 129},
        {"type": "hello", "streams": ["a"] * 257},
        {"type": "auth"},
        {"type": "auth", "token": None},
        {"type": "points", "seq": 1, "results": "all"},
        {"type": "points", "seq": 1, "metadata": []},
        {"type": "status"},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_a_field_that_does_not_fit_is_invalid(
    codec: Codec, fields: dict[str, Any]
) -> None:
    assert code_of(lambda: codec.decode_client(raw(codec, fields))) is (
        Code.INVALID_MESSAGE
    )


@each_codec
@pytest.mark.parametrize(
    "fields",
    [
        {"type": "subscribe", "id": "x" * 64},
        {"type": "subscribe", "id": "a", "stream": "x" * 128},
        {"type": "hello", "producer_epoch": 2**63 - 1},
        {"type": "hello", "token": "x" * 8192},
        {"type": "hello", "streams": ["a"] * 256},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_a_field_at_its_limit_is_taken(codec: Codec, fields: dict[str, Any]) -> None:
    message = codec.decode_client(raw(codec, fields))
    assert type(message).__struct_config__.tag == fields["type"]
