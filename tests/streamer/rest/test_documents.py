"""The API's pages: they open, offline, and load nothing from elsewhere."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from .client import Api

pytestmark = pytest.mark.integration

PAGES = ("/docs", "/redoc")
each_page = pytest.mark.parametrize("page", PAGES)
ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "redoc.js")
KINDS = {"css": "/css", "js": "/javascript"}


async def references(api: Api, page: str) -> list[str]:
    text = (await api.get(page, credential=None)).body.decode()
    return re.findall(r'(?:src|href)="([^"]+)"', text)


@each_page
async def test_a_page_opens_without_a_credential(api: Api, page: str) -> None:
    answer = await api.get(page, credential=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.body.startswith(b"<!doctype html>")


@each_page
async def test_a_page_refers_to_its_own_server_only(api: Api, page: str) -> None:
    found = await references(api, page)
    assert found
    here = "http://here"
    assert all(urljoin(f"{here}{page}", ref).startswith(f"{here}/") for ref in found)


@each_page
async def test_everything_that_a_page_refers_to_is_there(api: Api, page: str) -> None:
    for reference in await references(api, page):
        answer = await api.get(urljoin(page, reference), credential=None)
        assert answer.status == 200
        kind = KINDS[reference.rpartition(".")[2]]
        assert kind in answer.headers["Content-Type"]
        assert answer.body


@each_page
async def test_the_script_of_a_page_loads_the_document(api: Api, page: str) -> None:
    [start] = [ref for ref in await references(api, page) if "start-" in ref]
    assert b'"/openapi.json"' in (await api.get(start, credential=None)).body


@each_page
async def test_a_page_has_no_inline_script(api: Api, page: str) -> None:
    text = (await api.get(page, credential=None)).body.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"\son\w+=", text) == []


@pytest.mark.security
@each_page
async def test_the_policy_of_a_page_lets_scripts_come_from_here_only(
    api: Api, page: str
) -> None:
    policy = (await api.get(page)).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("name", ASSETS)
async def test_an_asset_may_be_kept_by_the_browser(api: Api, name: str) -> None:
    answer = await api.get(f"/docs/assets/{name}", credential=None)
    assert answer.headers["Cache-Control"] == "public, max-age=86400"


@pytest.mark.parametrize("name", ["other.js", "documents.py", "start-other.js", ".."])
async def test_an_unknown_asset_is_not_found(api: Api, name: str) -> None:
    assert (await api.get(f"/docs/assets/{name}", credential=None)).status == 404
