from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ncs_protocol import Code, NcsError
from ncs_streamer.auth import (
    ROLES,
    ApiKey,
    Authenticator,
    Principal,
    TokenIssuer,
    User,
    authenticator,
    hash_password,
    make_key,
)
from ncs_streamer.store import MemoryStore

pytestmark = pytest.mark.unit

NOW = 1_700_000_000.0
ISSUER = TokenIssuer("a-secret-of-this-server-0123456789", lifetime_s=900.0)
ADA = User(
    name="ada",
    tenant="acme",
    role="producer",
    password_hash=hash_password("correct horse"),  # once: it is slow on purpose
    email="ada@acme.example",
)
KEY, ROW = make_key(
    environment="production",
    name="gateway",
    tenant="acme",
    permissions=("read", "write"),
    now=NOW,
    expires_at=NOW + 60,
)


class Door:
    """An authenticator and the directory behind it."""

    def __init__(self) -> None:
        self.directory = MemoryStore().directory
        self.authenticator = Authenticator(self.directory, ISSUER)

    async def let_in(self, credential: str, now: float = NOW) -> Principal:
        return await self.authenticator.authenticate(credential, now)

    async def code_of(self, credential: str, now: float = NOW) -> Code:
        with pytest.raises(NcsError) as caught:
            await self.let_in(credential, now)
        return caught.value.code

    async def has(self, *rows: User | ApiKey) -> None:
        for row in rows:
            if isinstance(row, User):
                await self.directory.put_user(row)
            else:
                await self.directory.put_key(row)

    async def recheck_code(self, principal: Principal) -> Code:
        with pytest.raises(NcsError) as caught:
            await self.authenticator.recheck(principal)
        return caught.value.code


@pytest.fixture
def door() -> Door:
    return Door()


def token(**more: str) -> str:
    user: Any = {"user_id": "ada"} | more
    return ISSUER.issue(
        subject="ada", tenant="acme", scopes=("read", "write"), now=NOW, **user
    )


# Keys


async def test_a_key_gives_the_principal_of_its_row(door: Door) -> None:
    await door.has(ROW)
    assert await door.let_in(KEY) == Principal(
        tenant="acme",
        subject="gateway",
        scopes=frozenset({"read", "write"}),
        kind="key",
        credential=ROW.key_hash,
        expires_at=NOW + 60,
    )


async def test_an_unknown_key_is_refused(door: Door) -> None:
    assert await door.code_of(KEY) is Code.KEY_INVALID


@pytest.mark.parametrize(
    ("age", "allowed"), [(59.9, True), (60.0, False), (1e9, False)]
)
async def test_a_key_holds_until_it_expires(
    door: Door, age: float, allowed: bool
) -> None:
    await door.has(ROW)
    if allowed:
        assert (await door.let_in(KEY, NOW + age)).subject == "gateway"
    else:
        assert await door.code_of(KEY, NOW + age) is Code.KEY_INVALID


async def test_a_key_without_an_end_holds_for_ever(door: Door) -> None:
    await door.has(dataclasses.replace(ROW, expires_at=None))
    assert (await door.let_in(KEY, NOW + 1e9)).expires_at is None


async def test_a_revoked_key_is_refused(door: Door) -> None:
    await door.has(ROW)
    await door.directory.revoke_key(ROW.key_id)
    assert await door.code_of(KEY) is Code.KEY_INVALID


async def test_the_hash_of_a_key_is_no_key(door: Door) -> None:
    await door.has(ROW)
    assert await door.code_of(ROW.key_hash) is Code.KEY_INVALID


LOOK_ALIKES = ["", " ", KEY + " ", KEY[:-1], "ä", "\udcff", "a.b"]


@pytest.mark.parametrize("text", LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
async def test_what_is_no_key_is_refused_without_asking_the_directory(
    door: Door, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(door.directory, "key", asked.append)
    assert (await door.code_of(text), asked) == (Code.KEY_INVALID, [])


# Tokens


async def test_a_token_of_a_user_is_let_in(door: Door) -> None:
    await door.has(ADA)
    principal = await door.let_in(token())
    assert (principal.tenant, principal.subject, principal.kind) == (
        "acme",
        "ada",
        "token",
    )


async def test_a_token_without_a_user_needs_none(door: Door) -> None:
    assert (await door.let_in(token(user_id=""))).subject == "ada"


async def test_an_expired_token_is_refused(door: Door) -> None:
    await door.has(ADA)
    assert await door.code_of(token(), NOW + 900) is Code.TOKEN_EXPIRED


@pytest.mark.parametrize("text", ["..", "a.b.c", "nck_live_..", "a.b.ä"])
async def test_two_dots_make_a_token_and_a_wrong_one_is_refused(
    door: Door, text: str
) -> None:
    assert await door.code_of(text) is Code.TOKEN_INVALID


USERS = {
    "deleted": None,
    "disabled": dataclasses.replace(ADA, is_active=False),
    "of another tenant": dataclasses.replace(ADA, tenant="other"),
}
each_change = pytest.mark.parametrize("user", USERS.values(), ids=USERS)


@each_change
async def test_a_token_of_a_user_who_is_not_what_he_was_is_refused(
    door: Door, user: User | None
) -> None:
    if user is not None:
        await door.has(user)
    assert await door.code_of(token()) is Code.USER_NOT_FOUND


# Looking again, while a connection lasts


@each_change
async def test_a_user_who_is_not_what_he_was_is_noticed(
    door: Door, user: User | None
) -> None:
    await door.has(ADA)
    principal = await door.let_in(token())
    await door.directory.delete_user("ada")
    if user is not None:
        await door.has(user)
    assert await door.recheck_code(principal) is Code.USER_NOT_FOUND


async def test_a_key_that_was_revoked_is_noticed(door: Door) -> None:
    await door.has(ROW)
    principal = await door.let_in(KEY)
    await door.directory.revoke_key(ROW.key_id)
    assert await door.recheck_code(principal) is Code.KEY_INVALID


async def test_a_key_that_is_gone_is_noticed(door: Door) -> None:
    await door.has(ROW)
    principal = await door.let_in(KEY)
    assert await Door().recheck_code(principal) is Code.KEY_INVALID


async def test_who_is_what_he_was_is_left_in_peace(door: Door) -> None:
    await door.has(ADA, ROW)
    for credential in (token(), KEY, token(user_id="")):
        await door.authenticator.recheck(await door.let_in(credential))


# Logging in


async def log_in(door: Door, name: str, password: str) -> Principal:
    token = await door.authenticator.login(name, password, NOW)
    return await door.let_in(token)


@pytest.mark.parametrize("role", ROLES)
async def test_a_login_gives_a_token_with_the_scopes_of_the_role(
    door: Door, role: str
) -> None:
    await door.has(dataclasses.replace(ADA, role=role))
    principal = await log_in(door, "ada", "correct horse")
    assert principal.scopes == {*ROLES[role]}
    assert (principal.tenant, principal.credential) == ("acme", "ada")
    assert principal.expires_at == NOW + 900


@pytest.mark.parametrize(
    ("user", "name", "password"),
    [
        (ADA, "ada", "wrong"),
        (ADA, "ada", ""),
        (ADA, "ADA", "correct horse"),
        (ADA, "eve", "correct horse"),
        (dataclasses.replace(ADA, is_active=False), "ada", "correct horse"),
    ],
    ids=["a wrong password", "no password", "another case", "nobody", "disabled"],
)
async def test_every_failed_login_looks_the_same(
    door: Door, user: User, name: str, password: str
) -> None:
    await door.has(user)
    with pytest.raises(NcsError) as caught:
        await door.authenticator.login(name, password, NOW)
    assert str(caught.value) == str(NcsError(Code.LOGIN_FAILED))


@pytest.mark.parametrize("name", ["ada", "off", "nobody"])
async def test_every_login_verifies_one_password(
    door: Door, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.has(ADA, dataclasses.replace(ADA, name="off", is_active=False))
    verified: list[tuple[str, str | None]] = []

    def verify(password: str, stored: str | None) -> bool:
        verified.append((password, stored))
        return False

    monkeypatch.setattr(authenticator, "verify_password", verify)
    with pytest.raises(NcsError):
        await door.authenticator.login(name, "guess", NOW)
    stored = ADA.password_hash if name == "ada" else None
    assert verified == [("guess", stored)]
