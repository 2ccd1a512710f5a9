"""Passwords, users with few rights, and TLS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from certificates import make_certificates
from redis_servers import ALWAYS, RedisServer, redis_cluster

from ncs_streamer.auth import User
from ncs_streamer.redis_address import Address
from ncs_streamer.store import Append, Node, StoreError, StreamKey
from ncs_streamer.store.redis.options import RedisOptions
from ncs_streamer.store.redis.store import RedisStore

pytestmark = pytest.mark.integration

KEY = StreamKey("acme", "a")
GUIDE = Path(__file__).parents[4] / "docs/redis.md"


def store_at(url: str, **more: Any) -> RedisStore:
    more = {"timeout_s": 2.0, **more}
    return RedisStore(RedisOptions(address=Address.parse(url), **more))


async def use_all_of(store: RedisStore) -> None:
    """Do everything that there is to do."""
    try:
        await store.open()
        await store.ownership.join(Node("a", "", 1))
        owner = await store.ownership.acquire(KEY, None)
        assert owner is not None
        await store.ownership.renew()
        await store.journal.append([Append(KEY, 1, b"one")])
        await store.journal.truncate(KEY, 0)
        assert await store.journal.read(KEY, 0, 9) == [(1, b"one")]
        await store.snapshots.save(KEY, 1, b"model")
        assert await store.snapshots.load(KEY) == [(1, b"model")]
        assert await store.snapshots.offsets(KEY) == [1]
        await store.history.record(KEY, [(1, b"event")], 0)
        assert await store.history.recent(KEY, 9) == [(1, b"event")]
        await store.history.clear(KEY)
        await store.directory.put_user(User("ada", "acme", "admin", "hash"))
        assert len(await store.directory.users()) == 1
        assert not await store.directory.revoke_key("k1")
        assert await store.directory.delete_user("ada")
        await store.channel.subscribe(KEY, lambda *_: None, lambda _: None)
        await store.channel.publish(KEY, [b"1"])
        await store.channel.unsubscribe(KEY)
        assert await store.ownership.owners() == {KEY: owner}
        await store.replace(KEY, 5, b"model")
        await store.check(100)
        assert await store.streams() == [KEY]
        await store.journal.restore()  # type: ignore[attr-defined]
        await store.ownership.release(KEY, owner)
        await store.ownership.leave()
    finally:
        await store.close()


# Users


def granted() -> list[str]:
    """Return the rights that the guide tells to grant."""
    found = re.search(r"ACL SETUSER ncs on >\S+ (.*?)\n```", GUIDE.read_text(), re.S)
    assert found is not None
    return found[1].replace("\\\n", " ").split()


async def test_the_rights_in_the_guide_suffice(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        server.run("ACL", "SETUSER", "ncs", "on", ">secret", *granted())
        await use_all_of(store_at(server.url, username="ncs", password="secret"))


async def test_the_rights_in_the_guide_suffice_in_a_cluster(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as servers:
        for server in servers:
            server.run("ACL", "SETUSER", "ncs", "on", ">secret", *granted())
        url = f"redis+cluster://ncs:secret@127.0.0.1:{servers[0].port}"
        address = Address.parse(url)
        await use_all_of(
            store_at(url, username=address.username, password=address.password)
        )


async def test_each_of_those_rights_is_needed(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        rights = granted()
        for right in ("+evalsha", "+xadd", "+spublish", "+ssubscribe", "+config|get"):
            less = [other for other in rights if other != right]
            assert len(less) == len(rights) - 1
            server.run("ACL", "SETUSER", "ncs", "reset", "on", ">secret", *less)
            server.run("FLUSHALL")
            with pytest.raises(StoreError) as refused:
                await use_all_of(
                    store_at(server.url, username="ncs", password="secret")
                )
            if right == "+config|get":
                assert "Grant the user +config|get" in str(refused.value)


@pytest.mark.parametrize("more", [{}, {"password": "wrong"}])
async def test_without_the_password_it_says_what_is_missing(
    tmp_path: Path, more: dict[str, str]
) -> None:
    with RedisServer(tmp_path, *ALWAYS, "--requirepass", "secret") as server:
        store = store_at(server.url, **more)
        with pytest.raises(
            StoreError, match=r"redis_wrongpass: .*redis_username, redis_password"
        ):
            await store.open()
        await store.close()
        await use_all_of(store_at(server.url, password="secret"))


# TLS


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, Path]:
    return make_certificates(tmp_path)


async def test_tls_is_spoken_to_whom_the_authority_knows(
    tmp_path: Path, certificates: dict[str, Path]
) -> None:
    flags = (
        *ALWAYS, "--tls-auth-clients", "no",
        "--tls-cert-file", str(certificates["server.pem"]),
        "--tls-key-file", str(certificates["server.key"]),
        "--tls-ca-cert-file", str(certificates["ca.pem"]),
    )  # fmt: skip
    tls = {"ssl": True, "ssl_ca_certs": str(certificates["ca.pem"])}
    with RedisServer(tmp_path / "redis", *flags, tls=tls) as server:
        url = server.url.replace("redis:", "rediss:")
        await use_all_of(store_at(url, ca_file=certificates["ca.pem"]))
        stranger = store_at(url)
        with pytest.raises(StoreError, match=r"(?i)certificate"):
            await stranger.open()
        await stranger.close()
        plain = store_at(server.url)
        with pytest.raises(StoreError, match="redis_unavailable"):
            await plain.open()
        await plain.close()
