"""Headers, request ids and compression, on whatever is answered."""

from __future__ import annotations

import gzip
import uuid
from typing import Any

import aiohttp
import orjson
import pytest

from .client import PROCESS, Answer, Api
from .conftest import Start

pytestmark = pytest.mark.integration

STREAMS = "/api/v1/streams"
PROMISED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
}
AS_JSON = {"Content-Type": "application/json"}

# name -> (method, path, what else, status)
SWEEP: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "points": ("POST", PROCESS, {"json": {"points": [[1.0]]}}, 200),
    "health": ("GET", "/health", {}, 200),
    "metrics": ("GET", "/metrics", {}, 200),
    "page": ("GET", "/", {}, 200),
    "docs": ("GET", "/docs", {}, 200),
    "asset": ("GET", "/docs/assets/redoc.js", {}, 200),
    "openapi": ("GET", "/openapi.json", {}, 200),
    "created": ("POST", "/auth/api-keys", {"json": {"name": "new"}}, 201),
    "preflight": (
        "OPTIONS", PROCESS, {"headers": {"Access-Control-Request-Method": "POST"}}, 204,
    ),
    "400": ("POST", PROCESS, {"data": b"{", "headers": AS_JSON}, 400),
    "401": ("GET", STREAMS, {"credential": None}, 401),
    "404": ("GET", "/nothing", {}, 404),
    "404 asset": ("GET", "/assets/nothing", {}, 404),
    "405": ("DELETE", "/health", {}, 405),
    "413": ("POST", PROCESS, {"data": b" " * 9000, "headers": AS_JSON}, 413),
    "415": ("POST", PROCESS, {"data": b"1", "headers": {"Content-Type": "a/b"}}, 415),
    "422": ("POST", PROCESS, {"json": {}}, 422),
    "no upgrade": ("GET", "/ws", {}, 400),
}  # fmt: skip
each_answer = pytest.mark.parametrize("name", SWEEP)


@pytest.fixture
async def small(start: Start) -> Api:
    """A server that reads bodies of up to 8000 bytes."""
    return await start(max_frame_bytes=8000)


async def swept(api: Api, name: str) -> Answer:
    method, path, more, status = SWEEP[name]
    answer = await api.call(method, path, **more)
    assert answer.status == status
    return answer


@pytest.mark.security
@each_answer
async def test_every_answer_has_the_security_headers(small: Api, name: str) -> None:
    answer = await swept(small, name)
    assert {header: answer.headers[header] for header in PROMISED} == PROMISED


@pytest.mark.security
@each_answer
async def test_every_answer_has_a_policy_for_its_content(small: Api, name: str) -> None:
    policy = (await swept(small, name)).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy


@each_answer
async def test_every_answer_has_a_request_id(small: Api, name: str) -> None:
    uuid.UUID((await swept(small, name)).headers["X-Request-ID"])


@pytest.mark.security
@each_answer
async def test_no_answer_tells_what_the_server_is_made_of(
    small: Api, name: str
) -> None:
    server = (await swept(small, name)).headers.get("Server", "")
    assert "Python" not in server
    assert "aiohttp" not in server


@pytest.mark.security
async def test_a_failure_has_the_same_headers(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.server.streams, "open", None)
    answer = await api.process([[1.0]])
    assert answer.status == 500
    assert {header: answer.headers[header] for header in PROMISED} == PROMISED
    assert answer.headers["X-Request-ID"] == answer.json["request_id"]


@pytest.mark.security
@each_answer
async def test_every_answer_demands_strict_transport_if_set(
    start: Start, name: str
) -> None:
    answer = await swept(await start(hsts=True, max_frame_bytes=8000), name)
    expected = "max-age=31536000; includeSubDomains"
    assert answer.headers["Strict-Transport-Security"] == expected


@pytest.mark.security
@each_answer
async def test_no_answer_demands_strict_transport_unless_set(
    small: Api, name: str
) -> None:
    assert "Strict-Transport-Security" not in (await swept(small, name)).headers


@pytest.mark.security
@pytest.mark.parametrize("path", [STREAMS, "/health", "/openapi.json"])
async def test_answers_are_not_kept_by_anyone(api: Api, path: str) -> None:
    assert (await api.get(path)).headers["Cache-Control"] == "no-store"


# Request ids


@pytest.mark.parametrize("given", ["a", "0123-ABC_def.x:y", "x" * 128])
async def test_the_clients_request_id_is_kept(api: Api, given: str) -> None:
    answer = await api.get("/nothing", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == answer.json["request_id"] == given


@pytest.mark.security
@pytest.mark.parametrize(
    "given",
    [
        "", " ", "x" * 129, "a b", "<script>", '"quoted"', "a,b", "a/b", "%0d%0a",
        "\u00e9", "{}",
    ],
)  # fmt: skip
async def test_a_hostile_request_id_is_replaced(api: Api, given: str) -> None:
    answer = await api.get("/nothing", headers={"X-Request-ID": given})
    uuid.UUID(answer.json["request_id"])
    assert answer.headers["X-Request-ID"] == answer.json["request_id"]


@pytest.mark.security
@pytest.mark.parametrize("given", [b"a\x01b", b"\xff", b"a\tb"])
async def test_a_request_id_cannot_carry_control_characters(
    api: Api, given: bytes
) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\nX-Request-ID: "
    reply = await api.raw(head + given + b"\r\n\r\n")
    assert given not in reply.partition(b"\r\n\r\n")[0]


async def test_two_requests_have_two_ids(api: Api) -> None:
    answers = [await api.get("/livez") for _ in range(2)]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 2


# Compression


async def streams_body_of(api: Api, size: int) -> bytes:
    """Give the server streams whose list is `size` bytes long; return the list."""
    lengths = [100] * 9
    lengths.append(size - len(orjson.dumps(["x" * n for n in [*lengths, 0]])))
    for number, length in enumerate(lengths):
        await api.process([[1.0]], stream=f"{number}".ljust(length, "x"))
    body = (await api.get(STREAMS)).body
    assert len(body) == size
    return body


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br", "deflate, gzip"])
async def test_a_body_of_1000_bytes_is_compressed(api: Api, accepted: str) -> None:
    body = await streams_body_of(api, 1000)
    answer = await api.get(STREAMS, headers={"Accept-Encoding": accepted})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == body
    assert len(answer.body) < 500


async def test_a_body_of_999_bytes_is_not_compressed(api: Api) -> None:
    body = await streams_body_of(api, 999)
    answer = await api.get(STREAMS, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    assert answer.body == body


@pytest.mark.parametrize("accepted", ["identity", "br", "deflate", "", "gzip;q=0"])
async def test_a_client_that_cannot_unpack_gets_it_plain(
    api: Api, accepted: str
) -> None:
    body = await streams_body_of(api, 1000)
    answer = await api.get(STREAMS, headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers
    assert answer.body == body


async def test_encodings_are_written_in_any_case(api: Api) -> None:
    await streams_body_of(api, 1000)
    answer = await api.get(STREAMS, headers={"Accept-Encoding": "GZip"})
    assert answer.headers.get("Content-Encoding") == "gzip"


@pytest.mark.parametrize("path", ["/", "/docs/assets/swagger-ui-bundle.js"])
async def test_a_file_is_compressed_too(api: Api, path: str) -> None:
    answer = await api.get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.headers.get("Content-Encoding") == "gzip"


async def test_a_client_unpacks_a_compressed_reply(api: Api) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{api.port}{PROCESS}"
        headers = {"Authorization": f"Bearer {api.token()}"}
        body = {"points": [[1.0, 2.0]] * 100}
        async with session.post(url, json=body, headers=headers) as reply:
            assert reply.headers["Content-Encoding"] == "gzip"
            assert (await reply.json())["points_processed"] == 100
