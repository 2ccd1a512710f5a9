"""Streams, tenants, the fixed dimension, and reset."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ncs_engine import EngineParams

from .client import Answer, Api, blob
from .conftest import Start

pytestmark = pytest.mark.integration

SUMMARY = "/api/v1/clusters_summary"
STATUS = "/api/v1/algorithm_status"
CONFIG = "/api/v1/algorithm/config"
STREAMS = "/api/v1/streams"
RESET = "/api/v1/algorithm/reset"


async def reset(api: Api, stream: str = "default", **more: Any) -> Answer:
    return await api.post(RESET, json={"stream": stream, "confirm": True}, **more)


async def test_the_status_has_exactly_the_promised_keys(api: Api) -> None:
    await api.process(blob(10))
    answer = await api.get(STATUS)
    assert answer.status == 200
    assert set(answer.json) == {
        "is_ready", "total_points_processed", "active_clusters", "algorithm_quality",
        "memory_usage_mb", "avg_processing_time_ms", "uptime_seconds",
        "current_dynamic_threshold", "clustering_quality", "global_stability",
        "outlier_rate", "dimension",
    }  # fmt: skip


async def test_the_status_counts_points_and_clusters(api: Api) -> None:
    await api.process(blob(300))
    status = (await api.get(STATUS)).json
    clusters = (await api.get(SUMMARY)).json
    assert status["is_ready"] is True
    assert status["total_points_processed"] == 300
    assert status["active_clusters"] == len(clusters) > 0
    assert status["dimension"] == 2


async def test_the_status_keeps_its_numbers_in_their_ranges(api: Api) -> None:
    await api.process(blob(300))
    status = (await api.get(STATUS)).json
    shares = ("algorithm_quality", "outlier_rate", "global_stability")
    assert all(0 <= status[name] <= 1 for name in shares)
    assert 0.05 <= status["current_dynamic_threshold"] <= 0.99
    assert status["memory_usage_mb"] > 0
    assert status["avg_processing_time_ms"] > 0
    assert status["uptime_seconds"] > 0


async def test_a_stream_without_points_has_a_status_too(api: Api) -> None:
    status = (await api.get(STATUS)).json
    assert status["is_ready"] is False
    assert status["total_points_processed"] == status["active_clusters"] == 0
    assert status["dimension"] is None


async def test_the_summary_lists_the_clusters_by_id(api: Api) -> None:
    await api.process(blob(300) + blob(300, at=50.0))
    answer = await api.get(SUMMARY)
    ids = [cluster["cluster_id"] for cluster in answer.json]
    assert answer.status == 200
    assert ids == sorted(set(ids)) != []


async def test_a_cluster_is_described_in_the_promised_types(api: Api) -> None:
    await api.process([[1.0, 2.0]] * 5)
    [cluster] = (await api.get(SUMMARY)).json
    assert cluster["centroid"] == [1.0, 2.0]
    assert (cluster["cluster_id"], cluster["size"]) == (0, 5)
    assert isinstance(cluster["age"], int)
    shares = ("confidence", "quality", "health", "drift_coefficient")
    assert all(0 <= cluster[name] <= 1 for name in shares)


@pytest.mark.parametrize("path", [SUMMARY, STATUS, CONFIG])
async def test_asking_makes_no_stream(api: Api, path: str) -> None:
    assert (await api.get(path, params={"stream": "new"})).status == 200
    assert (await api.get(STREAMS)).json == []


async def test_streams_are_listed_by_name(api: Api) -> None:
    for name in ("b", "a", "c.d:e@f_g-1"):
        await api.process([[1.0]], stream=name)
    assert (await api.get(STREAMS)).json == ["a", "b", "c.d:e@f_g-1"]


async def test_a_batch_changes_no_other_stream(api: Api) -> None:
    await api.process([[1.0, 2.0]], stream="one")
    before = (await api.get(f"{SUMMARY}?stream=one")).json
    await api.process(blob(50, dimension=3), stream="two")
    assert await api.total("one") == 1
    assert (await api.get(f"{SUMMARY}?stream=one")).json == before


async def test_a_tenant_has_no_more_streams_than_it_may(start: Start) -> None:
    api = await start(max_streams=2)
    for name in ("a", "b"):
        await api.process([[1.0]], stream=name)
    answer = await api.process([[1.0]], stream="c")
    assert answer.status == 409
    assert answer.json["error_code"] == "TOO_MANY_STREAMS"


async def test_the_first_point_fixes_the_dimension(api: Api) -> None:
    await api.process([[1.0, 2.0, 3.0]])
    answer = await api.process([[1.0, 2.0]])
    message = "points have 2 dimensions, expected 3"
    item = {"loc": ["body", "points"], "msg": message, "type": "value_error"}
    refusal = {"detail": [item], "error_code": "DIMENSION_MISMATCH"}
    assert answer.said == (422, refusal)


async def test_points_of_another_dimension_change_nothing(api: Api) -> None:
    await api.process([[1.0, 2.0, 3.0]])
    before = await api.state()
    await api.process([[1.0, 2.0]])
    assert await api.state() == before


async def test_parameters_sent_with_refused_points_change_nothing(api: Api) -> None:
    await api.process([[1.0, 2.0, 3.0]])
    before = await api.state()
    params = {"max_clusters": 7}
    assert (await api.process([[1.0]], algorithm_params=params)).status == 422
    assert await api.state() == before


# Tenants


@pytest.mark.security
@pytest.mark.parametrize("path", [SUMMARY, STATUS, STREAMS, CONFIG])
async def test_another_tenant_sees_what_it_would_see_of_nothing(
    api: Api, path: str
) -> None:
    stranger = api.token(tenant="other")
    empty = (await api.get(path, credential=stranger)).json
    await api.process(blob(50))
    await api.call("PATCH", CONFIG, json={"params": {"max_clusters": 7}})
    seen = (await api.get(path, credential=stranger)).json
    assert timeless(seen) == timeless(empty)


@pytest.mark.security
async def test_streams_of_one_name_are_separate_for_each_tenant(api: Api) -> None:
    stranger = api.token(tenant="other")
    await api.process(blob(30))
    answer = await api.process([[7.0] * 5], credential=stranger)
    assert answer.json["offset"] == 2  # of its own journal
    assert await api.total() == 30
    assert await api.total(credential=stranger) == 1


@pytest.mark.security
async def test_a_reset_leaves_other_tenants_alone(api: Api) -> None:
    await api.process(blob(30))
    before = await api.state()
    await reset(api, credential=api.token(tenant="other"))
    assert await api.state() == before


@pytest.mark.security
async def test_no_reply_names_another_tenants_stream(api: Api) -> None:
    await api.process([[123.456]], stream="secret-line")
    stranger = api.token(tenant="other")
    paths = (SUMMARY, STATUS, STREAMS, CONFIG, f"{SUMMARY}?stream=secret-line")
    bodies = [(await api.get(path, credential=stranger)).body for path in paths]
    bodies.append((await api.get("/health", credential=None)).body)
    assert not any(b"secret-line" in body or b"123.456" in body for body in bodies)


# Reset


async def test_a_reset_empties_the_stream(api: Api) -> None:
    await api.process(blob(300))
    await reset(api)
    assert (await api.get(SUMMARY)).json == []
    assert await api.total() == 0


async def test_a_reset_says_what_it_removed(api: Api) -> None:
    await api.process([[0.0], [1000.0]])
    answer = await reset(api)
    assert answer.status == 200
    assert answer.json == {"stream": "default", "offset": 3, "clusters_removed": 2}


@pytest.mark.parametrize("body", [{}, {"confirm": False}, {"stream": "default"}])
async def test_a_reset_wants_to_be_confirmed(api: Api, body: Any) -> None:
    await api.process([[1.0]])
    answer = await api.post(RESET, json=body)
    assert answer.status == 422
    assert answer.json["error_code"] == "CONFIRMATION_REQUIRED"
    assert await api.total() == 1


@pytest.mark.security
async def test_a_reset_needs_the_scope_admin(api: Api) -> None:
    await api.process([[1.0]])
    answer = await reset(api, credential=api.token("read", "write"))
    assert answer.status == 403
    assert await api.total() == 1


async def test_cluster_ids_go_on_after_a_reset(api: Api) -> None:
    answers = [await api.process(blob(300))]
    await reset(api)
    answers.append(await api.process(blob(300, seed=1)))
    before, after = ({c["cluster_id"] for c in a.json["clusters"]} for a in answers)
    assert max(before) < min(after)


async def test_offsets_go_on_after_a_reset(api: Api) -> None:
    first = await api.process([[1.0]])
    await reset(api)
    second = await api.process([[1.0]])
    assert second.json["offset"] == first.json["offset"] + 2


async def test_a_reset_frees_the_dimension(api: Api) -> None:
    await api.process([[1.0, 2.0]])
    await reset(api)
    assert (await api.process([[1.0, 2.0, 3.0]])).status == 200
    assert (await api.get(STATUS)).json["dimension"] == 3


async def test_a_reset_keeps_the_parameters(api: Api) -> None:
    await api.call("PATCH", CONFIG, json={"params": {"max_clusters": 7}})
    await reset(api)
    config = (await api.get(CONFIG)).json
    assert config["params"] == EngineParams(max_clusters=7).as_dict()


def timeless(body: Any) -> bytes:
    if isinstance(body, dict):
        body.pop("uptime_seconds", None)
    return orjson.dumps(body)


@pytest.mark.parametrize("path", [SUMMARY, STATUS, CONFIG, STREAMS])
async def test_a_parameter_that_is_not_read_is_refused(api: Api, path: str) -> None:
    answer = await api.get(path, params={"strem": "plant"})
    assert (answer.status, answer.json["error_code"]) == (422, "INVALID_MESSAGE")
    assert "unknown query parameter 'strem'" in answer.json["detail"][0]["msg"]


async def test_a_reset_in_the_wrong_place_resets_nothing(api: Api) -> None:
    await api.process(blob(10))
    answer = await api.post(RESET, params={"stream": "n"}, json={"confirm": True})
    assert answer.status == 422
    message = answer.json["detail"][0]["msg"]
    assert message.endswith("here the name of the stream belongs into the body")
    assert (await api.get(STATUS)).json["total_points_processed"] == 10
