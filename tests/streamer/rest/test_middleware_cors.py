"""CORS: pages of the origins that are set may call, and no others."""

from __future__ import annotations

import pytest

from .client import PROCESS, Answer, Api
from .conftest import Start

pytestmark = [pytest.mark.integration, pytest.mark.security]

FRIEND = "https://app.example.org"
OTHER = "http://localhost:3000"
FOREIGN = "https://evil.example.org"
STREAMS = "/api/v1/streams"


@pytest.fixture
async def shared(start: Start) -> Api:
    """A server that two origins may call."""
    return await start(cors_origins=[FRIEND, OTHER])


async def preflight(
    api: Api, origin: str = FRIEND, path: str = PROCESS, method: str = "POST"
) -> Answer:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-api-key,x-anything",
    }
    return await api.call("OPTIONS", path, credential=None, headers=headers)


def cors_headers(answer: Answer) -> set[str]:
    return {name for name in answer.headers if name.startswith("Access-Control")}


@pytest.mark.parametrize("origin", [FRIEND, OTHER])
async def test_a_preflight_of_an_origin_that_is_set_is_allowed(
    shared: Api, origin: str
) -> None:
    answer = await preflight(shared, origin)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
async def test_a_preflight_allows_every_method(shared: Api, method: str) -> None:
    answer = await preflight(shared, method=method)
    allowed = answer.headers["Access-Control-Allow-Methods"].split(", ")
    assert method in allowed


async def test_a_preflight_allows_every_header(shared: Api) -> None:
    answer = await preflight(shared)
    allowed = answer.headers["Access-Control-Allow-Headers"]
    assert allowed == "content-type,x-api-key,x-anything"


async def test_a_preflight_needs_no_credential_and_costs_nothing(shared: Api) -> None:
    for _ in range(110):  # strangers have a hundred refused requests
        answer = await preflight(shared)
        assert answer.status == 204
    assert (await shared.get(STREAMS, credential=None)).status == 401


@pytest.mark.parametrize(
    "origin",
    [
        FOREIGN, "null", "https://app.example.org.evil.org", "https://example.org",
        "http://app.example.org", "https://app.example.org:8443", "https://APP.example.org/",
    ],
)  # fmt: skip
async def test_a_preflight_of_another_origin_allows_nothing(
    shared: Api, origin: str
) -> None:
    assert cors_headers(await preflight(shared, origin)) == set()


async def test_a_page_of_an_origin_that_is_set_may_read_the_answer(shared: Api) -> None:
    answer = await shared.get(STREAMS, headers={"Origin": FRIEND})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


async def test_a_page_may_read_a_refusal_too(shared: Api) -> None:
    answer = await shared.get(STREAMS, credential=None, headers={"Origin": FRIEND})
    assert answer.status == 401
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND


@pytest.mark.parametrize(
    "header",
    ["X-Request-ID", "Retry-After", "RateLimit-Remaining"],
)
async def test_a_page_may_read_the_headers_meant_for_it(
    shared: Api, header: str
) -> None:
    answer = await shared.get(STREAMS, headers={"Origin": FRIEND})
    exposed = answer.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert header.lower() in exposed


async def test_a_page_of_another_origin_may_not_read_the_answer(shared: Api) -> None:
    answer = await shared.get(STREAMS, headers={"Origin": FOREIGN})
    assert cors_headers(answer) == set()


async def test_an_answer_varies_by_origin(shared: Api) -> None:
    answer = await shared.get(STREAMS, headers={"Origin": FRIEND})
    assert "Origin" in answer.headers["Vary"]


async def test_nobody_may_call_unless_it_is_set(api: Api) -> None:
    assert cors_headers(await preflight(api)) == set()
    answer = await api.get(STREAMS, headers={"Origin": FRIEND})
    assert cors_headers(answer) == set()


@pytest.mark.parametrize(
    "environ",
    [
        {"CORS_ORIGINS": f'["{OTHER}", "{FRIEND}"]'},
        {"ALLOWED_ORIGINS": FRIEND},
        {"ALLOWED_ORIGINS": f"{OTHER},{FRIEND}"},
        {"NCS_CORS_ORIGINS": FRIEND, "CORS_ORIGINS": FOREIGN},
    ],
)
async def test_origins_can_be_set_in_every_documented_way(
    start: Start, environ: dict[str, str]
) -> None:
    api = await start(environ)
    answer = await preflight(api)
    assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
    assert cors_headers(await preflight(api, FOREIGN)) == set()


async def test_a_page_may_ask_by_itself_what_it_may(shared: Api) -> None:
    answer = await shared.call("OPTIONS", PROCESS, headers={"Origin": FRIEND})
    assert answer.status == 204
    assert "OPTIONS" in answer.headers["Access-Control-Allow-Methods"].split(", ")


async def test_options_of_no_page_is_a_method_like_others(shared: Api) -> None:
    answer = await shared.call("OPTIONS", PROCESS)
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
