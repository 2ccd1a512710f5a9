"""The files of the live page: those, and no others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import ncs_streamer

from .client import Api

pytestmark = pytest.mark.integration

FOLDER = Path(ncs_streamer.__file__).parent / "web"
FILES = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
FOLDERS = ("/assets", "/docs/assets")
PATHS = (
    "../app.py",
    "..%2fapp.py",
    "%2e%2e%2fapp.py",
    "%2e%2e/app.py",
    "..%5capp.py",
    "....//app.py",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "%252e%252e%252fapp.py",
    "..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "..",
    ".",
    "%00",
    "index.html%00.js",
    "~",
    "a" * 300,
    "a" * 5000,
    "%ff%fe",
)


def http(path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    return head.encode()


async def test_the_live_page_opens_without_a_credential(api: Api) -> None:
    answer = await api.get("/", credential=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.security
async def test_the_live_page_has_a_strict_policy(api: Api) -> None:
    policy = (await api.get("/")).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", sorted(FILES))
async def test_a_file_of_the_page_is_given_as_it_is(api: Api, name: str) -> None:
    answer = await api.get(f"/assets/{name}", credential=None)
    assert answer.status == 200
    assert answer.body == FILES[name]


@pytest.mark.security
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:20])
async def test_no_other_file_can_be_had(api: Api, folder: str, path: str) -> None:
    reply = await api.raw(http(f"{folder}/{path}"))  # a client would tidy the path
    assert reply.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"root:" not in reply
    assert b"make_app" not in reply


async def test_what_the_caller_has_already_is_not_sent_again(api: Api) -> None:
    for path in ("/", "/assets/app.js"):
        first = await api.get(path, credential=None)
        tag = first.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            again = await api.get(path, headers={"If-None-Match": known})
            assert (again.status, again.body) == (304, b"")
            assert again.headers["ETag"] == tag
        other = await api.get(path, headers={"If-None-Match": '"other"'})
        assert (other.status, other.body) == (200, first.body)


async def test_a_connection_stays_usable_after_a_304(api: Api) -> None:
    # Compressed and not modified: a body here would be taken for the next response.
    tag = (await api.get("/assets/axis.js")).headers["ETag"]
    head = "GET /assets/axis.js HTTP/1.1\r\nHost: here\r\nAccept-Encoding: gzip\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    for _ in range(3):
        writer.write(f"{head}If-None-Match: {tag}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 304 ")
        await asyncio.sleep(0.05)  # what follows it, would be there by now
    writer.write(b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
