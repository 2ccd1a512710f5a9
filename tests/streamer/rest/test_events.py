from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from event_source import EventSource
from real_server import wait_until

from ncs_protocol.messages import (
    AlgorithmStatusEvent,
    ClusterUpdateEvent,
    Draining,
    Error,
    PointsSampleEvent,
    Subscribed,
    TokenExpiring,
)
from ncs_streamer.sampling.samples import Samples

from .client import Api
from .conftest import Start

pytestmark = pytest.mark.integration

EVENTS = "/api/v1/events"
APART = [[float(10 * n), float(n % 3)] for n in range(12)]


def follow(
    api: Api, last_id: str | None = None, *, credential: str = "", **query: str
) -> EventSource:
    url = f"http://127.0.0.1:{api.port}"
    return EventSource(url, credential or api.token("read"), last_id, query)


def told(api: Api) -> int:
    """Return the offset of the last lossless event."""
    stream = api.server.streams.find("default", "default")
    assert stream is not None
    return stream.hub.at["lossless"]


async def lossless(source: EventSource, last: int) -> list[int]:
    """Return the offsets of the lossless events up to `last`."""
    found: list[int] = []
    while not found or found[-1] < last:
        message = await source.receive()
        if getattr(message, "delivery", None) == "lossless":
            found.append(message.last)
    return found


async def test_a_reader_gets_the_model_and_then_what_changes(api: Api) -> None:
    await api.process(APART[:2])
    async with follow(api) as source:
        assert (200, "text/event-stream") == (
            source.response.status,
            source.response.content_type,
        )
        begin = await source.receive()
        assert isinstance(begin, Subscribed)
        assert not begin.recovered and begin.snapshot is not None
        assert 2 == begin.snapshot.status.total_points_processed
        await api.process([[500.0, 500.0]])
        update = await source.until(ClusterUpdateEvent)
        assert ("created", update.offset) == (
            update.data.change,
            begin.offsets["lossless"] + 1,
        )


async def test_the_headers_are_those_of_every_answer(api: Api) -> None:
    headers = {"X-Request-ID": "one-of-mine"}
    answer = await api.call("HEAD", EVENTS, headers=headers)
    assert (200, b"") == (answer.status, answer.body)
    async with follow(api) as source:
        shared = {*answer.headers} - {"Content-Length", "Date"}
        assert shared <= {*source.response.headers}
        assert "no" == source.response.headers["X-Accel-Buffering"]
    assert "one-of-mine" == answer.headers["X-Request-ID"]


async def test_with_its_last_id_a_reader_gets_what_it_missed_and_nothing_twice(
    api: Api,
) -> None:
    await api.process(APART[:3])
    begin = told(api)
    async with follow(api) as source:
        await source.receive()
        await api.process([[1e3, 0.0]])
        first = await lossless(source, told(api))
    last_id = source.last_id
    await api.process([[1e4, 0.0], [1e5, 0.0]])
    async with follow(api, last_id) as source:
        again = await source.receive()
        assert again.recovered and again.snapshot is None
        await api.process([[1e6, 0.0]])
        both = first + await lossless(source, told(api))
        assert [*range(begin + 1, told(api) + 1)] == both


@pytest.mark.parametrize("last_id", ["elsewhere:1:1:0:0", "{epoch}:99:0:0:0"])
async def test_from_where_the_server_cannot_go_on_there_is_a_snapshot(
    api: Api, last_id: str
) -> None:
    await api.process(APART[:3])
    async with follow(api) as source:
        epoch = (await source.receive()).epoch
    async with follow(api, last_id.format(epoch=epoch)) as source:
        begin = await source.receive()
        assert not begin.recovered and begin.snapshot is not None


async def test_the_options_of_a_subscription_hold(api: Api) -> None:
    await api.process(APART)
    query = {"events": "points_sample", "sample_dimensions": "1,0", "centroids": "0"}
    async with follow(api, **query) as source:
        begin = await source.receive()
        assert all(c.centroid is None for c in begin.snapshot.clusters)
        await api.process([[500.0, 2.0]])
        sample = await source.receive()
        assert isinstance(sample, PointsSampleEvent)
        assert [[2.0, 500.0]] == sample.data.points.tolist()


async def test_ids_stand_still_for_messages_that_are_not_of_the_stream(
    start: Start,
) -> None:
    api = await start()
    short = api.token("read", now=time.time() - 15 * 60 + 5)  # s left
    async with follow(api, credential=short, events="drift_detection") as source:
        await source.receive()
        last_id = source.last_id
        await source.until(TokenExpiring)
        assert last_id == source.last_id


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"strem": "a"}, ["query", "strem"]),
        ({"max_hz": "0"}, ["query", "max_hz"]),
        ({"stream": "a b"}, ["query", "stream"]),
        ({"clusters": "1,x"}, ["query", "clusters"]),
    ],
    ids=str,
)
async def test_a_wrong_parameter_is_refused_by_name(
    api: Api, query: dict[str, str], place: list[str]
) -> None:
    answer = await api.get(EVENTS, params=query)
    assert (422, place) == (answer.status, answer.json["detail"][0]["loc"])


@pytest.mark.parametrize("last_id", ["7", "a:b", "a:1:2:3:4;x", "a" * 4000])
async def test_an_id_of_another_server_is_refused(api: Api, last_id: str) -> None:
    answer = await api.get(EVENTS, headers={"Last-Event-ID": last_id})
    assert 422 == answer.status
    assert ["header", "Last-Event-ID"] == answer.json["detail"][0]["loc"]


async def test_more_streams_than_allowed_are_refused_as_over_websocket(
    start: Start,
) -> None:
    api = await start(max_streams=1)
    await api.process(APART)
    answer = await api.get(EVENTS, params={"stream": "another"})
    assert (409, "TOO_MANY_STREAMS") == (answer.status, answer.json["error_code"])


async def test_a_reader_takes_the_place_of_a_connection_and_gives_it_back(
    start: Start,
) -> None:
    api = await start(max_connections_per_tenant=2)
    async with follow(api), follow(api):
        answer = await api.get(EVENTS)
        assert 429 == answer.status
        assert "this tenant has 2 connections" in answer.json["detail"]
    await wait_until(lambda: not api.server.connections)
    async with follow(api) as source:
        assert isinstance(await source.receive(), Subscribed)


async def test_more_kinds_of_samples_than_allowed_are_refused_with_a_status(
    api: Api,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for count in range(1, 9):
            reader = follow(api, sample_max_points=str(count))
            await stack.enter_async_context(reader)
        answer = await api.get(EVENTS, params={"sample_max_points": "9"})
        assert (409, "TOO_MANY_SAMPLES") == (answer.status, answer.json["error_code"])


async def test_trouble_with_samples_does_not_stop_the_stream(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(Samples, "applied", fail)
    async with follow(api, sample_max_points="5") as source:
        await source.receive()
        assert 200 == (await api.process(APART)).status
        assert isinstance(await source.receive(), ClusterUpdateEvent)
    assert len(APART) == await api.total()


async def test_an_unused_stream_is_gone_with_its_reader(api: Api) -> None:
    async with follow(api, stream="another") as source:
        await source.receive()
        assert 1 == len(api.server.streams)
    await wait_until(lambda: not len(api.server.streams))
    assert not api.server.connections


async def test_tenants_do_not_see_each_other(api: Api) -> None:
    await api.process(APART)
    other = api.token("read", tenant="umbrella")
    async with follow(api, credential=other) as source:
        begin = await source.receive()
        assert begin.snapshot is not None and not begin.snapshot.clusters


async def test_who_may_not_read_is_refused(api: Api) -> None:
    assert 401 == (await api.get(EVENTS, credential=None)).status
    assert 403 == (await api.get(EVENTS, credential=api.token("write"))).status


async def test_a_reader_goes_when_its_key_is_revoked(api: Api) -> None:
    key, key_id = await api.key("read")
    async with follow(api, credential=key) as source:
        await source.receive()
        await api.call("DELETE", f"/api/v1/auth/api-keys/{key_id}")
        error = await source.until(Error)
        assert ("key_invalid", "never") == (error.code, error.retry)
        with pytest.raises(StopAsyncIteration):
            await source.receive()


async def test_a_reader_goes_when_its_token_expires(api: Api) -> None:
    short = api.token("read", now=time.time() - 15 * 60 + 2)
    async with follow(api, credential=short) as source:
        error = await source.until(Error)
        assert ("token_expired", "reconnect") == (error.code, error.retry)


async def test_a_server_that_stops_says_when_to_come_back(start: Start) -> None:
    api = await start()
    async with follow(api) as source:
        await source.receive()
        stopping = asyncio.create_task(api.server.stop())
        draining = await source.until(Draining)
        assert draining.reconnect_after_ms == source.retry
        assert "draining" == (await source.until(Error)).code
        with pytest.raises(StopAsyncIteration):
            await source.receive()
        await stopping


async def test_a_quiet_stream_is_kept_alive(start: Start) -> None:
    api = await start(heartbeat_s=0.5)
    async with follow(api, events="drift_detection") as source:
        await source.receive()
        nothing = asyncio.create_task(source.receive())
        await wait_until(lambda: source.heartbeats == 2)
        nothing.cancel()


async def test_http_1_0_reads_to_the_end_of_the_connection(start: Start) -> None:
    api = await start()
    head = f"GET {EVENTS} HTTP/1.0\r\nAuthorization: Bearer {api.token()}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head.encode())
    async with asyncio.timeout(5):
        said = await reader.readuntil(b"}}}\n\n")
    assert b"chunked" not in said.lower()
    assert b"\r\n\r\nretry: 1000\n\nid: " in said
    writer.close()


async def test_a_reader_that_does_not_read_is_cut_off_and_nobody_else_notices(
    start: Start,
) -> None:
    api = await start(hopeless_s=1.0, lagging_s=0.2, skipping_s=0.5, outbox_kb=64)
    wide = [[float(n * d % 97) for d in range(400)] for n in range(40)]
    credential = f"Authorization: Bearer {api.token()}"
    head = f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n{credential}\r\n\r\n"
    async with follow(api, centroids="false") as healthy:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1024)
        writer.write(head.encode())
        await healthy.receive()
        closed = 'ncs_closes_total{reason="slow_consumer"} 1.0'
        async with asyncio.timeout(30):
            while closed not in (await api.get("/metrics")).body.decode():
                await api.process(wide)
        await healthy.until(AlgorithmStatusEvent)
        writer.transport.abort()


async def test_its_time_is_not_that_of_a_request(api: Api) -> None:
    async with follow(api) as source:
        await source.receive()
    await wait_until(lambda: not api.server.connections)
    said = (await api.get("/metrics")).body.decode()
    timed = [line for line in said.splitlines() if "request_seconds" in line]
    assert timed and not any(EVENTS in line for line in timed)


async def test_the_document_tells_of_it(api: Api) -> None:
    paths = (await api.get("/openapi.json")).json["paths"]
    operation = paths[EVENTS]["get"]
    names = {(p["in"], p["name"]) for p in operation["parameters"]}
    assert ("header", "Last-Event-ID") in names
    assert ("query", "sample_dimensions") in names
    assert ["text/event-stream"] == [*operation["responses"]["200"]["content"]]
