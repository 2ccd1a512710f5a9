"""What `process_points` answers."""

from __future__ import annotations

import asyncio
import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgpack
import numpy as np
import pytest

from ncs_protocol import EXT_NDARRAY, pack

from .client import PROCESS, Api, Points, blob, wait_until

pytestmark = pytest.mark.integration

LIST = "application/vnd.ncs.list+json"
CLUSTER_KEYS = {
    "cluster_id", "centroid", "size", "confidence", "age", "last_updated", "quality",
    "health", "radius", "drift_coefficient",
}  # fmt: skip
FAR: Points = [[1000.0, 1000.0], [-900.0, 3.0]]


@pytest.fixture
async def mixed(api: Api) -> Any:
    """The reply to points that are in clusters and points that are not, by turns."""
    await api.process(blob(300))
    known = blob(2, seed=1)
    answer = await api.process([known[0], FAR[0], known[1], FAR[1]])
    assert answer.status == 200
    return answer.json


def ids(answer: Any) -> list[int]:
    return [result["cluster_id"] for result in answer.json["results"]]


async def test_the_reply_has_exactly_the_promised_keys(api: Api) -> None:
    answer = await api.process([[1.0, 2.0]])
    assert answer.status == 200
    assert set(answer.json) == {
        "request_id", "stream", "offset", "clusters", "outliers", "results",
        "cluster_summaries", "algorithm_quality", "processing_time_ms",
        "points_processed", "clusters_found", "timestamp",
    }  # fmt: skip


async def test_results_are_in_the_order_of_the_request(api: Api) -> None:
    points = blob(50)
    results = (await api.process(points)).json["results"]
    assert [result["index"] for result in results] == list(range(50))
    assert [result["input_point"] for result in results] == points


async def test_a_result_has_exactly_the_promised_keys(api: Api) -> None:
    [result] = (await api.process([[1.0, 2.0]])).json["results"]
    assert set(result) == {
        "index", "input_point", "cluster_id", "is_outlier", "outlier_score",
    }  # fmt: skip


async def test_every_point_is_either_in_a_cluster_or_an_outlier(mixed: Any) -> None:
    assert [item["index"] for item in mixed["clusters"]] == [0, 2]
    assert [item["index"] for item in mixed["outliers"]] == [1, 3]
    assert mixed["points_processed"] == 4


async def test_a_point_in_a_cluster_says_which(mixed: Any) -> None:
    first, result = mixed["clusters"][0], mixed["results"][0]
    assert first == {
        "index": 0,
        "point": result["input_point"],
        "cluster_id": result["cluster_id"],
        "outlier_score": result["outlier_score"],
    }
    assert first["cluster_id"] >= 0


async def test_an_outlier_says_how_strange_it_is(mixed: Any) -> None:
    first, result = mixed["outliers"][0], mixed["results"][1]
    score = result["outlier_score"]
    assert first == {"index": 1, "point": FAR[0], "outlier_score": score}


async def test_the_cluster_id_of_an_outlier_is_minus_one(mixed: Any) -> None:
    strange = [result["cluster_id"] == -1 for result in mixed["results"]]
    assert strange == [result["is_outlier"] for result in mixed["results"]]
    assert strange == [False, True, False, True]


async def test_scores_and_quality_lie_between_0_and_1(mixed: Any) -> None:
    scores = [result["outlier_score"] for result in mixed["results"]]
    assert all(0 <= value <= 1 for value in (*scores, mixed["algorithm_quality"]))


async def test_clusters_found_counts_the_clusters_of_the_batch(mixed: Any) -> None:
    found = {item["cluster_id"] for item in mixed["clusters"]}
    assert mixed["clusters_found"] == len(found)
    assert {c["cluster_id"] for c in mixed["cluster_summaries"]} == found


async def test_a_cluster_summary_has_exactly_the_promised_keys(mixed: Any) -> None:
    assert all(set(c) == CLUSTER_KEYS for c in mixed["cluster_summaries"])


async def test_the_times_are_iso_with_a_time_zone(mixed: Any) -> None:
    times = [mixed["timestamp"], mixed["cluster_summaries"][0]["last_updated"]]
    for text in times:
        moment = datetime.fromisoformat(text)
        assert moment.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


async def test_the_processing_time_is_a_number_of_milliseconds(mixed: Any) -> None:
    assert 0 < mixed["processing_time_ms"] < 20_000


async def test_the_request_id_is_a_uuid_and_the_one_of_the_header(api: Api) -> None:
    answer = await api.process([[1.0]])
    assert str(uuid.UUID(answer.json["request_id"])) == answer.headers["X-Request-ID"]


async def test_the_request_id_of_the_client_is_kept(api: Api) -> None:
    answer = await api.post(
        PROCESS, json={"points": [[1.0]]}, headers={"X-Request-ID": "line-7:batch.42"}
    )
    assert answer.json["request_id"] == "line-7:batch.42"
    assert answer.headers["X-Request-ID"] == "line-7:batch.42"


async def test_format_list_gives_the_list_of_the_readme(api: Api) -> None:
    answer = await api.post(f"{PROCESS}?format=list", json={"points": [[1, 2], [1, 2]]})
    shown = [(result["input_point"], result["cluster_id"]) for result in answer.json]
    assert shown == [([1.0, 2.0], 0), ([1.0, 2.0], 0)]


@pytest.mark.parametrize("accept", [LIST, f"{LIST}, application/json;q=0.5"])
async def test_the_accept_header_gives_the_list_too(api: Api, accept: str) -> None:
    body = {"points": [[1.0, 2.0]]}
    answer = await api.post(PROCESS, json=body, headers={"Accept": accept})
    assert isinstance(answer.json, list)


async def test_the_async_address_gives_the_same_object(api: Api) -> None:
    answer = await api.post(f"{PROCESS}_async", json={"points": [[1.0], [1.0]]})
    assert len(answer.json["results"]) == 2
    assert answer.json["points_processed"] == 2


async def test_points_may_come_as_messagepack(api: Api) -> None:
    answer = await post_packed(api, {"points": blob(20)})
    assert answer.json["points_processed"] == 20


async def test_points_may_come_as_a_packed_array_in_messagepack(api: Api) -> None:
    block = np.array(blob(20), dtype=np.float32)
    answer = await post_packed(
        api, {"array": msgpack.ExtType(EXT_NDARRAY, pack(block))}
    )
    inputs = [result["input_point"] for result in answer.json["results"]]
    assert inputs == block.tolist()


async def test_points_may_come_as_a_packed_array_in_json(api: Api) -> None:
    block = np.array(blob(20))
    packed = base64.b64encode(pack(block)).decode()
    answer = await api.post(PROCESS, json={"array": packed})
    inputs = [result["input_point"] for result in answer.json["results"]]
    assert inputs == block.tolist()


async def test_every_form_of_the_same_points_gives_the_same_clusters(api: Api) -> None:
    points = blob(200)
    packed = msgpack.ExtType(EXT_NDARRAY, pack(np.array(points)))
    one = await api.process(points, stream="json")
    two = await post_packed(api, {"points": points, "stream": "messagepack"})
    three = await post_packed(api, {"array": packed, "stream": "packed"})
    assert ids(one) == ids(two) == ids(three)


async def test_batch_mode_gives_the_same_clusters_both_ways(api: Api) -> None:
    points = blob(200)
    on = await api.process(points, stream="on", batch_mode=True)
    off = await api.process(points, stream="off", batch_mode=False)
    assert ids(on) == ids(off)


async def test_the_same_body_twice_counts_twice(api: Api) -> None:
    first = await api.process([[1.0, 2.0]])
    second = await api.process([[1.0, 2.0]])
    assert second.json["offset"] == first.json["offset"] + 1
    assert await api.total() == 2


async def test_timestamps_and_metadata_are_taken(api: Api) -> None:
    answer = await api.process(
        [[1.0], [2.0]],
        timestamps=[1_700_000_000.5, 1_700_000_000_000_000_000],
        metadata={"source": "line 7", "quality": 0.9},
    )
    assert answer.status == 200


async def test_a_hundred_posts_at_once_are_each_counted_once(api: Api) -> None:
    key, _ = await api.key()
    posts = [api.process(blob(7, seed=n), credential=key) for n in range(100)]
    answers = await asyncio.gather(*posts)
    assert len({answer.json["offset"] for answer in answers}) == 100
    assert await api.total() == 700


async def test_a_batch_counts_though_its_sender_left_before_the_reply(api: Api) -> None:
    body = b'{"points":[[1.0],[2.0],[3.0]]}'
    await api.send_and_leave(api.head(len(body)) + body)

    async def counted() -> bool:
        return await api.total() == 3

    await wait_until(counted)


async def test_a_batch_that_was_not_sent_to_its_end_does_not_count(api: Api) -> None:
    await api.send_and_leave(api.head(1000) + b'{"points":[[1.0],[2.0]')
    await api.process([[5.0]])
    assert await api.total() == 1


async def post_packed(api: Api, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/msgpack"}
    answer = await api.post(PROCESS, data=msgpack.packb(body), headers=headers)
    assert answer.status == 200
    return answer
