"""The body and the headers of a refusal, whatever refuses."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from ncs_engine import Engine

from .client import PROCESS, Answer, Api, Logs

pytestmark = pytest.mark.integration

AS_JSON = {"Content-Type": "application/json"}
CAUSE = "the cause, with a secret in it"


class SurpriseError(Exception):
    """What nobody expected."""


def fail(*args: Any, **more: Any) -> Any:
    raise SurpriseError(CAUSE)


async def of_status(api: Api, status: int) -> Answer:
    """Provoke an error."""
    if status == 400:
        return await api.post(PROCESS, data=b"{", headers=AS_JSON)
    if status == 401:
        return await api.get("/api/v1/streams", credential=None)
    if status == 403:
        return await api.process([[1.0]], credential=api.token("read"))
    if status == 404:
        return await api.get("/api/v1/nothing")
    if status == 405:
        return await api.get(PROCESS)
    if status == 413:
        return await api.post(
            PROCESS, data=io.BytesIO(b" " * 2_100_000), headers=AS_JSON
        )
    if status == 415:
        return await api.post(PROCESS, data=b"1,2", headers={"Content-Type": "a/b"})
    if status == 422:
        return await api.post(PROCESS, json={"points": [[]]})
    if status == 429:
        form = {"username": "ann", "password": "wrong"}
        for _ in range(10):
            await api.post("/auth/login", json=form | {"grant_type": 1})
        return await api.post("/auth/login", json=form)
    raise NotImplementedError(status)


STATUSES = (400, 401, 403, 404, 405, 413, 415, 422, 429)
each_status = pytest.mark.parametrize("status", STATUSES)


@each_status
async def test_every_error_has_a_detail(api: Api, status: int) -> None:
    answer = await of_status(api, status)
    assert answer.status == status
    assert answer.json["detail"]


@each_status
async def test_every_error_names_the_request(api: Api, status: int) -> None:
    answer = await of_status(api, status)
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


@each_status
async def test_every_error_is_json(api: Api, status: int) -> None:
    answer = await of_status(api, status)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "MALFORMED_FRAME"),
        (401, "AUTHENTICATION_ERROR"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (405, "METHOD_NOT_ALLOWED"),
        (413, "FRAME_TOO_LARGE"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (422, "EMPTY_POINT"),
    ],
)
async def test_an_error_has_a_code(api: Api, status: int, code: str) -> None:
    assert (await of_status(api, status)).json["error_code"] == code


async def test_the_documented_422_is_given_to_the_letter(api: Api) -> None:
    answer = await api.post(PROCESS, json={"points": [[]]})
    assert answer.json["detail"] == [
        {
            "loc": ["body", "points", 0],
            "msg": "Point must contain at least 1 dimension",
            "type": "value_error",
        }
    ]


async def test_a_bad_query_parameter_is_placed_in_the_query(api: Api) -> None:
    answer = await api.get("/api/v1/algorithm_status?stream=a%20b")
    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["query", "stream"]


async def test_the_allowed_methods_are_named(api: Api) -> None:
    answer = await api.call("DELETE", "/api/v1/algorithm/config")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, PATCH"


# Failures


@pytest.mark.security
async def test_a_failure_hides_its_cause(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.server.streams, "open", fail)
    answer = await api.process([[1.0]])
    expected = {"detail": "Processing failed", "error_code": "INTERNAL_ERROR"}
    assert answer.said == (500, expected)


async def test_a_failure_logs_its_cause_under_the_request_id(
    api: Api, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.server.streams, "open", fail)
    answer = await api.process([[1.0]])
    [line] = logs.of("request_failed")
    assert line["request_id"] == answer.json["request_id"]
    assert "Traceback" in line["exception"]
    assert CAUSE in line["exception"]


async def test_a_logged_failure_names_the_type_of_the_error(
    api: Api, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.server.streams, "open", fail)
    await api.process([[1.0]])
    assert logs.of("request_failed")[0].get("error_type") == "SurpriseError"


async def test_the_server_goes_on_after_a_failure(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(api.server.streams, "open", fail)
        await api.process([[1.0]])
    assert (await api.process([[1.0]])).status == 200


@pytest.mark.security
async def test_a_failure_of_the_engine_hides_its_cause(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "learn", fail)
    answer = await api.process([[1.0]])
    assert answer.status == 500
    assert CAUSE.encode() not in answer.body


async def test_a_failure_of_the_engine_is_a_failure_of_processing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "learn", fail)
    assert (await api.process([[1.0]])).json["detail"].startswith("Processing failed")


async def test_a_failure_of_the_engine_can_be_found_by_the_request_id(
    api: Api, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "learn", fail)
    wanted = (await api.process([[1.0]])).json["request_id"]
    found = [line for line in logs.lines if line.get("request_id") == wanted]
    assert any(CAUSE in json.dumps(line) for line in found)


async def test_after_a_failure_of_the_engine_other_streams_go_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "learn", fail)
        await api.process([[1.0]], stream="broken")
    assert (await api.process([[1.0]], stream="broken")).status == 500
    assert (await api.process([[1.0]], stream="other")).status == 200
