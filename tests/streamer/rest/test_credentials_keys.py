"""API keys: made, shown once, listed, revoked."""

from __future__ import annotations

import hashlib
import re
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from .client import ADMIN, Answer, Api

pytestmark = [pytest.mark.integration, pytest.mark.security]

KEYS = "/api/v1/auth/api-keys"
STREAMS = "/api/v1/streams"


async def make(api: Api, *, credential: str = ADMIN, **fields: Any) -> Answer:
    body = {"name": "gateway"} | fields
    return await api.post(KEYS, credential=credential, json=body)


async def status_with(api: Api, key: str) -> int:
    return (await api.get(STREAMS, credential=key)).status


async def test_a_new_key_is_shown(api: Api) -> None:
    answer = await make(api)
    assert answer.status == 201
    assert set(answer.json) == {
        "key_id", "name", "prefix", "permissions", "is_active", "created_at",
        "expires_at", "api_key",
    }  # fmt: skip
    assert re.fullmatch(r"nck_live_\w{40}_[0-9a-f]{8}", answer.json["api_key"])


async def test_a_key_is_recognised_by_the_first_four_characters(api: Api) -> None:
    made = (await make(api)).json
    assert len(made["prefix"]) == 4
    assert made["api_key"].startswith(f"nck_live_{made['prefix']}")


async def test_a_new_key_can_be_used_at_once(api: Api) -> None:
    key = (await make(api)).json["api_key"]
    assert (await api.process([[1.0]], credential=key)).status == 200


async def test_a_new_key_reads_and_writes_unless_asked_otherwise(api: Api) -> None:
    made = (await make(api)).json
    assert made["permissions"] == ["read", "write"]
    answer = await api.get(KEYS, credential=made["api_key"])
    assert answer.status == 403


async def test_a_key_has_the_scopes_that_were_asked_for(api: Api) -> None:
    made = (await make(api, permissions=["read", "read"])).json
    assert made["permissions"] == ["read"]
    assert await status_with(api, made["api_key"]) == 200
    assert (await api.process([[1.0]], credential=made["api_key"])).status == 403


async def test_a_key_may_be_made_with_a_key(api: Api) -> None:
    first = (await make(api, permissions=["read", "write", "admin"])).json["api_key"]
    second = (await make(api, credential=first)).json["api_key"]
    assert await status_with(api, second) == 200


@pytest.mark.parametrize("scope", ["read", "write"])
async def test_nobody_hands_out_a_scope_that_he_lacks(api: Api, scope: str) -> None:
    admin_only = api.token("admin")
    answer = await make(api, credential=admin_only, permissions=["admin", scope])
    assert answer.status == 403
    assert f"needs the scope {scope!r}" in answer.json["detail"]
    assert (await api.get(KEYS)).json == []


async def test_a_key_is_of_the_tenant_of_its_maker(api: Api) -> None:
    await api.process([[1.0]], stream="ours")
    other = api.token(tenant="other")
    key = (await make(api, credential=other)).json["api_key"]
    assert (await api.get(STREAMS, credential=key)).json == []


async def test_a_key_expires_when_it_was_told_to(api: Api) -> None:
    made = (await make(api, expires_in_days=2)).json
    times = (
        datetime.fromisoformat(made[name]) for name in ("created_at", "expires_at")
    )
    created, expires = times
    assert created.utcoffset() == timedelta(0)
    assert expires - created == timedelta(days=2)


async def test_an_expired_key_is_refused(api: Api) -> None:
    clock = api.hold_clock()
    key = (await make(api, expires_in_days=0.5)).json["api_key"]
    clock.elapsed_s = 43_199
    assert await status_with(api, key) == 200
    clock.elapsed_s = 43_200
    assert await status_with(api, key) == 401


async def test_a_key_without_a_term_never_expires(api: Api) -> None:
    made = (await make(api)).json
    assert made["expires_at"] is None
    api.hold_clock().elapsed_s = 10 * 365 * 86_400
    assert await status_with(api, made["api_key"]) == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x" * 129},
        {"name": 7},
        {"name": "a", "permissions": ["root"]},
        {"name": "a", "permissions": "read"},
        {"name": "a", "expires_in_days": 0},
        {"name": "a", "expires_in_days": -1},
        {"name": "a", "expires_in_days": 3651},
        {"name": "a", "expires_in_days": True},
        {"name": "a", "tenant": "other"},
    ],
)
async def test_a_bad_request_for_a_key_makes_none(api: Api, body: Any) -> None:
    answer = await api.post(KEYS, json=body)
    assert answer.status == 422
    assert answer.json["error_code"] == "INVALID_MESSAGE"
    assert (await api.get(KEYS)).json == []


async def test_the_list_has_what_is_known_of_a_key(api: Api) -> None:
    made = (await make(api, name="line 7", expires_in_days=30)).json
    del made["api_key"]
    answer = await api.get(KEYS)
    assert answer.status == 200
    assert answer.json == [made]


async def test_the_list_has_no_secret_in_it(api: Api) -> None:
    key = (await make(api)).json["api_key"]
    body = (await api.get(KEYS)).body.decode()
    secret = key.removeprefix("nck_live_")[4:40]
    assert secret not in body
    assert hashlib.sha256(key.encode()).hexdigest() not in body


async def test_the_list_is_that_of_the_tenant(api: Api) -> None:
    await make(api, name="ours")
    other = api.token(tenant="other")
    await make(api, credential=other, name="theirs")
    names = [row["name"] for row in (await api.get(KEYS, credential=other)).json]
    assert names == ["theirs"]


async def test_the_store_has_the_hash_of_a_key_and_not_the_key(api: Api) -> None:
    key = (await make(api)).json["api_key"]
    [row] = await api.server.store.directory.keys()
    assert row.key_hash == hashlib.sha256(key.encode()).hexdigest()
    assert key not in repr(row)


async def test_a_revoked_key_is_refused_from_then_on(api: Api) -> None:
    made = (await make(api)).json
    assert await status_with(api, made["api_key"]) == 200
    answer = await api.call("DELETE", f"{KEYS}/{made['key_id']}")
    assert (answer.status, answer.body) == (204, b"")
    assert await status_with(api, made["api_key"]) == 401


async def test_a_revoked_key_stays_in_the_list_as_inactive(api: Api) -> None:
    made = (await make(api)).json
    await api.call("DELETE", f"{KEYS}/{made['key_id']}")
    assert [row["is_active"] for row in (await api.get(KEYS)).json] == [False]


async def test_revoking_ends_only_that_key(api: Api) -> None:
    one, two = (await make(api)).json, (await make(api)).json
    await api.call("DELETE", f"{KEYS}/{one['key_id']}")
    assert await status_with(api, two["api_key"]) == 200


async def test_a_key_may_revoke_itself(api: Api) -> None:
    made = (await make(api, permissions=["read", "admin"])).json
    path = f"{KEYS}/{made['key_id']}"
    answer = await api.call("DELETE", path, credential=made["api_key"])
    assert answer.status == 204
    assert await status_with(api, made["api_key"]) == 401


async def test_an_unknown_key_cannot_be_revoked(api: Api) -> None:
    answer = await api.call("DELETE", f"{KEYS}/0123456789abcdef")
    assert answer.status == 404
    assert answer.json["error_code"] == "NOT_FOUND"


async def test_another_tenants_key_cannot_be_revoked(api: Api) -> None:
    other = api.token(tenant="other")
    made = (await make(api)).json
    path = f"{KEYS}/{made['key_id']}"
    answer = await api.call("DELETE", path, credential=other)
    unknown = await api.call("DELETE", f"{KEYS}/{'0' * 16}", credential=other)
    assert answer.status == unknown.status == 404
    assert await status_with(api, made["api_key"]) == 200


async def test_the_creation_time_is_now(api: Api) -> None:
    created = datetime.fromisoformat((await make(api)).json["created_at"])
    assert abs(created.timestamp() - time.time()) < 60
