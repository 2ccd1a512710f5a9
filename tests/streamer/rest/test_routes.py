"""Every row of the route table: who may call it, and under which names."""

from __future__ import annotations

from typing import Any

import pytest

from ncs_streamer.auth import User
from ncs_streamer.rest.routes import ROUTES
from ncs_streamer.rest.table import Route

from .client import PASSWORD, Answer, Api

pytestmark = [pytest.mark.integration, pytest.mark.security]

CALLS = [
    (route, path.replace("{key_id}", "0123").replace("{name}", "redoc.js"))
    for route in ROUTES
    for path in (route.path, *route.aliases)
]
GUARDED = [(route, path) for route, path in CALLS if route.scope is not None]
PUBLIC = {
    "/api/v1/auth/login", "/auth/login", "/v1/auth/login", "/health", "/livez",
    "/readyz", "/openapi.json", "/docs", "/redoc", "/docs/assets/redoc.js", "/",
    "/assets/redoc.js",
}  # fmt: skip
BODIES: dict[str, Any] = {
    "process_points": {"points": [[1.0]]},
    "configure": {"params": {"max_clusters": 7}},
    "reset": {"confirm": True},
    "create_key": {"name": "new"},
    "shadow": {"params": {}, "points": [[1.0]]},
}


def names(calls: list[tuple[Route, str]]) -> list[str]:
    return [f"{route.method} {path}" for route, path in calls]


ENDING = [(route, path) for route, path in GUARDED if not route.media_type]
"""Without those whose answer goes on and on; `test_events` has them."""
each_guarded = pytest.mark.parametrize(("route", "path"), GUARDED, ids=names(GUARDED))
each_ending = pytest.mark.parametrize(("route", "path"), ENDING, ids=names(ENDING))


async def call(api: Api, route: Route, path: str, credential: str | None) -> Answer:
    body = BODIES.get(route.handler.__name__)
    return await api.call(route.method, path, credential=credential, json=body)


def test_only_what_is_meant_to_be_public_is() -> None:
    assert {path for route, path in CALLS if route.scope is None} == PUBLIC


@each_guarded
async def test_a_route_without_a_credential_answers_401(
    api: Api, route: Route, path: str
) -> None:
    answer = await call(api, route, path, None)
    assert answer.said == (
        401,
        {
            "detail": "Authentication failed",
            "error_code": "AUTHENTICATION_ERROR",
            "reason": "credentials_missing",
        },
    )
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ncs"'


@each_guarded
async def test_a_route_refuses_a_credential_without_its_scope(
    api: Api, route: Route, path: str
) -> None:
    others = {"read", "write", "admin"} - {route.scope}
    answer = await call(api, route, path, api.token(*sorted(others)))
    assert answer.status == 403
    assert answer.json["error_code"] == "PERMISSION_DENIED"
    assert f"needs the scope {route.scope!r}" in answer.json["detail"]


@each_ending
async def test_a_route_needs_no_other_scope_than_its_own(
    api: Api, route: Route, path: str
) -> None:
    assert route.scope is not None
    answer = await call(api, route, path, api.token(route.scope))
    unknown_key = route.method == "DELETE"
    forbids_more = route.handler.__name__ == "create_key"  # read and write by default
    expected = 404 if unknown_key else 403 if forbids_more else 200
    assert answer.status == expected


@each_ending
async def test_a_route_takes_an_api_key(api: Api, route: Route, path: str) -> None:
    key, _ = await api.key()
    expected = 404 if route.method == "DELETE" else route.status
    assert (await call(api, route, path, key)).status == expected


@pytest.mark.parametrize(
    "path", ["/health", "/livez", "/readyz", "/openapi.json", "/docs", "/redoc", "/"]
)
async def test_a_public_route_needs_no_credential(api: Api, path: str) -> None:
    assert (await api.get(path, credential=None)).status == 200


@pytest.mark.parametrize("credential", ["a.b.c", "nonsense"])
async def test_a_public_route_does_not_mind_a_bad_credential(
    api: Api, credential: str
) -> None:
    assert (await api.get("/health", credential=credential)).status == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/auth/login", "/auth/login", "/v1/auth/login"]
)
async def test_login_has_three_addresses(api: Api, user: User, path: str) -> None:
    form = {"username": user.name, "password": PASSWORD}
    answer = await api.post(path, credential=None, data=form)
    assert answer.status == 200
    assert answer.json["token_type"] == "bearer"


async def test_keys_can_be_managed_at_the_short_address(api: Api) -> None:
    made = await api.post("/auth/api-keys", json={"name": "short"})
    key_id = made.json["key_id"]
    assert key_id in {row["key_id"] for row in (await api.get("/auth/api-keys")).json}
    assert (await api.call("DELETE", f"/auth/api-keys/{key_id}")).status == 204


@pytest.mark.parametrize(
    "path", ["/api/v2/streams", "/api/v1", "/api/v1/streams/", "/HEALTH", "/health%00"]
)
async def test_what_is_no_address_answers_404(api: Api, path: str) -> None:
    answer = await api.get(path)
    assert answer.status == 404
    assert answer.json["error_code"] == "NOT_FOUND"


@pytest.mark.parametrize(("route", "path"), CALLS, ids=names(CALLS))
async def test_another_method_answers_405(api: Api, route: Route, path: str) -> None:
    answer = await api.call("PUT", path)
    assert answer.status == 405
    assert route.method in answer.headers["Allow"]
