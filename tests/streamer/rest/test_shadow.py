"""Trying other parameters beside a stream that is not touched."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from ncs_engine import PRESETS, Engine, EngineParams
from ncs_streamer import shadow
from ncs_streamer.shadow import Verdict
from ncs_streamer.store.contracts import StreamKey

from .client import Answer, Api, blob, wait_until
from .conftest import Start

pytestmark = pytest.mark.integration

SHADOW = "/api/v1/shadow"
CLUSTERS = [
    *blob(150, seed=1), *blob(150, at=40.0, seed=2), *blob(150, at=-40.0, seed=3),
]  # fmt: skip


async def ask(api: Api, **body: Any) -> Answer:
    more = {"credential": body.pop("credential")} if "credential" in body else {}
    return await api.post(SHADOW, json=body, **more)


async def fill(api: Api, points: Any = None, size: int = 50, **more: Any) -> None:
    points = CLUSTERS if points is None else points
    order = np.random.default_rng(0).permutation(len(points))
    for begin in range(0, len(points), size):
        part = [points[i] for i in order[begin : begin + size]]
        assert (await api.process(part, **more)).status == 200


async def test_a_configuration_is_tried_on_the_last_points_of_the_stream(
    api: Api,
) -> None:
    await fill(api)
    answer = (await ask(api, params={"max_clusters": 2})).json
    assert (answer["points"], answer["complete"]) == (450, True)
    assert (answer["first"], answer["last"]) == (1, 10)
    [tried] = answer["configurations"]
    assert (answer["live"]["clusters"], tried["clusters"]) == (3, 2)
    assert tried["name"] == "max_clusters=2"
    assert tried["tried"] == {"max_clusters": 2}
    assert tried["params"] == EngineParams(max_clusters=2).as_dict()
    assert tried["silhouette"] < answer["live"]["silhouette"]
    assert 0 < tried["agreement"] < answer["live"]["agreement"] == 1.0


async def test_the_engine_with_the_parameters_in_force_is_as_the_live_one(
    api: Api,
) -> None:
    await fill(api)
    live = (await ask(api, params={"max_clusters": 2})).json["live"]
    assert live["cluster_summaries"] == (await api.get("/api/v1/clusters_summary")).json
    status = (await api.get("/api/v1/algorithm_status")).json
    assert live["quality"] == status["clustering_quality"]
    assert live["threshold"] == status["current_dynamic_threshold"]
    assert live["params"] == (await api.get("/api/v1/algorithm/config")).json["params"]


async def test_what_is_tried_is_what_comes_of_it_when_it_is_put_in_force(
    api: Api,
) -> None:
    await fill(api)
    more = [[x + 1, y - 1] for x, y in CLUSTERS]
    wanted = {"base_threshold": 0.3, "outlier_threshold": 0.3}
    answer = await ask(api, params=wanted, points=more)
    [told] = answer.json["configurations"]
    await api.call("PATCH", "/api/v1/algorithm/config", json={"params": wanted})
    await api.process(more)
    clusters = (await api.get("/api/v1/clusters_summary")).json
    for cluster in (*clusters, *told["cluster_summaries"]):
        del cluster["last_updated"]
    assert told["cluster_summaries"] == clusters


async def test_the_live_stream_is_not_touched(api: Api) -> None:
    await fill(api)
    stream = api.server.streams.find("default", "default")
    assert stream is not None
    journal = api.server.store.journal

    async def everything() -> tuple[Any, ...]:
        key = StreamKey("default", "default")
        model = await stream.ask(lambda m: (m.snapshot(), m.checkpoint, m.offset))
        kept = await journal.read(key, 0, 1000)
        saved = await api.server.store.snapshots.load(key)
        hub = stream.hub
        return model, kept, saved, hub.epoch, hub.history.forgotten, await api.state()

    before = await everything()
    for start in ("model", "empty"):
        for body in ({}, {"points": CLUSTERS}, {"points": CLUSTERS, "last_points": 9}):
            wanted = {"params": {"max_clusters": 1}, "start": start, **body}
            assert (await ask(api, **wanted)).status == 200
    assert await everything() == before


async def test_several_configurations_are_compared_in_one_answer(api: Api) -> None:
    await fill(api)
    wanted: list[dict[str, Any]] = [
        {"preset": "streaming_iot"},
        {"preset": "streaming_iot", "params": {"max_clusters": 1}},
        {"name": "one", "params": {"max_clusters": 1}},
        {},
    ]
    answer = (await ask(api, configurations=wanted)).json
    told = answer["configurations"]
    assert [side["name"] for side in told] == [
        "streaming_iot", "streaming_iot, max_clusters=1", "one", "in force",
    ]  # fmt: skip
    assert told[0]["tried"] == dict(PRESETS["streaming_iot"])
    assert told[1]["tried"] == PRESETS["streaming_iot"] | {"max_clusters": 1}
    assert [side["clusters"] for side in told] == [3, 1, 1, 3]
    for name in ("name", "points_per_second"):
        del told[3][name], answer["live"][name]
    assert told[3] == answer["live"]


async def test_as_many_points_are_replayed_as_are_asked_for(api: Api) -> None:
    await fill(api)
    answer = (await ask(api, params={}, last_points=120)).json
    assert (answer["points"], answer["first"], answer["last"]) == (150, 8, 10)
    everything = await api.get("/api/v1/clusters_summary")
    assert answer["live"]["cluster_summaries"] == everything.json


@pytest.mark.parametrize("last_points", [1, 50, 120, 10_000])
async def test_what_is_no_longer_in_the_journal_comes_from_a_snapshot(
    start: Start, last_points: int
) -> None:
    api = await start(store="sqlite", snapshot_points=100)
    await fill(api)
    key, store = StreamKey("default", "default"), api.server.store

    async def is_cut() -> bool:
        return (await store.journal.read(key, 0, 1))[0][0] > 1

    await wait_until(is_cut)
    answer = (await ask(api, params={}, last_points=last_points)).json
    assert answer["complete"] and answer["first"] > 1 and answer["last"] == 10
    assert min(last_points, 50) <= answer["points"] < 450
    everything = await api.get("/api/v1/clusters_summary")
    assert answer["live"]["cluster_summaries"] == everything.json


async def test_damaged_snapshots_are_passed_over(start: Start) -> None:
    api = await start()
    await fill(api)
    key, snapshots = StreamKey("default", "default"), api.server.store.snapshots
    await snapshots.save(key, 5, b"nonsense")
    answer = (await ask(api, params={}, last_points=100)).json
    everything = await api.get("/api/v1/clusters_summary")
    assert answer["live"]["cluster_summaries"] == everything.json


async def test_engines_that_start_empty_know_those_points_only(api: Api) -> None:
    await fill(api, blob(300), size=100)
    await fill(api, blob(300, at=50.0), size=100)
    answer = (await ask(api, params={}, last_points=300, start="empty")).json
    [cluster] = answer["live"]["cluster_summaries"]
    assert cluster["size"] <= 300
    assert 49 < cluster["centroid"][0] < 51


async def test_the_metric_can_be_tried_from_an_empty_start(api: Api) -> None:
    await fill(api)
    refused = await ask(api, params={"metric": "cosine"}, last_points=50)
    assert refused.status == 422
    assert "start empty" in refused.json["detail"][0]["msg"]
    answer = (await ask(api, params={"metric": "cosine"}, start="empty")).json
    assert answer["configurations"][0]["params"]["metric"] == "cosine"
    assert answer["live"]["params"]["metric"] == "euclidean"


async def test_points_can_be_given_to_a_stream_that_does_not_exist(api: Api) -> None:
    answer = (await ask(api, params={"max_clusters": 1}, points=CLUSTERS)).json
    assert (answer["points"], answer["first"], answer["last"]) == (450, 0, 0)
    engine = Engine()
    engine.learn(CLUSTERS)
    assert answer["live"]["clusters"] == engine.cluster_count
    assert (await api.get("/api/v1/streams")).json == []


async def test_labels_tell_how_true_each_configuration_is(api: Api) -> None:
    order = np.random.default_rng(0).permutation(450)
    body = {
        "points": [CLUSTERS[i] for i in order],
        "labels": [("a", "b", 3)[i // 150] for i in order],
        "params": {"max_clusters": 1},
    }
    answer = (await ask(api, **body)).json
    assert answer["live"]["truth"] > 0.9 > answer["configurations"][0]["truth"]


async def test_given_points_follow_those_of_the_stream(api: Api) -> None:
    await fill(api)
    answer = (await ask(api, params={}, points=blob(7), last_points=50)).json
    assert (answer["points"], answer["first"], answer["last"]) == (57, 10, 10)


async def test_the_clusters_can_be_left_out(api: Api) -> None:
    await fill(api)
    answer = (await ask(api, params={}, summaries=False)).json
    assert answer["live"]["cluster_summaries"] == []
    assert answer["live"]["clusters_left_out"] == answer["live"]["clusters"] == 3


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "INVALID_MESSAGE"),
    ({"params": {}, "configurations": [{}]}, "INVALID_MESSAGE"),
    ({"configurations": [{}] * 17}, "INVALID_MESSAGE"),
    ({"params": {"max_clusters": 0}}, "INVALID_PARAMETER"),
    ({"params": {"vigour": 1}}, "INVALID_PARAMETER"),
    ({"preset": "none such"}, "INVALID_PARAMETER"),
    ({"params": {}, "last_points": 50_001}, "TOO_MANY_POINTS"),
    ({"params": {}, "last_points": -1}, "INVALID_MESSAGE"),
    ({"params": {}, "last_points": 0}, "NO_POINTS"),
    ({"params": {}, "stream": "empty"}, "NO_POINTS"),
    ({"params": {}, "stream": "../x"}, "INVALID_NAME"),
    ({"params": {}, "points": []}, "NO_POINTS"),
    ({"params": {}, "points": [[1.0, 2.0, 3.0]]}, "DIMENSION_MISMATCH"),
    ({"params": {}, "points": [[1.0, 2.0]], "labels": [1, 2]}, "INVALID_MESSAGE"),
    ({"params": {}, "labels": [1, 2]}, "INVALID_MESSAGE"),
    ({"params": {}, "start": "middle"}, "INVALID_MESSAGE"),
    ({"params": {}, "unknown": 1}, "INVALID_MESSAGE"),
]


@pytest.mark.parametrize(("body", "code"), BAD, ids=lambda value: str(value)[:60])
async def test_what_cannot_be_tried_is_refused_with_its_code(
    api: Api, body: dict[str, Any], code: str
) -> None:
    await fill(api, blob(40))
    if body.get("last_points") == 0:
        body = {**body, "stream": "default"}
    answer = await ask(api, **body)
    assert (answer.status, answer.json["error_code"]) == (422, code)


@pytest.mark.security
async def test_a_tenant_sees_its_own_streams_only(api: Api) -> None:
    await fill(api)
    answer = await ask(api, params={}, credential=api.token("read", tenant="other"))
    assert (answer.status, answer.json["error_code"]) == (422, "NO_POINTS")


@pytest.mark.security
async def test_questions_are_limited_by_tenant(start: Start) -> None:
    api = await start(shadows_per_minute=2)
    api.hold_clock()
    body = {"params": {}, "points": [[1.0, 2.0]]}
    for subject in ("ann", "bob"):
        token = api.token("read", subject=subject)
        assert (await ask(api, credential=token, **body)).status == 200
    answer = await ask(api, credential=api.token("read", subject="eve"), **body)
    assert (answer.status, answer.json["retry_after"]) == (429, 30)
    other = api.token("read", tenant="other")
    assert (await ask(api, credential=other, **body)).status == 200


@pytest.mark.security
async def test_so_many_are_worked_on_at_once(start: Start) -> None:
    api = await start(max_shadows=1)
    with api.server.shadows._place("default"):
        answer = await ask(api, params={}, points=[[1.0]])
        assert (answer.status, answer.json["error_code"]) == (409, "TOO_MANY_SHADOWS")
        assert answer.headers["Retry-After"] == "1"
        other = api.token("read", tenant="other")
        more = {"points": [[1.0]], "credential": other}
        assert (await ask(api, params={}, **more)).status == 200
    assert (await ask(api, params={}, points=[[1.0]])).status == 200


async def test_a_budget_that_is_used_up_cuts_all_at_the_same_point(
    start: Start,
) -> None:
    api = await start(shadow_cpu_s=1e-9)
    await fill(api)
    answer = (await ask(api, params={"max_clusters": 1})).json
    assert (answer["complete"], answer["points"]) == (False, 50)
    assert answer["configurations"][0]["clusters"] <= 1


async def test_the_live_stream_goes_on_while_shadows_are_at_work(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, enough = await start(engine_threads=1), threading.Event()

    def endless(verdict: Verdict) -> Iterator[bool]:
        while not enough.is_set():
            yield False
        yield from judged(verdict)

    judged = shadow._judged
    monkeypatch.setattr(shadow, "_judged", endless)
    running = asyncio.create_task(ask(api, params={}, points=[[1.0]]))
    await wait_until(lambda: api.server.shadows._running)
    for _ in range(5):
        assert (await api.process(blob(10))).status == 200
    assert not running.done()
    enough.set()
    assert (await running).status == 200


async def test_who_leaves_ends_the_work(start: Start) -> None:
    api, hold = await start(engine_threads=1), threading.Event()
    shadows = api.server.shadows
    held = shadows._threads.of("default").submit(hold.wait, 30)
    body = orjson.dumps({"params": {}, "points": blob(100)})
    async with api._connection() as (_, writer):
        writer.write(api.head(len(body), path=SHADOW) + body)
        await wait_until(lambda: shadows._running)
    await wait_until(lambda: not shadows._running)
    assert not held.done()
    hold.set()
    text = (await api.get("/metrics")).body.decode()
    assert 'ncs_shadows_total{outcome="left"} 1.0' in text
    assert "ncs_shadows_running 0.0" in text


async def test_who_is_never_served_is_told_so(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, hold = await start(engine_threads=1), threading.Event()
    shadows = api.server.shadows
    patient = dataclasses.replace(shadows._bounds, patience_s=0.0)
    monkeypatch.setattr(shadows, "_bounds", patient)
    shadows._threads.of("default").submit(hold.wait, 30)
    answer = await ask(api, params={}, points=[[1.0]])
    hold.set()
    assert (answer.status, answer.json["error_code"]) == (503, "OVERLOADED")


async def test_a_shutdown_does_not_wait_for_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await start()

    def endless(verdict: Verdict) -> Iterator[bool]:
        while True:
            yield False

    monkeypatch.setattr(shadow, "_judged", endless)
    running = asyncio.create_task(ask(api, params={}, points=[[1.0]]))
    await wait_until(lambda: api.server.shadows._running)
    await api.server.stop()
    answer = await running
    assert (answer.status, answer.json["error_code"]) == (503, "DRAINING")


async def test_what_was_asked_is_counted(api: Api) -> None:
    await fill(api)
    await ask(api, params={})
    await ask(api, params={}, stream="none")
    text = (await api.get("/metrics")).body.decode()
    assert 'ncs_shadows_total{outcome="complete"} 1.0' in text
    assert 'ncs_shadows_total{outcome="refused"} 1.0' in text
    assert "ncs_shadows_running 0.0" in text
    [spent] = [
        float(line.split()[1])
        for line in text.splitlines()
        if line.startswith("ncs_shadow_cpu_seconds_total")
    ]
    assert spent > 0
