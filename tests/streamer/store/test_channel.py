from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ncs_streamer.store import MemoryStore, Store, StreamKey

from .conftest import Pair

pytestmark = pytest.mark.unit

KEY, OTHER = StreamKey("acme", "a"), StreamKey("other", "a")


class Ear:
    """Listens to streams."""

    def __init__(self) -> None:
        self.heard: list[tuple[StreamKey, bytes]] = []
        self.missed: list[StreamKey] = []

    async def listen(self, store: Store, *keys: StreamKey) -> None:
        for key in keys:
            await store.channel.subscribe(key, self.receive, self.missed.append)

    def receive(self, key: StreamKey, payload: bytes) -> None:
        self.heard.append((key, payload))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def test_what_is_published_is_received_in_order_everywhere(pair: Pair) -> None:
    here, there = Ear(), Ear()
    await here.listen(pair.a, KEY)
    await there.listen(pair.b, KEY)
    await pair.a.channel.publish(KEY, [b"1", b"", b"\0\xff"])
    await pair.a.channel.publish(KEY, [b"x" * 100_000])
    for ear in (here, there):
        await until(lambda ear=ear: len(ear.heard) == 4)  # type: ignore[misc]
        expected = [b"1", b"", b"\0\xff", b"x" * 100_000]
        assert ear.heard == [(KEY, payload) for payload in expected]


async def test_only_what_was_subscribed_to_is_received(pair: Pair) -> None:
    ear, marker = Ear(), Ear()
    await ear.listen(pair.b, KEY)
    await marker.listen(pair.b, OTHER)
    await pair.a.channel.publish(OTHER, [b"other"])
    await pair.a.channel.publish(KEY, [b"own"])
    await until(lambda: bool(ear.heard and marker.heard))
    assert (ear.heard, marker.heard) == ([(KEY, b"own")], [(OTHER, b"other")])


async def test_publishing_nothing_or_to_nobody_is_well(pair: Pair) -> None:
    await pair.a.channel.publish(KEY, [])
    await pair.a.channel.publish(KEY, [b"unheard"])
    ear = Ear()
    await ear.listen(pair.b, KEY)
    await pair.a.channel.publish(KEY, [b"heard"])
    await until(lambda: bool(ear.heard))
    assert ear.heard == [(KEY, b"heard")]


async def test_who_has_unsubscribed_receives_nothing(pair: Pair) -> None:
    ear, marker = Ear(), Ear()
    await ear.listen(pair.b, KEY)
    await marker.listen(pair.a, KEY)
    await pair.b.channel.unsubscribe(KEY)
    await pair.b.channel.unsubscribe(KEY)
    await pair.a.channel.publish(KEY, [b"1"])
    await until(lambda: bool(marker.heard))
    await ear.listen(pair.b, KEY)
    await pair.a.channel.publish(KEY, [b"2"])
    await until(lambda: bool(ear.heard))
    assert ear.heard == [(KEY, b"2")]


async def test_one_who_comes_as_another_leaves_breaks_nothing(pair: Pair) -> None:
    leaving, coming, other = Ear(), Ear(), Ear()
    await leaving.listen(pair.b, KEY)
    await other.listen(pair.b, OTHER)
    await asyncio.gather(pair.b.channel.unsubscribe(KEY), coming.listen(pair.b, KEY))
    for number in b"123":
        await pair.a.channel.publish(KEY, [bytes([number])])
        await pair.a.channel.publish(OTHER, [bytes([number])])
    await until(lambda: len(coming.heard) == len(other.heard) == 3)
    assert not other.missed


async def test_a_second_subscription_takes_the_place_of_the_first(pair: Pair) -> None:
    first, second = Ear(), Ear()
    await first.listen(pair.b, KEY)
    await second.listen(pair.b, KEY)
    await pair.a.channel.publish(KEY, [b"1"])
    await until(lambda: bool(second.heard))
    assert (first.heard, second.heard) == ([], [(KEY, b"1")])


async def test_a_node_hears_itself(pair: Pair) -> None:
    await until(lambda: pair.a.channel.heard_ago_s < 60)


async def test_a_way_that_was_broken_is_told_of() -> None:
    store = MemoryStore()
    ear, other = Ear(), Ear()
    await ear.listen(store, KEY, OTHER)
    await other.listen(store.beside(), KEY)
    store.channel.interrupt()  # type: ignore[attr-defined]
    assert (sorted(ear.missed), other.missed) == ([KEY, OTHER], [])
