"""Tokens, keys and passwords stay out of every log line and every refusal."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest

from ncs_streamer.auth import User

from .client import PASSWORD, PROCESS, SECRET, Api, Logs

pytestmark = [pytest.mark.integration, pytest.mark.security]

STREAMS = "/api/v1/streams"
LOGIN = "/api/v1/auth/login"
WRONG = "hunter2-is-not-the-password"
LOGIN_BODY = f'{{"username":"ann","password":"{WRONG}"'.encode()

Seen = tuple[list[str], list[bytes]]
"""The secrets that were used, and what was answered without having to tell them."""


async def a_login(api: Api) -> Seen:
    form = {"username": "ann", "password": PASSWORD}
    answer = await api.post(LOGIN, credential=None, data=form)
    assert answer.status == 200
    return [PASSWORD, answer.json["access_token"]], []


async def a_failed_login(api: Api) -> Seen:
    form = {"username": "ann", "password": WRONG}
    return [WRONG], [(await api.post(LOGIN, credential=None, data=form)).body]


async def a_login_with_the_password_as_name(api: Api) -> Seen:
    form = {"username": WRONG, "password": ""}
    return [WRONG], [(await api.post(LOGIN, credential=None, data=form)).body]


async def a_login_with_a_mistake(api: Api) -> Seen:
    bodies = []
    for end in (b"", b',"extra":1}', b',"grant_type":7}', b"]"):
        headers = {"Content-Type": "application/json"}
        answer = await api.post(
            LOGIN, credential=None, data=LOGIN_BODY + end, headers=headers
        )
        assert answer.status in (400, 422)
        bodies.append(answer.body)
    return [WRONG], bodies


async def a_login_with_a_long_password(api: Api) -> Seen:
    body = {"username": "ann", "password": WRONG * 100}
    return [WRONG], [(await api.post(LOGIN, credential=None, json=body)).body]


async def a_login_once_too_often(api: Api) -> Seen:
    form = {"username": "ann", "password": WRONG}
    for _ in range(10):
        await api.post(LOGIN, credential=None, json={})
    answer = await api.post(LOGIN, credential=None, data=form)
    assert answer.status == 429
    return [WRONG], [answer.body]


async def a_login_of_the_wrong_length(api: Api) -> Seen:
    head = api.head(len(LOGIN_BODY) - 20, path=LOGIN)
    # What the HTTP parser refuses it quotes to the sender, but never in the log.
    await api.raw(head + LOGIN_BODY + b"}\r\n\r\n")
    return [WRONG[8:]], []


async def a_token(api: Api) -> Seen:
    token = api.token()
    return [token], [(await api.get(STREAMS, credential=token)).body]


async def a_bad_token(api: Api) -> Seen:
    old = api.token(now=time.time() - 9000)
    forged = api.token()[:-5] + "AAAAA"
    gone = api.token(user_id="gone")
    tokens = [old, forged, gone]
    return tokens, [(await api.get(STREAMS, credential=t)).body for t in tokens]


async def a_token_without_the_scope(api: Api) -> Seen:
    token = api.token("read")
    return [token], [(await api.process([[1.0]], credential=token)).body]


async def a_token_in_the_address(api: Api) -> Seen:
    token = api.token()
    answer = await api.get(f"{STREAMS}?access_token={token}", credential=None)
    return [token], [answer.body]


async def a_token_that_is_too_long(api: Api) -> Seen:
    token = "eyJ-the-begin-of-a-token" + "A" * 9000
    head = f"GET {STREAMS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}"
    await api.raw(head.encode() + b"\r\n\r\n")
    return [token[:24]], []


async def a_key(api: Api) -> Seen:
    key, _ = await api.key()
    answer = await api.get(STREAMS, credential=None, headers={"X-API-Key": key})
    return [key], [answer.body]


async def a_new_key(api: Api) -> Seen:
    answer = await api.post("/auth/api-keys", json={"name": "new"})
    return [answer.json["api_key"]], [(await api.get("/auth/api-keys")).body]


async def a_revoked_key(api: Api) -> Seen:
    key, key_id = await api.key()
    deleted = await api.call("DELETE", f"/auth/api-keys/{key_id}")
    return [key], [deleted.body, (await api.get(STREAMS, credential=key)).body]


async def a_key_in_place_of_its_id(api: Api) -> Seen:
    key, _ = await api.key()
    return [key], [(await api.call("DELETE", f"/auth/api-keys/{key}")).body]


async def a_failure(api: Api) -> Seen:
    key, _ = await api.key()
    token = api.token()
    api.server.streams.open = api.server.streams.find = None  # type: ignore[assignment, method-assign]
    return [key, token], [
        (await api.process([[1.0]], credential=key)).body,
        (await api.process([[1.0]], credential=token)).body,
        (await api.get("/api/v1/algorithm_status", credential=token)).body,
    ]


async def a_failure_to_log_in(api: Api) -> Seen:
    api.server.authenticator.login = None  # type: ignore[assignment, method-assign]
    form = {"username": "ann", "password": WRONG}
    answer = await api.post(LOGIN, credential=None, data=form)
    assert answer.status == 500
    return [WRONG], [answer.body]


async def a_body_with_a_credential_in_it(api: Api) -> Seen:
    token = api.token()
    body = {"points": [[1.0]], "stream": token, "token": token}
    return [token], [(await api.post(PROCESS, json=body)).body]


CASES: list[Callable[[Api], Awaitable[Seen]]] = [
    a_login, a_failed_login, a_login_with_the_password_as_name, a_login_with_a_mistake,
    a_login_with_a_long_password, a_login_once_too_often, a_login_of_the_wrong_length,
    a_token, a_bad_token, a_token_without_the_scope, a_token_in_the_address,
    a_token_that_is_too_long, a_key, a_new_key, a_revoked_key,
    a_key_in_place_of_its_id, a_failure, a_failure_to_log_in,
    a_body_with_a_credential_in_it,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_no_secret_is_logged_or_sent_back(
    api: Api, logs: Logs, user: User, case: Callable[[Api], Awaitable[Seen]]
) -> None:
    secrets, bodies = await case(api)
    assert logs.lines
    shown = [logs.text, *(body.decode() for body in bodies)]
    for secret in (*secrets, SECRET, user.password_hash):
        assert not any(secret in text for text in shown)
