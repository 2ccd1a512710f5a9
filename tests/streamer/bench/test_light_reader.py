"""The reader of the fan-out bench, against frames made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from ncs_protocol import MSGPACK
from ncs_protocol.messages import (
    AlgorithmStatus,
    ClusterUpdate,
    ClusterUpdateEvent,
    DeliveryClass,
    Error,
    EventTimes,
    ServerMessage,
    Skip,
    Snapshot,
    Subscribe,
    Subscribed,
)
from ncs_streamer.bench.light_reader import Chunks, LightReader, LostError, State

pytestmark = pytest.mark.unit

WELCOME = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def frame(payload: bytes, opcode: int = 2) -> bytes:
    """Return a frame as a server sends it."""
    head = bytes([0x80 | opcode])
    if len(payload) < 126:
        head += bytes([len(payload)])
    elif len(payload) < 2**16:
        head += bytes([126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([127]) + len(payload).to_bytes(8, "big")
    return head + payload


def sent(message: ServerMessage) -> bytes:
    """Return the frame of a message."""
    return frame(MSGPACK.encode(message))


def subscribed(offset: int = 0, *, recovered: bool = False) -> bytes:
    """Return the answer to a subscription."""
    offsets: dict[DeliveryClass, int] = {"lossless": 0, "keyed": offset, "latest": 0}
    return sent(
        Subscribed(
            id="s", stream="bench", epoch="e", offsets=offsets, recovered=recovered
        )
    )


def update(first: int, last: int, centroid: int = 3) -> bytes:
    """Return an event that covers a range of offsets."""
    return sent(
        ClusterUpdateEvent(
            stream="bench",
            delivery="keyed",
            epoch="e",
            from_=first,
            to=last,
            key=1,
            data=ClusterUpdate(
                cluster_id=1,
                change="updated",
                size=1,
                quality=1.0,
                centroid=[0.0] * centroid,
            ),
            times=EventTimes(ingest=float(last), emitted=0.0),
        )
    )


def reader(**more: bool) -> LightReader:
    """Return a reader that has subscribed at offset 0."""
    it = LightReader("TOKEN", "bench", Chunks(), **more)
    it.begin("host")
    it.receive(WELCOME)
    it.receive(subscribed())
    return it


def test_it_shakes_hands_with_its_credential_and_subscribes() -> None:
    it = LightReader("TOKEN", "bench", Chunks())
    request = it.begin("host")
    assert b"X-API-Key: TOKEN\r\n" in request
    assert request.endswith(b"\r\n\r\n")
    answer = it.receive(WELCOME)
    message = MSGPACK.decode_client(answer[answer.index(bytes(4)) + 4 :])
    assert isinstance(message, Subscribe)
    assert message.stream == "bench"
    assert it.state is State.SUBSCRIBING
    it.receive(subscribed())
    assert it.state is State.FOLLOWING


SIZES = st.lists(st.sampled_from([1, 3, 20, 9000]), max_size=6)


@examples(100)
@given(SIZES, st.lists(st.integers(0, 80_000), max_size=8), st.booleans())
def test_however_the_bytes_are_cut_it_counts_the_same(
    sizes: list[int], cuts: list[int], checks: bool
) -> None:
    data = b"".join(update(i, i, size) for i, size in enumerate(sizes, 1))
    it = reader(is_checking=checks)
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    for begin, end in zip([0, *ends], ends, strict=False):
        it.receive(data[begin:end])
    assert it.messages == len(sizes)
    assert it.gaps == 0
    assert it.size == len(data) + len(subscribed())


def test_a_range_that_is_left_out_or_comes_twice_is_a_gap() -> None:
    it = reader(is_checking=True)
    it.receive(update(1, 4) + update(5, 5))
    assert it.gaps == 0
    it.receive(update(8, 9))
    assert it.gaps == 2
    it.receive(update(9, 9))
    assert it.gaps == 3


def test_a_skip_closes_a_gap() -> None:
    it = reader(is_checking=True)
    skip = Skip(stream="bench", delivery="keyed", epoch="e", from_=1, to=7)
    it.receive(sent(skip) + update(8, 8))
    assert it.gaps == 0


def test_it_comes_back_from_where_it_was() -> None:
    it = reader(is_checking=True)
    it.receive(update(1, 9))
    it.begin("host")
    answer = it.receive(WELCOME)
    message = MSGPACK.decode_client(answer[answer.index(bytes(4)) + 4 :])
    assert isinstance(message, Subscribe) and message.since is not None
    assert message.since.offsets["keyed"] == 9
    it.receive(subscribed(9, recovered=True) + update(10, 10))
    assert it.recovered
    assert it.gaps == 0
    assert it.messages == 2  # one before, one after


def test_one_that_decodes_notes_when_the_cause_arrived() -> None:
    it = reader(is_decoding=True)
    it.receive(update(1, 4) + update(5, 7))
    assert it.ingests == [4.0, 7.0]


def test_two_readers_that_get_the_same_bytes_share_the_work() -> None:
    chunks = Chunks()
    data = update(1, 1) + update(2, 2)
    assert chunks.read(data) is chunks.read(bytes(data))


def test_a_ping_is_answered_with_what_it_says() -> None:
    assert reader().receive(frame(b"beat", 9)).endswith(b"beat")


def test_a_refused_handshake_says_why() -> None:
    it = LightReader("TOKEN", "bench", Chunks())
    it.begin("host")
    with pytest.raises(LostError, match="429"):
        it.receive(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")


@pytest.mark.parametrize(
    "said",
    [
        frame(b"\x0f\xa3slow_consumer", 8),
        sent(
            Error(
                code="slow_consumer", blame="client", retry="reconnect", detail="slow"
            )
        ),
    ],
)
def test_a_server_that_wants_no_more_is_told_of(said: bytes) -> None:
    with pytest.raises(LostError, match="slow_consumer"):
        reader(is_checking=True).receive(said)


def test_a_snapshot_is_no_event() -> None:
    status = AlgorithmStatus(
        is_ready=True,
        total_points_processed=1,
        active_clusters=1,
        algorithm_quality=1.0,
        clustering_quality=1.0,
        global_stability=1.0,
        current_dynamic_threshold=1.0,
        outlier_rate=0.0,
        dimension=2,
        memory_usage_mb=1.0,
        avg_processing_time_ms=1.0,
        uptime_seconds=1.0,
    )
    message = Subscribed(
        id="s",
        stream="bench",
        epoch="f",
        offsets={"lossless": 4, "keyed": 8, "latest": 0},
        recovered=False,
        snapshot=Snapshot(model_version=1, dimension=2, clusters=[], status=status),
    )
    it = reader(is_checking=True)
    it.receive(update(1, 2) + sent(message) + update(9, 9))
    assert not it.recovered
    assert it.gaps == 0
