"""Reading a body: its form, its content type, its size."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

import pytest

from .client import PROCESS, Api
from .conftest import Start

pytestmark = pytest.mark.integration

AS_JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1", b"points", b'{"points":[[1.0]]} ?', b"\xff\xfe", b"[" * 5000],
)
async def test_what_is_not_json_is_malformed(api: Api, body: bytes) -> None:
    answer = await api.post(PROCESS, data=body, headers=AS_JSON)
    assert answer.status == 400
    assert answer.json["error_code"] == "MALFORMED_FRAME"


@pytest.mark.parametrize("body", [b"", b"\x81", b"\xc1", b"\x91" * 5000, b"\xc0\xc0"])
async def test_what_is_not_messagepack_is_malformed(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/msgpack"}
    answer = await api.post(PROCESS, data=body, headers=headers)
    assert answer.status == 400
    assert answer.json["error_code"] == "MALFORMED_FRAME"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/cbor"])
async def test_another_content_type_is_refused_by_name(api: Api, kind: str) -> None:
    answer = await api.post(PROCESS, data=b"1,2", headers={"Content-Type": kind})
    assert answer.status == 415
    assert kind in answer.json["detail"]


# Large bodies


def padded(size: int) -> bytes:
    return json.dumps({"points": [[1.0]]}).encode().ljust(size)


async def in_chunks(body: bytes) -> Any:
    for at in range(0, len(body), 65536):
        yield body[at : at + 65536]


async def test_a_body_of_exactly_the_limit_is_read(start: Start) -> None:
    api = await start(max_frame_bytes=5000)
    answer = await api.post(PROCESS, data=padded(5000), headers=AS_JSON)
    assert answer.status == 200


async def test_a_body_of_one_byte_more_is_too_large(start: Start) -> None:
    api = await start(max_frame_bytes=5000)
    answer = await api.post(PROCESS, data=padded(5001), headers=AS_JSON)
    detail = "the body is larger than 5000 bytes"
    assert answer.said == (413, {"detail": detail, "error_code": "FRAME_TOO_LARGE"})


@pytest.mark.security
async def test_a_body_in_chunks_is_held_to_the_same_limit(api: Api) -> None:
    body = in_chunks(padded(3_000_000))
    answer = await api.post(PROCESS, data=body, headers=AS_JSON)
    assert answer.status == 413


@pytest.mark.security
async def test_a_small_body_that_unpacks_to_a_large_one_is_too_large(api: Api) -> None:
    bomb = zlib.compress(padded(50_000_000), wbits=31)
    assert len(bomb) < 100_000
    headers = AS_JSON | {"Content-Encoding": "gzip"}
    assert (await api.post(PROCESS, data=bomb, headers=headers)).status == 413


@pytest.mark.security
async def test_a_login_form_is_held_to_the_same_limit(start: Start) -> None:
    api = await start(max_frame_bytes=5000)
    form = {"username": "ann", "password": "x" * 5000}
    assert (await api.post("/auth/login", data=form)).status == 413


@pytest.mark.security
async def test_a_body_that_lies_about_its_length_is_cut_at_the_limit(api: Api) -> None:
    # More is announced than is allowed, more than is allowed comes, and then nothing.
    async with asyncio.timeout(5):
        status = await api.status_of(api.head(100_000_000) + b" " * 2_200_000)
    assert status == 413


@pytest.mark.security
async def test_more_bytes_than_announced_are_no_part_of_the_body(api: Api) -> None:
    body = b'{"points":[[1.0]]}'
    more = b'{"points":[[2.0],[3.0]]}\r\n\r\n'
    await api.raw(api.head(len(body)) + body + more)
    assert await api.total() <= 1


@pytest.mark.security
async def test_a_body_that_is_not_what_its_encoding_says_is_malformed(api: Api) -> None:
    headers = AS_JSON | {"Content-Encoding": "gzip"}
    answer = await api.post(PROCESS, data=b"not gzip", headers=headers)
    assert answer.status == 400
