"""What an answer means, and when a request is sent again."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ncs_client import (
    AuthenticationError,
    NcsClientError,
    RateLimitError,
    RefusedError,
    RequestTimeoutError,
    UnavailableError,
    UnreachableError,
    ValidationError,
    calls,
)
from ncs_client.rest import Call, Retries, address

pytestmark = pytest.mark.unit

GET: Call[Any] = Call(method="GET", path="x", read=orjson.loads, is_repeatable=True)
POST: Call[Any] = Call(method="POST", path="x", read=orjson.loads)
LOST = UnreachableError("gone")


def refused(status: int, code: str = "x", after: float | None = None) -> RefusedError:
    return RefusedError(code, "", status=status, retry_after_s=after)


def waits(call: Call[Any], error: NcsClientError, most: int = 3) -> list[float | None]:
    """Return the waits before every further attempt, None last."""
    told = [Retries(most).wait_s(call, attempt, error) for attempt in range(most + 1)]
    return told[: told.index(None) + 1]


def test_it_waits_two_to_the_power_of_the_attempt_and_then_gives_up() -> None:
    assert [1.0, 2.0, 4.0, None] == waits(GET, LOST)
    assert [1.0, 2.0, 4.0, None] == waits(GET, RequestTimeoutError("late"))
    assert [None] == waits(GET, LOST, most=0)


def test_a_request_that_may_have_been_carried_out_is_not_sent_again() -> None:
    assert [None] == waits(POST, LOST)
    assert [None] == waits(POST, refused(503, "store_unavailable"))
    assert [None] == waits(POST, refused(502, "http_502"))


def test_a_batch_has_a_key_so_it_is() -> None:
    batch = calls.process_points([[1.0]])
    assert [1.0, 2.0, 4.0, None] == waits(batch, LOST)
    keys = {calls.process_points([[1.0]]).headers["Idempotency-Key"] for _ in range(9)}
    assert 9 == len(keys)


def test_a_call_may_have_retries_of_its_own() -> None:
    batch = calls.process_points([[1.0]], {"max_retries": 1})
    assert [1.0, None] == waits(batch, LOST)


@pytest.mark.parametrize(
    "code",
    ["starting", "overloaded", "draining", "rate_limited", "idempotency_key_in_use"],
)
def test_after_a_refusal_that_did_nothing_anything_is_sent_again(code: str) -> None:
    assert [5.0, 5.0, 5.0, None] == waits(POST, refused(503, code, 5.0))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_is_safe_is_sent_again_while_the_server_cannot(status: int) -> None:
    assert [1.0, 2.0, 4.0, None] == waits(GET, refused(status))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500])
def test_what_would_be_refused_again_is_not(status: int) -> None:
    assert [None] == waits(GET, refused(status))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationError),
        (401, AuthenticationError),
        (403, RefusedError),
        (413, ValidationError),
        (422, ValidationError),
        (429, RateLimitError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_a_refusal_is_of_the_class_that_its_status_has(
    status: int, kind: type[RefusedError]
) -> None:
    with pytest.raises(RefusedError) as caught:
        GET.answer(status, {}, b'{"detail": "no", "error_code": "SOME_CODE"}')
    assert kind is type(caught.value)
    assert "some_code" == caught.value.code
    assert ("no", status) == (caught.value.detail, caught.value.status)


def test_a_429_of_a_proxy_which_names_no_code_is_a_limit_too() -> None:
    with pytest.raises(RateLimitError) as caught:
        GET.answer(429, {}, b"slower")
    assert "rate_limited" == caught.value.code


def test_a_place_in_the_body_is_the_index_of_the_point() -> None:
    body = {"detail": [{"loc": ["body", "points", 3, 1], "msg": "bad", "type": "v"}]}
    with pytest.raises(ValidationError) as caught:
        GET.answer(422, {}, orjson.dumps(body))
    assert ("bad", 3) == (caught.value.detail, caught.value.index)


@pytest.mark.parametrize(("told", "wait"), [("7", 7.0), (None, None), ("Mon, 1", None)])
def test_a_time_to_come_back_is_taken_if_it_is_one(
    told: str | None, wait: float | None
) -> None:
    headers = {} if told is None else {"Retry-After": told}
    with pytest.raises(UnavailableError) as caught:
        GET.answer(503, headers, b"{}")
    assert wait == caught.value.retry_after_s


def test_a_page_of_a_proxy_is_told_as_it_is() -> None:
    with pytest.raises(UnavailableError, match="http_502: <html>Bad Gateway"):
        GET.answer(502, {}, b"<html>Bad Gateway</html>")
    with pytest.raises(UnavailableError, match="http_503: <html>"):
        calls.health_check().answer(503, {}, b"<html>")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status": 1}', b""])
def test_an_answer_that_is_none_is_said_so(body: bytes) -> None:
    with pytest.raises(NcsClientError, match="answered what is not understood"):
        calls.health_check().answer(200, {}, body)


def test_being_sent_elsewhere_is_said_not_followed() -> None:
    with pytest.raises(NcsClientError, match="https://there/"):
        GET.answer(301, {"Location": "https://there/"}, b"")


def test_a_server_that_is_not_well_is_no_error_of_the_question() -> None:
    body = {
        "status": "unhealthy", "timestamp": 1.0, "uptime_seconds": 2.0, "version": "1",
        "algorithm_ready": True, "components": {},
    }  # fmt: skip
    health = calls.health_check().answer(503, {}, orjson.dumps(body))
    assert "unhealthy" == health.status


def test_the_timeout_of_a_batch_is_in_milliseconds() -> None:
    assert 1.5 == calls.process_points([[1.0]], {"timeout": 1500}).timeout_s
    assert calls.process_points([[1.0]]).timeout_s is None


def test_an_option_that_there_is_not_is_refused() -> None:
    calls.process_points([[1.0]], {"batchMode": True, "batch_mode": True})
    with pytest.raises(TypeError, match="no option 'batchSize'"):
        calls.process_points([[1.0]], {"batchSize": 3})


@pytest.mark.parametrize("url", ["ftp://host", "host:8000", "http://", "nonsense"])
def test_an_address_has_to_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="base_url must be like"):
        address(url)


def test_a_path_of_the_address_stays() -> None:
    assert "http://host/ncs/health" == str(address("http://host/ncs/") / "health")
