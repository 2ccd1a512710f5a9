from __future__ import annotations

import dataclasses

import pytest

from ncs_streamer.auth import ApiKey, User
from ncs_streamer.store import Store

pytestmark = pytest.mark.unit

ADA = User("ada", "acme", "admin", "$argon2id$...", "ada@acme.example", True, 12.5)
PLAIN = User("eve", "other", "viewer", "$argon2id$...", is_active=False)
KEY = ApiKey(
    key_id="k1",
    key_hash="f" * 64,
    prefix="AbCd",
    name="gateway",
    tenant="acme",
    permissions=("read", "write"),
    created_at=12.5,
    expires_at=99.5,
)


def key(number: int, **more: object) -> ApiKey:
    fields = {"key_id": f"k{number}", "key_hash": f"{number:064d}"} | more
    return dataclasses.replace(KEY, **fields)  # type: ignore[arg-type]


# Users


async def test_there_is_nobody_at_first(store: Store) -> None:
    assert (await store.directory.user("ada"), await store.directory.users()) == (
        None,
        [],
    )


@pytest.mark.parametrize("user", [ADA, PLAIN], ids=lambda user: user.name)
async def test_a_user_comes_back_equal(store: Store, user: User) -> None:
    await store.directory.put_user(user)
    assert await store.directory.user(user.name) == user


@pytest.mark.parametrize("name", ["ADA", "ada ", "", "a_a", "%", "ädä"])
async def test_a_user_is_found_by_the_exact_name(store: Store, name: str) -> None:
    await store.directory.put_user(ADA)
    assert await store.directory.user(name) is None


async def test_users_are_listed_by_name(store: Store) -> None:
    for name in ("bob", "Zoe", "ada", "ädä"):
        await store.directory.put_user(dataclasses.replace(ADA, name=name))
    found = [user.name for user in await store.directory.users()]
    assert found == ["Zoe", "ada", "bob", "ädä"]


async def test_putting_a_user_again_replaces_the_row(store: Store) -> None:
    await store.directory.put_user(ADA)
    changed = dataclasses.replace(ADA, role="viewer", tenant="other", is_active=False)
    await store.directory.put_user(changed)
    assert await store.directory.users() == [changed]


async def test_a_deleted_user_is_gone(store: Store) -> None:
    await store.directory.put_user(ADA)
    assert await store.directory.delete_user("ada")
    assert await store.directory.user("ada") is None


async def test_deleting_nobody_says_so(store: Store) -> None:
    assert not await store.directory.delete_user("ada")


async def test_deleting_a_user_leaves_the_others(store: Store) -> None:
    for user in (ADA, PLAIN):
        await store.directory.put_user(user)
    await store.directory.delete_user("ada")
    assert await store.directory.users() == [PLAIN]


# Keys


async def test_there_is_no_key_at_first(store: Store) -> None:
    assert (await store.directory.key("f" * 64), await store.directory.keys()) == (
        None,
        [],
    )


@pytest.mark.parametrize(
    "row",
    [
        KEY,
        key(2, expires_at=None),
        key(3, permissions=()),
        key(4, is_active=False),
        key(5, permissions=("admin",)),
        key(6, name="ä b'c", tenant=""),
    ],
    ids=lambda row: row.key_id,
)
async def test_a_key_comes_back_equal(store: Store, row: ApiKey) -> None:
    await store.directory.put_key(row)
    assert await store.directory.key(row.key_hash) == row


async def test_a_key_is_found_by_its_hash_alone(store: Store) -> None:
    await store.directory.put_key(KEY)
    assert await store.directory.key(KEY.key_id) is None


async def test_keys_are_listed_by_the_time_they_were_made(store: Store) -> None:
    for number, made in ((1, 30.0), (2, 10.0), (3, 20.0)):
        await store.directory.put_key(key(number, created_at=made))
    assert [row.key_id for row in await store.directory.keys()] == ["k2", "k3", "k1"]


async def test_a_tenant_is_shown_its_own_keys(store: Store) -> None:
    for number, tenant in ((1, "acme"), (2, "other"), (3, "acme")):
        await store.directory.put_key(key(number, tenant=tenant))
    own = [row.key_id for row in await store.directory.keys("acme")]
    assert (own, await store.directory.keys("nobody")) == (["k1", "k3"], [])


async def test_putting_a_key_again_replaces_the_row(store: Store) -> None:
    await store.directory.put_key(KEY)
    changed = dataclasses.replace(KEY, name="renamed", permissions=("read",))
    await store.directory.put_key(changed)
    assert await store.directory.keys() == [changed]


@pytest.mark.parametrize("tenant", [None, "acme"])
async def test_a_revoked_key_is_kept_and_not_active(
    store: Store, tenant: str | None
) -> None:
    await store.directory.put_key(KEY)
    assert await store.directory.revoke_key("k1", tenant)
    assert await store.directory.keys() == [dataclasses.replace(KEY, is_active=False)]


@pytest.mark.parametrize(
    ("key_id", "tenant"), [("k1", "other"), ("k2", "acme"), ("k2", None), ("", None)]
)
async def test_revoking_what_is_not_there_or_of_another_tenant_does_nothing(
    store: Store, key_id: str, tenant: str | None
) -> None:
    await store.directory.put_key(KEY)
    assert not await store.directory.revoke_key(key_id, tenant)
    assert await store.directory.keys() == [KEY]


async def test_revoking_a_key_leaves_the_others(store: Store) -> None:
    for number in (1, 2):
        await store.directory.put_key(key(number))
    await store.directory.revoke_key("k1")
    active = [row.key_id for row in await store.directory.keys() if row.is_active]
    assert active == ["k2"]


async def test_revoking_twice_is_revoking_once(store: Store) -> None:
    await store.directory.put_key(KEY)
    await store.directory.revoke_key("k1")
    assert await store.directory.revoke_key("k1")
