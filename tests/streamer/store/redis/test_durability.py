"""Whether a level of durability is refused that a server cannot keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from real_server import wait_until
from redis_servers import ALWAYS, VALKEY, RedisServer

from ncs_streamer.redis_address import Address
from ncs_streamer.store import Append, StoreError, StreamKey
from ncs_streamer.store.redis.options import RedisOptions
from ncs_streamer.store.redis.store import RedisStore

pytestmark = pytest.mark.integration

KEY = StreamKey("acme", "a")


def store_at(server: RedisServer, **more: Any) -> RedisStore:
    more = {"timeout_s": 1.0, **more}
    return RedisStore(RedisOptions(address=Address.parse(server.url), **more))


async def opens(server: RedisServer, **more: Any) -> None:
    store = store_at(server, **more)
    try:
        await store.open()
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("setting", "value", "level", "problem"),
    [
        ("appendonly", "no", "redis-primary", "CONFIG SET appendonly yes"),
        ("appendfsync", "everysec", "redis-primary", "CONFIG SET appendfsync always"),
        ("maxmemory-policy", "allkeys-lru", "redis-primary", "noeviction"),
        ("maxmemory-policy", "volatile-ttl", "memory", "noeviction"),
    ],
)
async def test_a_server_that_is_not_set_for_the_level_is_refused(
    tmp_path: Path, setting: str, value: str, level: str, problem: str
) -> None:
    with RedisServer(tmp_path) as server:
        await opens(server, level=level)
        server.run("CONFIG", "SET", setting, value)
        with pytest.raises(StoreError, match=problem):
            await opens(server, level=level)


async def test_the_level_memory_promises_nothing_and_takes_any(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--appendonly", "no") as server:
        await opens(server, level="memory")


async def test_a_replica_is_refused(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "a") as one, RedisServer(tmp_path / "b") as other:
        other.run("REPLICAOF", "127.0.0.1", one.port)
        with pytest.raises(StoreError, match="redis_readonly"):
            await opens(other)


async def test_redis_all_is_refused_where_waitaof_is_not_known(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        with pytest.raises(StoreError, match="needs WAITAOF"):
            await opens(server, level="redis-all")


async def test_redis_all_is_refused_without_a_replica(tmp_path: Path) -> None:
    with RedisServer(tmp_path, program=VALKEY) as server:
        with pytest.raises(StoreError, match="needs a replica"):
            await opens(server, level="redis-all")


async def test_redis_all_is_refused_if_a_replica_has_no_disk(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "a", program=VALKEY) as one:
        flags = ("--appendonly", "no", "--replicaof", f"127.0.0.1 {one.port}")
        with RedisServer(tmp_path / "b", *flags, program=VALKEY):
            await wait_until(lambda: one.info("replication", "connected_slaves") == 1)
            with pytest.raises(StoreError, match="Replicas need appendonly"):
                await opens(one, level="redis-all")


async def test_redis_all_waits_for_the_disks_of_replicas(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "a", program=VALKEY) as one:
        flags = (*ALWAYS, "--replicaof", f"127.0.0.1 {one.port}")
        with RedisServer(tmp_path / "b", *flags, program=VALKEY) as other:
            await wait_until(lambda: one.copies() == [1, 1], every_s=0.1)
            store = store_at(one, level="redis-all", timeout_s=3.0)
            await store.open()
            assert store.durability == "redis-all"
            await store.journal.append([Append(KEY, 1, b"one")])
            assert other.run("XLEN", "ncs:{acme:a}:journal") == 1
            other.pause()
            two = [Append(KEY, 2, b"two")]
            with pytest.raises(StoreError, match=r"redis_copies: .*of replicas within"):
                await store.journal.append(two)
            # The primary has it. It is not told of before the replica has it too.
            assert one.run("XLEN", "ncs:{acme:a}:journal") == 2
            with pytest.raises(StoreError, match="redis_copies"):
                await store.journal.read(KEY, 0, 9)
            with pytest.raises(StoreError, match="redis_copies"):
                await store.journal.append(two)  # nor if it is sent again
            with pytest.raises(StoreError, match="redis_copies"):
                await store.check(10)
            other.resume()
            await store.journal.append(two)
            assert await store.journal.read(KEY, 0, 9) == [(1, b"one"), (2, b"two")]
            await store.close()


async def test_as_many_replicas_have_to_be_there_as_are_asked_for(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path / "a", program=VALKEY) as one:
        flags = (*ALWAYS, "--replicaof", f"127.0.0.1 {one.port}")
        with RedisServer(tmp_path / "b", *flags, program=VALKEY):
            await wait_until(lambda: one.copies() == [1, 1], every_s=0.1)
            await opens(one, level="redis-all", replicas=1)
            with pytest.raises(StoreError, match="redis-all cannot be kept"):
                await opens(one, level="redis-all", replicas=2)
