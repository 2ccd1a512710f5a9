"""What is logged of a request, and what never is."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from ncs_streamer.auth import User

from .client import PROCESS, Api, Logs, wait_until
from .conftest import Start

pytestmark = pytest.mark.integration

STREAMS = "/api/v1/streams"


async def test_every_line_is_one_json_object(api: Api, logs: Logs) -> None:
    await api.process([[1.0]])
    await api.get("/nothing")
    await api.raw(b"hello\r\n\r\n")
    assert len(logs.lines) >= 6
    assert all({"event", "level", "timestamp"} <= line.keys() for line in logs.lines)


async def test_every_line_of_a_request_has_its_id(api: Api, logs: Logs) -> None:
    await api.post(PROCESS, json={"points": [[1.0]]}, headers={"X-Request-ID": "mine"})
    assert {line["event"] for line in logs.lines} >= {
        "request_started", "points_processed", "request_completed",
    }  # fmt: skip
    assert {line["request_id"] for line in logs.lines} == {"mine"}


async def test_the_beginning_of_a_request_is_logged(api: Api, logs: Logs) -> None:
    await api.get(STREAMS)
    [line] = logs.of("request_started")
    assert (line["endpoint"], line["method"]) == (STREAMS, "GET")
    assert line["level"] == "debug"


async def test_the_end_of_a_request_is_logged(api: Api, logs: Logs) -> None:
    await api.get(STREAMS, headers={"User-Agent": "sensor/7"})
    [line] = logs.of("request_completed")
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert moment.utcoffset() is not None
    assert 0 < line.pop("response_time_ms") < 20_000
    assert line.pop("request_id")
    assert line == {
        "event": "request_completed",
        "level": "info",
        "method": "GET",
        "endpoint": STREAMS,
        "status_code": 200,
        "response_size": 2,
        "client_ip": "127.0.0.1",
        "user_agent": "sensor/7",
    }


@pytest.mark.parametrize("path", ["/", "/docs/assets/swagger-ui.css"])
async def test_the_size_of_a_file_is_logged_too(
    api: Api, logs: Logs, path: str
) -> None:
    answer = await api.get(path)
    assert logs.of("request_completed")[0]["response_size"] == len(answer.body)


@pytest.mark.parametrize(
    ("path", "credential", "level"),
    [(STREAMS, None, "warning"), ("/nothing", None, "info")],
)
async def test_a_refused_credential_is_logged_as_a_warning(
    api: Api, logs: Logs, path: str, credential: str | None, level: str
) -> None:
    await api.get(path, credential=credential)
    assert logs.of("request_completed")[0]["level"] == level


async def test_a_failure_is_logged_as_an_error(
    api: Api, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.server.streams, "open", None)
    await api.process([[1.0]])
    assert logs.of("request_completed")[0]["level"] == "error"


async def test_processed_points_are_logged(api: Api, logs: Logs) -> None:
    answer = await api.process([[1.0], [1.0]])
    [line] = logs.of("points_processed")
    assert line["request_id"] == answer.json["request_id"]
    assert (line["tenant"], line["stream"]) == ("default", "default")
    assert (line["points_count"], line["clusters_found"]) == (2, 1)
    assert isinstance(line["processing_time_ms"], float)


async def test_a_profile_of_each_request_is_logged_in_debug_mode(
    start: Start, logs: Logs
) -> None:
    api = await start(debug=True)
    await api.get(STREAMS)
    [line] = logs.of("request_profile") or [{}]
    assert line.keys() >= {"path", "method", "duration_ms", "memory_delta_mb"}


async def test_suspicious_points_are_logged(api: Api, logs: Logs) -> None:
    await api.process([[0.0] * 200])
    [line] = logs.of("suspicious_activity")
    assert line["event_type"] == "suspicious_points"
    assert line["details"] == "point 0: all coordinates equal"
    assert line["source_ip"] == "127.0.0.1"


async def test_suspicious_points_are_logged_under_the_address_of_the_client(
    start: Start, logs: Logs
) -> None:
    api = await start(trusted_proxies=["127.0.0.1"])
    headers = {"X-Forwarded-For": "192.0.2.7"}
    await api.post(PROCESS, json={"points": [[0.0] * 200]}, headers=headers)
    assert logs.of("suspicious_activity")[0]["source_ip"] == "192.0.2.7"


# Security


@pytest.mark.security
@pytest.mark.parametrize(
    ("credential", "reason"),
    [(None, "credentials_missing"), ("a.b.c", "token_invalid"), ("a", "key_invalid")],
)
async def test_a_refused_credential_is_logged(
    api: Api, logs: Logs, credential: str | None, reason: str
) -> None:
    answer = await api.get(STREAMS, credential=credential)
    [line] = logs.of("authentication_failed")
    assert line["level"] == "warning"
    assert line["reason"] == reason
    assert line["source_ip"] == "127.0.0.1"
    assert line["request_id"] == answer.json["request_id"]


@pytest.mark.security
async def test_a_refused_token_is_logged_with_its_user(api: Api, logs: Logs) -> None:
    await api.get(STREAMS, credential=api.token(user_id="gone"))
    assert logs.of("authentication_failed")[0].get("user_id") == "gone"


@pytest.mark.security
async def test_a_failed_login_is_logged(api: Api, logs: Logs, user: User) -> None:
    form = {"username": "ann", "password": "wrong"}
    answer = await api.post("/auth/login", credential=None, data=form)
    [line] = logs.of("login_failed")
    assert line["level"] == "warning"
    assert line["source_ip"] == "127.0.0.1"
    assert line["request_id"] == answer.json["request_id"]


@pytest.mark.security
async def test_a_missing_scope_is_logged(api: Api, logs: Logs) -> None:
    await api.process([[1.0]], credential=api.token("read"))
    [line] = logs.of("permission_denied")
    assert line["level"] == "warning"
    assert line["endpoint"] == PROCESS


@pytest.mark.security
async def test_an_exceeded_limit_is_logged(start: Start, logs: Logs) -> None:
    api = await start(rate_limit_per_minute=1)
    await api.get(STREAMS)
    await api.get(STREAMS)
    [line] = logs.of("rate_limit_exceeded")
    assert (line["endpoint"], line["tier"]) == (STREAMS, "user")
    assert line["source_ip"] == "127.0.0.1"
    assert logs.of("request_completed")[-1]["level"] == "warning"


@pytest.mark.security
async def test_exceeding_a_limit_again_is_counted_in_the_log(
    start: Start, logs: Logs
) -> None:
    api = await start(rate_limit_per_minute=1)
    for _ in range(3):
        await api.get(STREAMS)
    counts = [line.get("violation_count") for line in logs.of("rate_limit_exceeded")]
    assert counts == [1, 2]


@pytest.mark.security
@pytest.mark.parametrize("text", ["a\nb", 'x" , "level": "info', "\x1b[31m"])
async def test_a_client_cannot_write_lines_of_its_own(
    api: Api, logs: Logs, text: str
) -> None:
    await api.get("/nothing", params={"a": text})
    await api.session.get(f"/nothing/{json.dumps(text)}")
    await api.process([[1.0]], metadata={"a": text}, stream=text)
    assert {line["event"] for line in logs.lines} == {
        "request_started", "request_completed",
    }  # fmt: skip
    assert "\x1b" not in logs.text


@pytest.mark.security
async def test_a_client_that_leaves_is_no_failure_of_the_server(
    api: Api, logs: Logs
) -> None:
    await api.send_and_leave(api.head(1000) + b'{"points":')
    await wait_until(lambda: logs.of("request_started"))
    for _ in range(3):
        await api.get(STREAMS)
    assert {line["level"] for line in logs.lines} <= {"debug", "info"}
