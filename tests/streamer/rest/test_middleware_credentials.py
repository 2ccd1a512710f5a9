"""The guard: which credentials get in, and how the others are refused."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from typing import Any

import jwt
import pytest

from ncs_streamer.auth import User

from .client import ALL, SECRET, Api

pytestmark = [pytest.mark.integration, pytest.mark.security]

PATH = "/api/v1/streams"


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims, with some replaced, or left out if None."""
    now = int(time.time())
    usual = {
        "iss": "ncs",
        "sub": "ann",
        "tenant": "default",
        "scopes": list(ALL),
        "iat": now,
        "exp": now + 86400,  # made when tests are collected, and used much later
    }
    return {k: v for k, v in (usual | changes).items() if v is not None}


def unsigned(payload: dict[str, Any], header: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in (header, payload))
    encoded = (base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)
    return ".".join(encoded) + "."


GOOD = jwt.encode(claims(), SECRET, "HS256")
FORGED = {
    "another secret": jwt.encode(claims(), SECRET[::-1], "HS256"),
    "no signature": unsigned(claims(), {"alg": "none", "typ": "JWT"}),
    "algorithm None": unsigned(claims(), {"alg": "None"}),
    "another algorithm": jwt.encode(claims(), SECRET + SECRET, "HS512"),
    "signature cut": GOOD[:-6],
    "claims changed": ".".join(
        (GOOD.split(".")[0], unsigned(claims(sub="eve"), {}).split(".")[1],
         GOOD.split(".")[2])
    ),
    "no subject": jwt.encode(claims(sub=None), SECRET, "HS256"),
    "no tenant": jwt.encode(claims(tenant=None), SECRET, "HS256"),
    "no scopes": jwt.encode(claims(scopes=None), SECRET, "HS256"),
    "no expiry": jwt.encode(claims(exp=None), SECRET, "HS256"),
    "unknown scope": jwt.encode(claims(scopes=["root"]), SECRET, "HS256"),
    "another issuer": jwt.encode(claims(iss="elsewhere"), SECRET, "HS256"),
    "scopes as text": jwt.encode(claims(scopes="admin"), SECRET, "HS256"),
    "not base64": "a.b.c",
    "only dots": "..",
    "deeply nested": base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30",
    "not ASCII": "\u00e9.\u00e9.\u00e9",
}  # fmt: skip


async def reason(api: Api, credential: str) -> str:
    answer = await api.get(PATH, credential=credential)
    status, body = answer.said
    assert status == 401
    assert body["detail"] == "Authentication failed"
    assert body["error_code"] == "AUTHENTICATION_ERROR"
    given: str = body["reason"]
    return given


async def test_a_token_is_a_bearer_credential(api: Api) -> None:
    assert (await api.get(PATH, credential=GOOD)).status == 200


async def test_an_api_key_is_a_bearer_credential(api: Api) -> None:
    key, _ = await api.key()
    assert (await api.get(PATH, credential=key)).status == 200


async def test_an_api_key_may_come_in_a_header_of_its_own(api: Api) -> None:
    key, _ = await api.key()
    headers = {"X-API-Key": key}
    assert (await api.get(PATH, credential=None, headers=headers)).status == 200


async def test_the_scheme_is_written_in_any_case(api: Api) -> None:
    headers = {"Authorization": f"bEARER   {api.token()}"}
    assert (await api.get(PATH, credential=None, headers=headers)).status == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YW5uOnB3", GOOD, f"Token {GOOD}"]
)
async def test_what_is_no_bearer_credential_is_none_at_all(
    api: Api, header: str
) -> None:
    answer = await api.get(PATH, credential=None, headers={"Authorization": header})
    assert answer.status == 401
    assert answer.json["reason"] == "credentials_missing"


@pytest.mark.parametrize("how", FORGED)
async def test_a_forged_token_is_refused(api: Api, how: str) -> None:
    assert await reason(api, FORGED[how]) == "token_invalid"


@pytest.mark.parametrize("credential", [b"\xff.b.c", b"\xff\xfe", b"a.\xed\xa0\x80.c"])
async def test_bytes_that_are_no_text_are_refused(api: Api, credential: bytes) -> None:
    head = b"GET " + PATH.encode() + b" HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
    reply = await api.raw(head + b"Authorization: Bearer " + credential + b"\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 401")


async def test_an_expired_token_is_refused_as_expired(api: Api) -> None:
    old = api.token(now=time.time() - 3600, lifetime_s=60)
    assert await reason(api, old) == "token_expired"


async def test_a_token_holds_exactly_as_long_as_it_says(api: Api) -> None:
    clock = api.hold_clock()
    token = api.token(now=int(api.server.clock.now()), lifetime_s=60)
    clock.elapsed_s = 58
    assert (await api.get(PATH, credential=token)).status == 200
    clock.elapsed_s = 61
    assert await reason(api, token) == "token_expired"


async def test_a_token_of_a_deleted_user_is_refused(api: Api, user: User) -> None:
    token = api.token(user_id=user.name)
    await api.server.store.directory.delete_user(user.name)
    assert await reason(api, token) == "user_not_found"


async def test_a_token_of_a_disabled_user_is_refused(api: Api, user: User) -> None:
    token = api.token(user_id=user.name)
    assert (await api.get(PATH, credential=token)).status == 200
    disabled = dataclasses.replace(user, is_active=False)
    await api.server.store.directory.put_user(disabled)
    assert await reason(api, token) == "user_not_found"


async def test_a_token_does_not_follow_its_user_to_another_tenant(
    api: Api, user: User
) -> None:
    token = api.token(user_id=user.name)
    moved = dataclasses.replace(user, tenant="other")
    await api.server.store.directory.put_user(moved)
    assert await reason(api, token) == "user_not_found"


async def test_an_unknown_key_is_refused(api: Api) -> None:
    key, _ = await api.key()
    other = key[:-10] + ("a" if key[-10] != "a" else "b") + key[-9:]
    for wrong in (other, "nck_dev_short", "anything"):
        assert await reason(api, wrong) == "key_invalid"


async def test_a_revoked_key_is_refused(api: Api) -> None:
    key, key_id = await api.key()
    await api.server.store.directory.revoke_key(key_id)
    assert await reason(api, key) == "key_invalid"


async def test_an_expired_key_is_refused(api: Api) -> None:
    key, _ = await api.key(expires_at=time.time() + 3600)
    assert (await api.get(PATH, credential=key)).status == 200
    api.hold_clock().elapsed_s = 3601
    assert await reason(api, key) == "key_invalid"


async def test_a_refused_credential_is_called_an_invalid_token(api: Api) -> None:
    answer = await api.get(PATH, credential="a.b.c")
    expected = 'Bearer realm="ncs", error="invalid_token"'
    assert answer.headers["WWW-Authenticate"] == expected


async def test_a_key_that_may_only_read_cannot_write(api: Api) -> None:
    key, _ = await api.key("read")
    answer = await api.process([[1.0]], credential=key)
    assert answer.status == 403
    assert (
        answer.json["detail"] == "this needs the scope 'write'; the credential has read"
    )
    assert await api.total() == 0


async def test_a_key_that_may_only_write_cannot_reset(api: Api) -> None:
    key, _ = await api.key("write")
    await api.process([[1.0]], credential=key)
    body = {"confirm": True}
    answer = await api.post("/api/v1/algorithm/reset", credential=key, json=body)
    assert answer.status == 403
    assert await api.total() == 1


async def test_a_credential_in_the_address_does_not_count(api: Api) -> None:
    key, _ = await api.key()
    for name in ("token", "api_key", "access_token"):
        answer = await api.get(f"{PATH}?{name}={key}", credential=None)
        assert answer.json["reason"] == "credentials_missing"
