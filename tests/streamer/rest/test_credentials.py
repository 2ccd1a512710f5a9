"""Logging in."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from ncs_streamer.auth import User

from .client import PASSWORD, SECRET, Answer, Api
from .conftest import Start

pytestmark = [pytest.mark.integration, pytest.mark.security]

LOGIN = "/api/v1/auth/login"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FAILED = (
    401,
    {
        "detail": "Authentication failed",
        "error_code": "AUTHENTICATION_ERROR",
        "reason": "login_failed",
    },
)


async def login(api: Api, name: str = "ann", password: str = PASSWORD) -> Answer:
    form = {"username": name, "password": password}
    return await api.post(LOGIN, credential=None, data=form)


async def test_a_login_by_form_gives_a_bearer_token(api: Api, user: User) -> None:
    answer = await login(api)
    assert answer.status == 200
    assert answer.json["token_type"] == "bearer"
    token = answer.json["access_token"]
    assert (await api.get("/api/v1/streams", credential=token)).status == 200


async def test_a_login_by_json_gives_a_bearer_token(api: Api, user: User) -> None:
    body = {"username": "ann", "password": PASSWORD}
    answer = await api.post(LOGIN, credential=None, json=body)
    assert answer.status == 200
    assert answer.json["token_type"] == "bearer"
    token = answer.json["access_token"]
    assert (await api.get("/api/v1/streams", credential=token)).status == 200


async def test_a_login_form_may_carry_the_other_fields_of_oauth2(
    api: Api, user: User
) -> None:
    form = {"username": "ann", "password": PASSWORD, "scope": "", "client_id": "x"}
    form["grant_type"] = "password"
    assert (await api.post(LOGIN, credential=None, data=form)).status == 200


async def test_the_token_says_how_long_it_holds(api: Api, user: User) -> None:
    answer = await login(api)
    payload = jwt.decode(answer.json["access_token"], SECRET, ["HS256"])
    assert answer.json["expires_in"] == 900
    assert payload["exp"] - payload["iat"] == 900
    assert abs(payload["iat"] - time.time()) < 60


async def test_the_lifetime_of_tokens_can_be_set(
    start: Start, password_hash: str
) -> None:
    api = await start({"ACCESS_TOKEN_EXPIRE_MINUTES": "2"})
    row = User("ann", "default", "admin", password_hash)
    await api.server.store.directory.put_user(row)
    assert (await login(api)).json["expires_in"] == 120


async def test_the_token_carries_who_and_what(api: Api, user: User) -> None:
    token = (await login(api)).json["access_token"]
    payload = jwt.decode(token, SECRET, ["HS256"])
    assert payload["sub"] == payload["user_id"] == "ann"
    assert payload["email"] == "ann@example.org"
    assert payload["tenant"] == "default"
    assert payload["scopes"] == ["read", "write", "admin"]


@pytest.mark.parametrize(
    ("role", "scopes"), [("viewer", ["read"]), ("producer", ["read", "write"])]
)
async def test_the_scopes_are_those_of_the_role(
    api: Api, password_hash: str, role: str, scopes: list[str]
) -> None:
    row = User("bob", "default", role, password_hash)
    await api.server.store.directory.put_user(row)
    token = (await login(api, "bob")).json["access_token"]
    assert jwt.decode(token, SECRET, ["HS256"])["scopes"] == scopes


async def test_a_wrong_password_is_refused(api: Api, user: User) -> None:
    assert (await login(api, password="wrong")).said == FAILED


async def test_an_unknown_user_is_refused_in_the_same_words(
    api: Api, user: User
) -> None:
    known, unknown = await login(api, password="wrong"), await login(api, "eve")
    assert known.said == unknown.said == FAILED
    assert known.headers.keys() == unknown.headers.keys()


async def test_a_disabled_user_is_refused_in_the_same_words(
    api: Api, password_hash: str
) -> None:
    row = User("bob", "default", "admin", password_hash, is_active=False)
    await api.server.store.directory.put_user(row)
    assert (await login(api, "bob")).said == FAILED


@pytest.mark.parametrize("password", ["", " ", PASSWORD + " ", PASSWORD.upper(), "\0"])
async def test_only_the_very_password_will_do(
    api: Api, user: User, password: str
) -> None:
    assert (await login(api, password=password)).said == FAILED


async def test_a_refused_login_says_how_to_authenticate(api: Api, user: User) -> None:
    answer = await login(api, password="wrong")
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="ncs"')


async def test_the_development_user_can_log_in(start: Start) -> None:
    api = await start(environment="development")
    assert (await login(api, "admin", "admin123")).status == 200


async def test_production_has_no_known_user(api: Api) -> None:
    assert (await login(api, "admin", "admin123")).said == FAILED


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Object missing required field `username`"),
        ({"username": "ann"}, "Object missing required field `password`"),
        (
            {"username": "a" * 257, "password": "x"},
            "Expected `str` of length <= 256",
        ),
        (
            {"username": "ann", "password": "x" * 1025},
            "Expected `str` of length <= 1024",
        ),
    ],
)
@pytest.mark.parametrize("form", ["data", "json"])
async def test_an_incomplete_login_says_what_is_wrong(
    api: Api, body: Any, message: str, form: str
) -> None:
    answer = await api.post(LOGIN, credential=None, headers=FORM, data=b"")
    if body or form == "json":
        answer = await api.post(LOGIN, credential=None, **{form: body})
    assert answer.status == 422
    assert answer.json["detail"][0]["msg"] == message


@pytest.mark.parametrize("field", ["username", "password"])
async def test_an_invalid_login_field_is_placed(api: Api, field: str) -> None:
    body = {"username": "ann", "password": "x"} | {field: "x" * 2000}
    answer = await api.post(LOGIN, credential=None, json=body)
    assert answer.json["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"username=ann&password=\xff\xfe"),
        ("application/json", b"{"),
    ],
)
async def test_a_login_that_cannot_be_read_is_malformed(
    api: Api, content_type: str, body: bytes
) -> None:
    headers = {"Content-Type": content_type}
    answer = await api.post(LOGIN, credential=None, data=body, headers=headers)
    assert answer.status == 400


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=b"]
)
async def test_a_login_in_another_content_type_is_refused_as_such(
    api: Api, kind: str
) -> None:
    headers = {"Content-Type": kind}
    answer = await api.post(LOGIN, credential=None, data=b"x", headers=headers)
    assert answer.status == 415
