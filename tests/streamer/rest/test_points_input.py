"""Which bodies `process_points` refuses, how it says so, and that nothing happens."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import aiohttp
import msgpack
import numpy as np
import pytest

from ncs_protocol import EXT_NDARRAY, pack

from .client import PROCESS, Answer, Api, Points, blob
from .conftest import Start

pytestmark = pytest.mark.integration

AS_JSON = {"Content-Type": "application/json"}
AS_MSGPACK = {"Content-Type": "application/msgpack"}
MISSING = "Object missing required field `points`"
EMPTY = "Point must contain at least 1 dimension"
NEITHER = (
    "500000000000000 is neither epoch seconds (below 9.2e9) nor integer epoch"
    " nanoseconds (from 1e15)"
)


def deep(levels: int) -> dict[str, Any]:
    return {"a": deep(levels - 1)} if levels > 1 else {"a": 1}


# (body, code, place, message); the documented bodies of a wrong request come first.
REFUSED: list[tuple[dict[str, Any], str, list[str | int], str]] = [
    ({"points": [1, 2, 3]}, "INVALID_MESSAGE", ["points", 0],
     "Expected `array`, got `int`"),
    ({"points": [["a", "b", "c"]]}, "INVALID_MESSAGE", ["points", 0, 0],
     "Expected `float`, got `str`"),
    ({"points": [[]]}, "EMPTY_POINT", ["points", 0], EMPTY),
    ({}, "INVALID_MESSAGE", [], MISSING),
    ({"points": []}, "NO_POINTS", ["points"], "points must hold at least 1 point"),
    ({"points": [[1.0], []]}, "EMPTY_POINT", ["points", 1], EMPTY),
    ({"points": [[1.0], [True]]}, "INVALID_MESSAGE", ["points", 1, 0],
     "Expected `float`, got `bool`"),
    ({"points": [[1.0, None]]}, "INVALID_MESSAGE", ["points", 0, 1],
     "Expected `float`, got `null`"),
    ({"points": [[[1.0]]]}, "INVALID_MESSAGE", ["points", 0, 0],
     "Expected `float`, got `array`"),
    ({"points": "1,2"}, "INVALID_MESSAGE", ["points"], "Expected `array`, got `str`"),
    ({"points": None}, "INVALID_MESSAGE", ["points"], "Expected `array`, got `null`"),
    ({"points": [[1.0, 2.0], [1.0, 2.0], [3.0]]}, "RAGGED_POINTS", ["points", 2],
     "Point 2 has 1 dimensions, expected 2"),
    ({"points": [[0.0], [1_000_001]]}, "OUT_OF_RANGE", ["points", 1],
     "Point 1 has 1e+06 at coordinate 0; the limit is 1e+06 in absolute value"),
    ({"points": [[0.0, -1e20]]}, "OUT_OF_RANGE", ["points", 0],
     "Point 0 has -1e+20 at coordinate 1; the limit is 1e+06 in absolute value"),
    ({"points": [[1.0]] * 10_001}, "TOO_MANY_POINTS", ["points"],
     "10001 points in one batch, the limit is 10000"),
    ({"points": [[1.0] * 1001]}, "TOO_MANY_DIMENSIONS", ["points", 0],
     "Point 0 has 1001 dimensions, the limit is 1000"),
    ({"points": [[0.5] * 11] * 10_000}, "TOO_MANY_ELEMENTS", ["points"],
     "10000 points of 11 dimensions are 110000 elements, the limit is 100000"),
    ({"points": [[1.0]], "colour": 1}, "INVALID_MESSAGE", [],
     "Object contains unknown field `colour`"),
    ({"points": [[1.0]], "stream": 7}, "INVALID_MESSAGE", ["stream"],
     "Expected `str`, got `int`"),
    ({"points": [[1.0]], "batch_mode": "yes"}, "INVALID_MESSAGE", ["batch_mode"],
     "Expected `bool`, got `str`"),
]  # fmt: skip
# (body, code, place that should be named, message)
REFUSED_ELSEWHERE: list[tuple[dict[str, Any], str, list[str | int], str]] = [
    ({"array": ""}, "BAD_ARRAY", ["array"],
     "packed array: 0 bytes are too short for a head"),
    ({"points": [[1.0]], "stream": "a b"}, "INVALID_NAME", ["stream"],
     "stream 'a b' is not a name: 1 to 128 of A-Z a-z 0-9 _ . : @ -, beginning with a"
     " letter or digit"),
    ({"points": [[1.0]], "timestamps": [1, 2]}, "INVALID_TIMESTAMP", ["timestamps"],
     "2 timestamps for 1 points"),
    ({"points": [[1.0]], "timestamps": [500_000_000_000_000]}, "INVALID_TIMESTAMP",
     ["timestamps"], NEITHER),
    ({"points": [[1.0]], "metadata": deep(9)}, "NESTED_TOO_DEEP", ["metadata"],
     "metadata is nested deeper than 8 levels"),
    ({"points": [[1.0]], "metadata": {"a": "x" * 4096}}, "METADATA_TOO_LARGE",
     ["metadata"], "metadata takes 4104 bytes of JSON, the limit is 4096"),
    ({"points": [[1.0]], "algorithm_params": {"max_clusters": 0}}, "INVALID_PARAMETER",
     ["algorithm_params"], "max_clusters must be in [1, 1000], got 0"),
]  # fmt: skip


def names(rows: list[tuple[dict[str, Any], str, list[str | int], str]]) -> list[str]:
    return [f"{row[1].lower()}-{json.dumps(row[0]):.40}" for row in rows]


EVERY = REFUSED + REFUSED_ELSEWHERE
each_body = pytest.mark.parametrize("body", [row[0] for row in EVERY], ids=names(EVERY))


@pytest.mark.parametrize(
    ("body", "code", "place", "message"), REFUSED, ids=names(REFUSED)
)
async def test_a_bad_body_is_answered_with_place_message_and_type(
    api: Api, body: Any, code: str, place: list[str | int], message: str
) -> None:
    answer = await api.post(PROCESS, json=body)
    item = {"loc": ["body", *place], "msg": message, "type": "value_error"}
    assert answer.said == (422, {"detail": [item], "error_code": code})


@pytest.mark.parametrize(
    ("body", "code", "place", "message"),
    REFUSED_ELSEWHERE,
    ids=names(REFUSED_ELSEWHERE),
)
async def test_a_bad_field_beside_the_points_is_answered_alike(
    api: Api, body: Any, code: str, place: list[str | int], message: str
) -> None:
    answer = await api.post(PROCESS, json=body)
    item = answer.json["detail"][0]
    assert (answer.status, answer.json["error_code"]) == (422, code)
    assert (item["msg"], item["type"]) == (message, "value_error")


@pytest.mark.parametrize(
    ("body", "code", "place", "message"),
    REFUSED_ELSEWHERE,
    ids=names(REFUSED_ELSEWHERE),
)
async def test_the_place_of_a_bad_field_beside_the_points_names_it(
    api: Api, body: Any, code: str, place: list[str | int], message: str
) -> None:
    answer = await api.post(PROCESS, json=body)
    assert answer.json["detail"][0]["loc"] == ["body", *place]


@each_body
async def test_a_refused_body_leaves_the_stream_as_it_was(api: Api, body: Any) -> None:
    await api.process([[1.0], [2.0]])
    before = await api.state()
    params = {"algorithm_params": {"max_clusters": 7}}
    assert (await api.post(PROCESS, json=params | body)).status == 422
    assert await api.state() == before


@each_body
async def test_a_refused_body_makes_no_stream(api: Api, body: Any) -> None:
    assert (await api.post(PROCESS, json=body)).status == 422
    assert (await api.get("/api/v1/streams")).json == []


@pytest.mark.parametrize(
    "points",
    [
        [[1e6, -1e6]],
        [[0.0]],
        [[0, 0, 0]],
        [[1] * 1000],
        [[1.0]] * 10_000,
        [[0.5] * 10] * 10_000,
    ],
    ids=["largest", "zero", "zeros", "1000 wide", "10000 points", "100000 elements"],
)
async def test_a_body_at_a_limit_is_taken(api: Api, points: Points) -> None:
    answer = await api.process(points)
    assert answer.status == 200
    assert answer.json["points_processed"] == len(points)


@pytest.mark.parametrize(
    ("setting", "at", "over", "code"),
    [
        ("max_points", [[1.0]] * 3, [[1.0]] * 4, "TOO_MANY_POINTS"),
        ("max_dimensions", [[1.0] * 3], [[1.0] * 4], "TOO_MANY_DIMENSIONS"),
        ("max_elements", [[1.0]] * 3, [[1.0] * 2] * 2, "TOO_MANY_ELEMENTS"),
    ],
)
async def test_a_limit_can_be_set(
    start: Start, setting: str, at: Points, over: Points, code: str
) -> None:
    api = await start(None, **{setting: 3})
    assert (await api.process(over)).json["error_code"] == code
    assert (await api.process(at)).status == 200


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_json_has_no_numbers_that_are_not_finite(api: Api, literal: str) -> None:
    body = f'{{"points":[[{literal}]]}}'
    answer = await api.post(PROCESS, data=body, headers=AS_JSON)
    assert answer.status == 400
    assert answer.json["error_code"] == "MALFORMED_FRAME"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("form", ["list", "float32", "float64"])
async def test_a_coordinate_that_is_not_finite_is_named(
    api: Api, value: float, form: str
) -> None:
    points: Any = [[1.0, 2.0], [3.0, value]]
    body: dict[str, Any] = {"points": points}
    if form != "list":
        block = np.array(points, dtype=form)
        body = {"array": msgpack.ExtType(EXT_NDARRAY, pack(block))}
    answer = await packed(api, body)
    message = f"Point 1 has {value} at coordinate 1; it must be finite"
    item = {"loc": ["body", "points", 1], "msg": message, "type": "value_error"}
    assert answer.said == (422, {"detail": [item], "error_code": "NOT_FINITE"})


@pytest.mark.parametrize(
    "body",
    [
        {"points": [[1.0]] * 10_001},
        {"points": [[1.0] * 10_001]},
        {"points": [[1.0]], "metadata": {"all": [1] * 10_001}},
    ],
    ids=["points", "dimensions", "metadata"],
)
async def test_messagepack_over_a_limit_is_refused_like_json(
    api: Api, body: Any
) -> None:
    assert (await packed(api, body)).said == (await api.post(PROCESS, json=body)).said


async def test_small_limits_leave_room_for_every_field_in_messagepack(
    start: Start,
) -> None:
    api = await start(max_points=2, max_dimensions=2)
    body = {"points": [[1.0]], "stream": "a", "batch_mode": True, "metadata": {}}
    assert (await packed(api, body)).status == 200


@pytest.mark.parametrize("shape", [(3,), (1, 2, 2)])
async def test_a_packed_array_must_be_two_dimensional(api: Api, shape: Any) -> None:
    array = msgpack.ExtType(EXT_NDARRAY, pack(np.zeros(shape)))
    answer = await packed(api, {"array": array})
    assert answer.status == 422
    assert answer.json["error_code"] == "BAD_ARRAY"


async def test_points_and_array_together_are_refused(api: Api) -> None:
    array = msgpack.ExtType(EXT_NDARRAY, pack(np.zeros((1, 1))))
    answer = await packed(api, {"array": array, "points": [[1.0]]})
    assert answer.json["error_code"] == "INVALID_MESSAGE"
    assert "not both" in answer.json["detail"][0]["msg"]


@pytest.mark.security
async def test_metadata_may_not_hold_a_packed_array(api: Api) -> None:
    array = msgpack.ExtType(EXT_NDARRAY, pack(np.zeros(100_000)))
    answer = await packed(api, {"points": [[1.0]], "metadata": {"a": array}})
    assert answer.json["error_code"] == "INVALID_MESSAGE"
    assert answer.json["detail"][0]["loc"] == ["body", "metadata"]


@pytest.mark.parametrize("width", [100, 101])
async def test_uniform_points_are_refused_from_101_dimensions_on_if_strict(
    start: Start, width: int
) -> None:
    api = await start(strict_input=True)
    answer = await api.process([[0.5] * width])
    assert answer.status == (200 if width == 100 else 422)
    if width == 101:
        message = "Point 0: all coordinates equal"
        item = {"loc": ["body", "points", 0], "msg": message, "type": "value_error"}
        assert answer.json["detail"] == [item]


async def test_sparse_points_are_refused_if_strict(start: Start) -> None:
    api = await start(strict_input=True)
    point = [0.0] * 195 + [1.0, 2.0, 3.0, 4.0, 5.0]  # 97.5 % zeros
    answer = await api.process([blob(1, dimension=200)[0], point])
    assert answer.json["error_code"] == "SUSPICIOUS_POINT"
    assert answer.json["detail"][0]["loc"] == ["body", "points", 1]


async def test_suspicious_points_are_taken_unless_strict(api: Api) -> None:
    assert (await api.process([[0.0] * 200])).status == 200


@pytest.mark.security
@pytest.mark.parametrize("seconds", [5e10, -1e10])
async def test_a_time_far_away_does_not_stop_the_server(
    start: Start, seconds: float
) -> None:
    api = await start(drain_timeout_s=0.1)
    soon = aiohttp.ClientTimeout(0.5)
    body = {"points": [[1.0]], "timestamps": [seconds]}
    with contextlib.suppress(TimeoutError):  # what comes next is the question
        await api.post(PROCESS, json=body, timeout=soon)
    answer = await api.post(PROCESS, json={"points": [[1.0]]}, timeout=soon)
    assert answer.status == 200


async def packed(api: Api, body: dict[str, Any]) -> Answer:
    return await api.post(PROCESS, data=msgpack.packb(body), headers=AS_MSGPACK)
