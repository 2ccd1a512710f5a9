"""What becomes of a store whose Redis is in trouble. Real servers, really in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from real_server import wait_until
from redis.exceptions import RedisError
from redis_servers import RedisServer, redis_cluster, redis_with_sentinels

from ncs_streamer.redis_address import Address
from ncs_streamer.store import Append, FencedError, Node, StoreError, StreamKey
from ncs_streamer.store.redis.options import RedisOptions
from ncs_streamer.store.redis.store import RedisStore

pytestmark = pytest.mark.integration

KEY, OTHER = StreamKey("acme", "a"), StreamKey("acme", "b")


def entries(first: int, last: int, key: StreamKey = KEY) -> list[Append]:
    return [Append(key, n, b"%d" % n) for n in range(first, last + 1)]


def store_at(url: str, **more: Any) -> RedisStore:
    more = {"timeout_s": 5.0, **more}
    return RedisStore(RedisOptions(address=Address.parse(url), **more))


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    store = store_at(server.url)
    await store.open()
    await eventually(lambda: store.journal.append(entries(1, 3)))
    yield store
    await store.close()


async def eventually(work: Callable[[], Awaitable[Any]], within_s: float = 30) -> Any:
    """Do something until it works."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await work()
            except StoreError:
                await asyncio.sleep(0.02)


async def kept(store: RedisStore, key: StreamKey = KEY) -> list[int]:
    return [n for n, _ in await eventually(lambda: store.journal.read(key, 0, 1000))]


# It is away


async def test_what_was_acknowledged_is_there_after_a_power_cut(
    server: RedisServer, store: RedisStore
) -> None:
    server.kill()
    with pytest.raises(StoreError, match="redis_unavailable"):
        await store.journal.append(entries(4, 4))
    server.start()
    await eventually(lambda: store.journal.append(entries(4, 5)))
    assert await kept(store) == [1, 2, 3, 4, 5]
    assert store.losses.take() == (0, 0)


async def test_while_it_is_away_nobody_waits_for_it(
    server: RedisServer, store: RedisStore
) -> None:
    server.pause()
    for _ in range(2):
        with pytest.raises(StoreError):
            await store.journal.tail(KEY)
    refused = 0
    async with asyncio.timeout(20):
        while refused < 100:  # were each to wait for its second, it would take too long
            with pytest.raises(StoreError, match="redis_unavailable"):
                await store.journal.tail(KEY)
            refused += 1
            await asyncio.sleep(0)
    server.resume()
    assert await eventually(lambda: store.journal.tail(KEY)) == 3


async def test_an_append_whose_answer_was_lost_is_recognised(
    server: RedisServer, store: RedisStore
) -> None:
    server.pause()
    with pytest.raises(StoreError, match="redis_unavailable"):
        await store.journal.append(entries(4, 6))  # lies in the socket's buffer
    server.resume()
    await wait_until(lambda: server.run("XLEN", "ncs:{acme:a}:journal") == 6)
    await eventually(lambda: store.journal.append(entries(4, 6)))
    assert await kept(store) == [1, 2, 3, 4, 5, 6]


async def test_what_somebody_else_put_there_is_not_taken_for_ours(
    server: RedisServer, store: RedisStore
) -> None:
    other = store_at(server.url)
    await other.open()
    await other.journal.append([Append(KEY, 4, b"another four")])
    with pytest.raises(StoreError, match="does not follow"):
        await store.journal.append(entries(4, 5))
    assert await kept(store) == [1, 2, 3, 4]
    await other.close()


async def test_a_store_does_not_open_without_its_server(server: RedisServer) -> None:
    server.kill()
    store = store_at(server.url)
    with pytest.raises(StoreError, match="redis_unavailable"):
        await store.open()
    await store.close()


# It answers, but not what one would like


async def test_scripts_that_it_forgot_are_sent_again(
    server: RedisServer, store: RedisStore
) -> None:
    server.run("SCRIPT", "FLUSH")
    await store.journal.append(entries(4, 4))
    server.run("SCRIPT", "FLUSH")
    await store.journal.append([*entries(5, 6), *entries(1, 2, OTHER)])
    assert (await kept(store), await kept(store, OTHER)) == ([1, 2, 3, 4, 5, 6], [1, 2])


async def test_when_its_memory_is_full_nothing_is_half_done_and_room_can_be_made(
    server: RedisServer, store: RedisStore
) -> None:
    await store.snapshots.save(KEY, 2, b"old")
    server.run("CONFIG", "SET", "maxmemory", "1mb")
    for write in (
        lambda: store.journal.append([*entries(4, 4), *entries(1, 1, OTHER)]),
        lambda: store.snapshots.save(KEY, 3, b"new"),
        lambda: store.replace(KEY, 3, b"new"),
        lambda: store.history.record(KEY, [(1, b"event")], 0),
        lambda: store.check(10),
    ):
        with pytest.raises(StoreError, match=r"redis_oom.*raise maxmemory"):
            await write()
    assert (await kept(store), await kept(store, OTHER)) == ([1, 2, 3], [])
    assert await store.snapshots.load(KEY) == [(2, b"old")]
    await store.journal.truncate(KEY, 2)
    await store.ownership.join(Node("a", "", 1))
    await store.ownership.renew()
    server.run("CONFIG", "SET", "maxmemory", "0")
    await store.journal.append(entries(4, 4))
    assert await kept(store) == [3, 4]


async def test_a_primary_that_became_a_replica_is_refused(
    server: RedisServer, store: RedisStore, tmp_path: Path
) -> None:
    with RedisServer(tmp_path / "other") as other:
        server.run("REPLICAOF", "127.0.0.1", other.port)
        with pytest.raises(StoreError, match="redis_readonly"):
            await store.journal.append(entries(4, 4))
        server.run("REPLICAOF", "NO", "ONE")
    # It may have taken over the other's data, which is none.
    await eventually(lambda: store.journal.append(entries(4, 4)))
    assert await kept(store) == [1, 2, 3, 4]


async def test_a_primary_that_wants_replicas_takes_nothing_without(
    server: RedisServer, store: RedisStore
) -> None:
    server.run("CONFIG", "SET", "min-replicas-to-write", "1")
    with pytest.raises(StoreError, match="redis_noreplicas"):
        await store.journal.append(entries(4, 4))
    server.run("CONFIG", "SET", "min-replicas-to-write", "0")
    await store.journal.append(entries(4, 4))
    assert await kept(store) == [1, 2, 3, 4]


async def test_a_script_of_somebody_that_does_not_end_is_told(
    server: RedisServer, store: RedisStore
) -> None:
    server.run("CONFIG", "SET", "busy-reply-threshold", "50")

    def run_for_ever() -> None:
        with pytest.raises(RedisError):
            server.run("EVAL", "while true do end", 0)

    busy = threading.Thread(target=run_for_ever)
    busy.start()
    try:
        async with asyncio.timeout(20):
            while True:  # until the server notices
                try:
                    await store.journal.append(entries(4, 4))
                except StoreError as error:
                    if "redis_busy" in str(error):
                        break
    finally:
        await eventually(lambda: asyncio.to_thread(server.run, "SCRIPT", "KILL"))
        busy.join()
    await eventually(lambda: store.journal.append(entries(4, 4)))
    assert await kept(store) == [1, 2, 3, 4]


# It has lost something


async def test_after_a_flush_the_next_append_brings_all_back(
    server: RedisServer, store: RedisStore
) -> None:
    server.run("FLUSHALL")
    await eventually(lambda: store.journal.append(entries(4, 4)))
    assert await kept(store) == [1, 2, 3, 4]
    assert store.losses.take()[0] >= 3
    assert await store.streams() == [KEY]


async def test_a_stream_that_stands_still_is_given_back_too(
    server: RedisServer, store: RedisStore
) -> None:
    await store.journal.append(entries(1, 2, OTHER))
    marks = server.run("KEYS", "*:mark")
    while not marks:
        await asyncio.sleep(0.01)
        marks = server.run("KEYS", "*:mark")
    server.run("FLUSHALL")
    await wait_until(lambda: server.run("EXISTS", "ncs:{acme:a}:journal"))
    await wait_until(lambda: server.run("EXISTS", "ncs:{acme:b}:journal"))
    assert (await kept(store), await kept(store, OTHER)) == ([1, 2, 3], [1, 2])


async def test_an_owner_whose_record_is_lost_stays_the_owner(
    server: RedisServer, store: RedisStore
) -> None:
    await store.ownership.join(Node("a", "", 1))
    owner = await store.ownership.acquire(KEY, None)
    assert owner is not None
    await store.journal.append(entries(4, 4))
    server.run("FLUSHALL")
    await store.ownership.renew()
    await store.journal.append(entries(5, 5))
    assert await store.ownership.owner(KEY) == (owner, True)
    assert await kept(store) == [1, 2, 3, 4, 5]


async def test_epochs_go_on_where_they_were_after_a_flush(
    server: RedisServer, store: RedisStore
) -> None:
    await store.ownership.join(Node("a", "", 1))
    seen = None
    for epoch in (1, 2, 3):
        seen = await store.ownership.acquire(KEY, seen)
        assert seen is not None
        assert seen.epoch == epoch
    server.run("FLUSHALL")
    await store.ownership.join(Node("a", "", 1))
    owner = await store.ownership.acquire(KEY, None)
    assert owner is not None
    assert owner.epoch == 4


async def test_what_is_not_remembered_is_not_made_up(server: RedisServer) -> None:
    store = store_at(server.url, recent_bytes=1)
    await store.open()
    await store.journal.append(entries(1, 3))
    server.run("FLUSHALL")
    with pytest.raises(StoreError, match="does not follow 0"):
        await store.journal.append(entries(4, 4))
    assert await store.journal.tail(KEY) == 0
    await wait_until(lambda: store.losses.may_lack)
    await store.close()


async def test_who_is_fenced_learns_where_another_owner_began(
    server: RedisServer, store: RedisStore
) -> None:
    other = store_at(server.url)
    await other.open()
    await store.ownership.join(Node("a", "", 1))
    owner = await store.ownership.acquire(KEY, None)
    await store.journal.append(entries(4, 9))
    # As an old replica would have it: it lacks the last four.
    server.run("HSET", "ncs:{acme:a}:head", "tail", "5")
    for n in range(6, 10):
        server.run("XDEL", "ncs:{acme:a}:journal", f"{n}-0")
    await store.ownership.leave()
    await other.ownership.join(Node("b", "", 1))
    assert await other.ownership.acquire(KEY, owner) is not None
    with pytest.raises(FencedError) as fenced:
        await store.journal.append(entries(10, 10))
    assert (fenced.value.holder, fenced.value.start) == ("b", 5)
    assert store.losses.take() == (0, 0)
    await other.close()


# Live events


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.missed = 0

    def receive(self, key: StreamKey, payload: bytes) -> None:
        self.heard.append(payload)

    def note(self, key: StreamKey) -> None:
        self.missed += 1


async def test_who_listens_is_told_of_a_break_and_hears_on(
    server: RedisServer, store: RedisStore
) -> None:
    ear = Ear()
    await store.channel.subscribe(KEY, ear.receive, ear.note)
    await store.channel.publish(KEY, [b"1"])
    await wait_until(lambda: ear.heard == [b"1"])
    server.kill()
    await wait_until(lambda: store.channel.heard_ago_s > 1.5)
    with pytest.raises(StoreError, match="redis_unavailable"):
        await store.channel.publish(KEY, [b"2"])
    server.start()
    await wait_until(lambda: ear.missed == 1, within_s=40)
    await eventually(lambda: store.channel.publish(KEY, [b"3"]))
    await wait_until(lambda: ear.heard == [b"1", b"3"])
    await wait_until(lambda: store.channel.heard_ago_s < 1.5)


async def test_a_server_that_hangs_is_noticed_by_its_silence(
    server: RedisServer, store: RedisStore
) -> None:
    ear = Ear()
    await store.channel.subscribe(KEY, ear.receive, ear.note)
    server.pause()
    await wait_until(lambda: store.channel.heard_ago_s > 4)
    with pytest.raises(StoreError, match="no answer to a subscription"):
        await store.channel.subscribe(OTHER, ear.receive, ear.note)
    server.resume()
    await wait_until(lambda: store.channel.heard_ago_s < 1.5, within_s=40)


# Fail-over


async def test_what_a_lagging_replica_lacks_is_given_back(tmp_path: Path) -> None:
    with redis_with_sentinels(tmp_path) as watched:
        store = store_at(watched.url, lease_s=120.0)  # a fail-over takes its time
        await store.open()
        await store.ownership.join(Node("a", "", 1))
        owner = await store.ownership.acquire(KEY, None)
        await store.journal.append(entries(1, 3))
        await wait_until(
            lambda: watched.replica.run("XLEN", "ncs:{acme:a}:journal") == 3
        )
        watched.replica.pause()
        watched.primary.run("CLIENT", "KILL", "TYPE", "replica")
        await store.journal.append(entries(4, 9))
        watched.primary.kill()
        watched.replica.resume()
        await eventually(lambda: store.journal.append(entries(10, 10)), 60)
        assert watched.replica.info("replication", "role") == "master"
        assert watched.replica.run("XLEN", "ncs:{acme:a}:journal") == 10
        assert await kept(store) == [*range(1, 11)]
        assert store.losses.take() == (6, 0)
        assert await store.ownership.owner(KEY) == (owner, True)
        await store.close()


async def test_a_primary_that_was_replaced_is_left_although_it_answers(
    tmp_path: Path,
) -> None:
    with redis_with_sentinels(tmp_path) as watched:
        store = store_at(watched.url)
        await store.open()
        await store.journal.append(entries(1, 3))
        watched.sentinels[0].run("SENTINEL", "FAILOVER", "main")
        await wait_until(
            lambda: watched.replica.info("replication", "role") == "master", 60
        )

        async def write_to_the_new_one() -> None:
            tail = await store.journal.tail(KEY)
            await store.journal.append(entries(tail + 1, tail + 1))
            if watched.replica.run("XLEN", "ncs:{acme:a}:journal") <= tail:
                raise StoreError("it went to the old one")

        await eventually(write_to_the_new_one, 60)
        found = await kept(store)
        assert found == [*range(1, len(found) + 1)]
        await store.close()


async def test_one_primary_of_a_cluster_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    with redis_cluster(tmp_path) as servers:
        for server in servers:
            server.run("CONFIG", "SET", "cluster-require-full-coverage", "no")
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        store = store_at(f"redis+cluster://{hosts}")
        await store.open()
        by_port: dict[int, StreamKey] = {}
        for number in range(100):
            key = StreamKey("acme", str(number))
            primary = store._links.primary_of(store._keys.head(key))
            by_port.setdefault(int(primary.place.split(":")[1]), key)
        gone, *others = servers
        index = store._links.primary_of(store._keys.index).place
        if index.endswith(str(gone.port)):
            gone, others = servers[1], [servers[0], servers[2]]
        for key in by_port.values():
            await store.journal.append(entries(1, 1, key))
        gone.kill()
        lost = by_port[gone.port]
        for round_ in (2, 3):
            for other in others:
                key = by_port[other.port]
                await eventually(
                    lambda key=key, n=round_: store.journal.append(entries(n, n, key))  # type: ignore[misc]
                )
            with pytest.raises(StoreError):
                await store.journal.append(entries(2, 2, lost))
        gone.start()
        await eventually(lambda: store.journal.append(entries(2, 2, lost)), 60)
        assert await kept(store, lost) == [1, 2]
        await store.close()


async def test_a_slot_that_moves_is_followed(tmp_path: Path) -> None:
    with redis_cluster(tmp_path, 2) as servers:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        store = store_at(f"redis+cluster://{hosts}")
        await store.open()
        await store.journal.append(entries(1, 1))
        ear = Ear()
        await store.channel.subscribe(KEY, ear.receive, ear.note)
        slot = servers[0].run("CLUSTER", "KEYSLOT", store._keys.head(KEY))
        source, target = servers if slot < 8192 else servers[::-1]
        ids = [s.run("CLUSTER", "MYID") for s in (source, target)]
        target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        for key in source.run("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.run("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        await eventually(lambda: store.journal.append(entries(2, 2)))  # by ASK
        for server in (target, source):
            server.run("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        await eventually(lambda: store.journal.append(entries(3, 3)))  # by MOVED
        assert await kept(store) == [1, 2, 3]
        await wait_until(lambda: ear.missed > 0)
        await store.channel.publish(KEY, [b"there"])
        await wait_until(lambda: ear.heard == [b"there"])
        await store.close()
