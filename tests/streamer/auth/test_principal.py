from __future__ import annotations

import pytest

from ncs_protocol import Code, NcsError
from ncs_streamer.auth import ROLES, SCOPES, Principal

pytestmark = pytest.mark.unit


def principal(*scopes: str) -> Principal:
    return Principal("acme", "ada", frozenset(scopes), "token", "ada")


def test_the_scopes_are_the_documented_ones() -> None:
    assert [*SCOPES] == ["read", "write", "admin"]


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        ("viewer", {"read"}),
        ("producer", {"read", "write"}),
        ("admin", {"read", "write", "admin"}),
    ],
)
def test_a_role_gives_its_scopes(role: str, scopes: set[str]) -> None:
    assert {*ROLES[role]} == scopes


def test_there_is_no_other_role() -> None:
    assert {*ROLES} == {"viewer", "producer", "admin"}


@pytest.mark.parametrize("role", ROLES)
def test_every_scope_of_a_role_exists(role: str) -> None:
    assert {*ROLES[role]} <= SCOPES.keys()


@pytest.mark.parametrize("scope", SCOPES)
def test_who_has_the_scope_may(scope: str) -> None:
    principal(scope).require(scope)


@pytest.mark.parametrize("scope", SCOPES)
def test_who_has_all_others_may_not(scope: str) -> None:
    others = SCOPES.keys() - {scope}
    with pytest.raises(NcsError) as caught:
        principal(*others).require(scope)
    assert caught.value.code is Code.PERMISSION_DENIED


def test_the_refusal_tells_what_is_needed_and_what_is_there() -> None:
    with pytest.raises(NcsError, match="scope 'admin'; the credential has read, write"):
        principal("write", "read").require("admin")


def test_the_refusal_of_who_has_nothing_says_so() -> None:
    with pytest.raises(NcsError, match="the credential has none"):
        principal().require("read")
