"""The files of the dashboard: those, and no others."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
from pathlib import Path

import pytest
from page_build import ASSETS, WEB, build_page

from ncs_streamer.rest import pages

from .client import Api
from .conftest import Start

pytestmark = pytest.mark.integration

MOST_BYTES = 120_000  # of all files together, compressed
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


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    build_page()


def script() -> str:
    """Return the name of the page's script."""
    return next(path.name for path in ASSETS.glob("index-*.js"))


async def test_the_page_opens_without_a_credential(api: Api) -> None:
    answer = await api.get("/", credential=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def rules_of(policy: str) -> dict[str, str]:
    parts = (rule.strip().partition(" ") for rule in policy.split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.security
async def test_page_and_files_have_a_strict_policy(api: Api) -> None:
    for path in ("/", f"/assets/{script()}"):
        policy = (await api.get(path)).headers["Content-Security-Policy"]
        rules = rules_of(policy)
        assert "'none'" == rules.pop("default-src")
        assert {"'none'"} == {
            rules.pop(name) for name in ("base-uri", "form-action", "frame-ancestors")
        }
        assert {"'self'"} == set(rules.values()), rules
        assert {"script-src", "worker-src", "style-src", "connect-src"} < rules.keys()


@pytest.mark.security
async def test_only_the_page_that_is_to_be_embedded_can_be(start: Start) -> None:
    api = await start(cors_origins="https://board.example")
    policy = (await api.get("/?embed")).headers["Content-Security-Policy"]
    assert "'self' https://board.example" == rules_of(policy)["frame-ancestors"]
    policy = (await api.get("/?stream=embed")).headers["Content-Security-Policy"]
    assert "'none'" == rules_of(policy)["frame-ancestors"]


@pytest.mark.security
def test_nothing_is_inline_and_no_other_place_is_named() -> None:
    page = (WEB / "index.html").read_text()
    assert not re.search(r"<script(?![^>]* src=)|<style| style=|\son\w+=", page)
    for path in ASSETS.iterdir():
        text = path.read_text()
        assert "sourceMappingURL" not in text
        assert not re.search(r"\beval\(|new Function\(", text)
        found = re.findall(r"https?://[\w-]+\.[\w./]+", text)
        assert {"http://www.w3.org/2000/svg"} >= set(found)


def test_all_of_it_is_small() -> None:
    files = [path for path in WEB.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert MOST_BYTES > sum(len(gzip.compress(f.read_bytes())) for f in files)


async def test_each_file_is_given_as_it_is_and_kept_for_ever(api: Api) -> None:
    page = (WEB / "index.html").read_text()
    for path in ASSETS.iterdir():
        answer = await api.get(f"/assets/{path.name}", credential=None)
        assert (200, path.read_bytes()) == (answer.status, answer.body)
        assert "immutable" in answer.headers["Cache-Control"]
        assert re.search(r"-[\w-]{8}\.\w+$", path.name), "a hash in its name"
    assert script() in page
    assert "no-cache" == (await api.get("/")).headers["Cache-Control"]


async def test_a_tree_without_a_built_page_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "_WEB", tmp_path)
    monkeypatch.setattr(pages, "_ASSETS", tmp_path / "assets")
    answer = await api.get("/", credential=None)
    assert (503, True) == (answer.status, b"make page" in answer.body)
    assert 404 == (await api.get("/assets/index.js")).status


async def test_a_page_that_is_built_anew_is_given_by_a_server_that_runs(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "_WEB", tmp_path)
    index = tmp_path / "index.html"
    for ns, text in enumerate(("the old", "the new")):
        index.write_text(text)
        os.utime(index, ns=(ns, ns))
        assert text.encode() == (await api.get("/", credential=None)).body


@pytest.mark.security
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:20])
async def test_no_other_file_can_be_had(api: Api, folder: str, path: str) -> None:
    reply = await api.raw(http(f"{folder}/{path}"))  # a client would tidy the path
    assert reply.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"root:" not in reply
    assert b"make_app" not in reply


async def test_what_the_caller_has_already_is_not_sent_again(api: Api) -> None:
    for path in ("/", f"/assets/{script()}"):
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
    path = f"/assets/{script()}"
    tag = (await api.get(path)).headers["ETag"]
    head = f"GET {path} HTTP/1.1\r\nHost: here\r\nAccept-Encoding: gzip\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    for _ in range(3):
        writer.write(f"{head}If-None-Match: {tag}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 304 ")
        await asyncio.sleep(0.05)  # what follows it, would be there by now
    writer.write(b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
