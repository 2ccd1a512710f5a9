"""Nodes in one process: any of them serves any client, wherever a stream lies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import threading
from collections.abc import AsyncIterator

import aiohttp
import numpy as np
import pytest
from nodes import Node, Nodes, nodes
from real_server import free_port, token, wait_until

from ncs_client import (
    AsyncNCSClient,
    AuthenticationError,
    ConnectionEndedError,
    StreamSession,
)
from ncs_client.view import ClusterView
from ncs_protocol import NcsError
from ncs_protocol.messages import Sample, Subscribed
from ncs_streamer.cluster import routed
from ncs_streamer.cluster.orders import Order, say
from ncs_streamer.cluster.placement import preferred
from ncs_streamer.cluster.streams import ClusterStreams
from ncs_streamer.cluster.wire import VERSION
from ncs_streamer.limiter import STRANGERS
from ncs_streamer.store import Node as Member
from ncs_streamer.store import StreamKey
from ncs_streamer.verify.proxy import Line as ProxyLine
from ncs_streamer.verify.proxy import Proxy

pytestmark = pytest.mark.integration

S = StreamKey("acme", "s")


def blobs(n: int = 50, seed: int = 1, at: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    places = rng.integers(0, 4, (n, 1)) * 10 + at
    return (places + rng.normal(size=(n, 3))).astype("f4")


class Reader:
    """A dashboard on one of the nodes."""

    def __init__(self) -> None:
        self.view = ClusterView()
        self.begun = 0  # times that it got a snapshot
        self.lossless: list[int] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, node: Node, stream: str = "s") -> AsyncIterator[Reader]:
        self = cls()
        async with node.client() as client, client.stream() as session:
            subscription = await session.subscribe(stream)

            async def read() -> None:
                async for message in subscription:
                    self.view.apply(message)
                    if isinstance(message, Subscribed):
                        self.begun += 1
                    elif message.delivery == "lossless":
                        self.lossless.append(message.last)

            task = asyncio.create_task(read())
            await wait_until(lambda: self.begun or task.done())
            yield self
            assert not task.done() or task.result() is None
            task.cancel()

    def sizes(self) -> dict[int, int]:
        return {id: cluster.size for id, cluster in self.view.clusters.items()}


async def sizes_at(node: Node) -> dict[int, int]:
    """Return the model as REST tells it at a node."""
    async with node.client() as client:
        clusters = await client.get_clusters("s")
        return {cluster.cluster_id: cluster.size for cluster in clusters}


@contextlib.asynccontextmanager
async def gateway(
    node: Node, producer: str | None = "g"
) -> AsyncIterator[StreamSession]:
    async with node.client() as client:
        async with client.stream(producer=producer, streams=["s"]) as session:
            yield session


async def push(node: Node, producer: str | None = "g", at: float = 0.0) -> None:
    async with gateway(node, producer) as session:
        for seed in range(4):
            ack = await session.send(blobs(seed=seed, at=at), stream="s")
            assert ack.accepted == 50


async def learned(node: Node) -> int:
    async with node.client() as client:
        status = await client.get_algorithm_status("s")
        return status.total_points_processed


def streams_of(node: Node) -> ClusterStreams:
    assert node.server.cluster is not None
    return node.server.cluster


async def moved(cluster: Nodes, target: Node | None = None) -> Node:
    """Hand the stream over to another node, and return that."""
    former = cluster.owner("s")
    assert former is not None
    target = target or cluster.other("s")
    route = streams_of(former).route(S)
    await streams_of(former).move(route, target.name, pin=True)
    await wait_until(lambda: cluster.owner("s") is target)
    return target


async def test_a_batch_reaches_the_owner_from_any_node() -> None:
    async with nodes("a", "b", "c") as cluster:
        for node in cluster.all.values():
            await push(node, producer=f"of-{node.name}")
        for node in cluster.all.values():
            assert await learned(node) == 600


async def test_batches_without_a_name_reach_it_too_and_leave_no_name() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"], producer=None)
        other = cluster.other("s")
        async with Reader.on(other) as reader:
            await push(other, producer=None)
            await wait_until(lambda: sum(reader.sizes().values()) == 400)
        assert await learned(other) == 400


async def test_a_reader_on_another_node_has_the_owners_model() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        async with Reader.on(other) as far, Reader.on(owner) as near:
            assert far.sizes() == near.sizes()
            await push(other, producer="h")
            model = await sizes_at(owner)
            await wait_until(lambda: far.sizes() == near.sizes() == model)
            assert far.lossless == near.lossless
            assert far.begun == near.begun == 1


async def test_a_move_is_not_noticed_by_producers_and_readers() -> None:
    async with nodes("a", "b", "c") as cluster:
        await push(cluster.all["a"], producer="first")
        async with contextlib.AsyncExitStack() as stack:
            readers = [
                await stack.enter_async_context(Reader.on(node))
                for node in cluster.all.values()
            ]
            sessions = [
                await stack.enter_async_context(gateway(node, f"g-{node.name}"))
                for node in cluster.all.values()
            ]
            futures = []
            for seed in range(60):
                for session in sessions:
                    futures.append(await session.submit(blobs(seed=seed), stream="s"))
                if seed % 20 == 10:
                    await moved(cluster)
            acks = await asyncio.gather(*futures)
            assert len(acks) == 180
            assert await learned(cluster.all["b"]) == 200 + 180 * 50
            model = await sizes_at(cluster.all["c"])
            await wait_until(lambda: all(r.sizes() == model for r in readers))
            for reader in readers:
                assert reader.begun == 1
                first = reader.lossless[0]
                span = range(first, first + len(reader.lossless))
                assert reader.lossless == list(span)


async def test_a_node_that_stops_hands_everything_over() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        async with Reader.on(other) as reader, gateway(other, "h") as session:
            await cluster.stop(owner.name)
            ack = await session.send(blobs(), stream="s")
            assert not ack.duplicate
            model = await sizes_at(other)
            await wait_until(lambda: reader.sizes() == model)
            assert reader.begun == 1
        assert await learned(other) == 250


async def test_a_stream_goes_to_a_node_that_joins_if_that_is_its_place() -> None:
    key = StreamKey("acme", "s")
    name = next(n for n in "bcdefgh" if preferred(key, ["a", n]) == n)
    async with nodes("a") as cluster:
        await push(cluster.all["a"])
        joined = await cluster.start(name)
        async with Reader.on(cluster.all["a"]) as reader:
            await wait_until(lambda: cluster.owner("s") is joined)
            await push(cluster.all["a"], producer="h")
            model = await sizes_at(joined)
            await wait_until(lambda: reader.sizes() == model)
            assert reader.begun == 1


async def test_a_producer_resumes_on_any_node() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"], producer="p")
        async with gateway(cluster.other("s"), "p") as session:
            assert session.welcome is not None
            assert session.welcome.resume["s"].last_seq == 4


async def test_a_producer_is_replaced_from_another_node() -> None:
    async with nodes("a", "b") as cluster:
        async with gateway(cluster.all["a"], "p") as older:
            await older.send(blobs(), stream="s")
            async with gateway(cluster.all["b"], "p") as newer:
                await newer.send(blobs(), stream="s")
                await wait_until(lambda: not cluster.all["a"].server.connections)


async def test_a_key_that_is_revoked_on_one_node_ends_sessions_on_all() -> None:
    async with nodes("a", "b") as cluster:
        a, b = cluster.all.values()
        async with a.client() as admin:
            key = await admin.create_key("k", ["read", "write"])
            async with AsyncNCSClient(b.url, key.api_key) as client:
                async with client.stream() as session:
                    await session.send(blobs(), stream="s")
                    await admin.revoke_key(key.key_id)
                    await wait_until(lambda: not b.server.connections, within_s=3)


async def test_requests_that_change_a_stream_reach_its_owner() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        async with cluster.other("s").client() as client:
            result = await client.process_points(blobs().tolist(), stream="s")
            assert result.points_processed == 50
            await client.configure("s", max_clusters=7)
            await client.reset_algorithm("s")
            assert await client.get_clusters("s") == []


async def test_a_way_that_was_broken_leaves_no_gap() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        other = cluster.other("s")
        async with Reader.on(other) as reader:
            channel = other.server.store.channel
            key = StreamKey("acme", "s")
            listeners = cluster.store._nodes.listeners
            listener = listeners[key].pop(channel)  # what is published now is missed
            owner = cluster.owner("s")
            assert owner is not None
            await push(owner, producer="h", at=500.0)
            listeners.setdefault(key, {})[channel] = listener
            channel.interrupt()
            model = await sizes_at(owner)
            await wait_until(lambda: reader.sizes() == model)
            assert reader.begun == 1
            assert reader.lossless == list(
                range(reader.lossless[0], reader.lossless[0] + len(reader.lossless))
            )


class Line(Proxy):
    """One that can hold back what is answered, and let it go."""

    def __init__(self, port: int) -> None:
        super().__init__(lambda: f"http://127.0.0.1:{port}", random.Random())
        self.answers = asyncio.Event()
        self.answers.set()

    async def _told(
        self, line: ProxyLine, server: asyncio.StreamReader
    ) -> AsyncIterator[bytes]:
        async for chunk in super()._told(line, server):
            await self.answers.wait()
            yield chunk


@contextlib.asynccontextmanager
async def with_lines() -> AsyncIterator[tuple[Nodes, dict[str, Line]]]:
    """Two nodes, and the lines by which each is reached from the other."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(nodes())
        lines = {}
        for name in "ab":
            port = free_port()
            lines[name] = line = Line(port)
            await stack.enter_async_context(line)
            way = line.url.removeprefix("http://")
            await cluster.start(name, cluster_port=port, cluster_address=way)
        await cluster.all_know_each_other()
        yield cluster, lines


async def test_a_batch_that_got_no_answer_goes_on_where_the_stream_is_now() -> None:
    async with with_lines() as (cluster, lines):
        await push(cluster.all["a"], producer="first")
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        async with gateway(other) as session:
            await session.send(blobs(), stream="s")
            lines[owner.name].swallow()  # the other way, by which it moves, is open
            ack = await session.submit(blobs(), stream="s")
            await asyncio.sleep(0.1)  # it is on its way
            assert await moved(cluster) is other
            assert (await asyncio.wait_for(ack, 20)).seq == 2
            assert await learned(other) == 300


async def test_a_stream_goes_to_a_node_that_cannot_be_asked_to_take_it() -> None:
    async with with_lines() as (cluster, lines):
        await push(cluster.all["a"])
        lines[cluster.other("s").name].swallow()
        target = await asyncio.wait_for(moved(cluster), 20)
        assert await learned(target) == 200
        lines[target.name].heal()


async def test_limits_count_over_all_nodes() -> None:
    async with nodes() as cluster:
        for name in "ab":
            await cluster.start(name, max_connections_per_tenant=2)
        one, other = cluster.all.values()
        async with gateway(one, "g1"), gateway(one, "g2"):
            places = other.server.places
            await wait_until(lambda: places.tenants.elsewhere["acme"] == 2)
            with pytest.raises(
                ConnectionEndedError, match="this tenant has 2 connections"
            ):
                async with gateway(other, "g3"):
                    pass
            stranger = AsyncNCSClient(one.url, "wrong", max_retries=0)
            async with stranger:
                for _ in range(100):
                    with pytest.raises(AuthenticationError):
                        await stranger.get_clusters("s")
            limiter, now = other.server.limiter, other.server.clock.monotonic()
            await wait_until(
                lambda: (
                    not limiter.check(STRANGERS, "127.0.0.1", now, count=False).allowed
                )
            )
        await wait_until(lambda: not places.tenants.elsewhere, within_s=20)
        async with gateway(other, "g3"):
            pass


async def test_an_answer_that_comes_late_is_none_to_what_went_another_way() -> None:
    async with with_lines() as (cluster, lines):
        a, b = cluster.all.values()
        await push(a, producer="first")
        c = await cluster.start("c")
        await cluster.all_know_each_other()
        await moved(cluster, a)
        async with gateway(c) as session, asyncio.timeout(60):
            lines["a"].answers.clear()
            acks = [await session.submit(blobs(), stream="s") for _ in range(10)]
            while await learned(a) != 200 + 10 * 50:
                await asyncio.sleep(0.01)
            await moved(cluster, b)
            lines["b"].swallow()
            streams_of(c).route(S).find_soon()  # as a sweep or another node might
            acks += [await session.submit(blobs(), stream="s") for _ in range(20)]
            await asyncio.sleep(0.2)  # they are on their way
            lines["a"].answers.set()
            way = streams_of(c).peers.link("b")
            assert way is not None
            await wait_until(lambda: way.failed, within_s=20)
            lines["b"].heal()
            await asyncio.gather(*acks)
            assert await learned(b) == 200 + 30 * 50


async def test_an_owner_is_not_looked_for_by_a_node_that_has_become_it() -> None:
    async with with_lines() as (cluster, lines):
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        async with Reader.on(other) as reader:
            lines[owner.name].answers.clear()
            await moved(cluster, other)
            lines[owner.name].answers.set()  # now it hears that the stream has moved
            way = streams_of(other).peers.link(owner.name)
            assert way is not None
            with pytest.raises(NcsError):
                await way.ask(S, "last_seq", b"")
            await asyncio.sleep(0)
            listeners = cluster.store._nodes.listeners
            assert other.server.store.channel not in listeners.get(S, {})
            await push(other, producer="h", at=500.0)
            model = await sizes_at(other)
            await wait_until(lambda: reader.sizes() == model)


async def test_a_reader_that_leaves_takes_no_events_from_one_that_comes() -> None:
    async with with_lines() as (cluster, lines), contextlib.AsyncExitStack() as stack:
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        async with Reader.on(other):
            lines[owner.name].answers.clear()
            coming = Reader.on(other)
            joining = asyncio.create_task(stack.enter_async_context(coming))
            await asyncio.sleep(0.1)  # it is asked for
        await wait_until(lambda: not streams_of(other).route(S).hub.subscribers)
        lines[owner.name].answers.set()
        reader = await joining
        await push(owner, producer="h", at=500.0)
        model = await sizes_at(owner)
        await wait_until(lambda: reader.sizes() == model)


async def test_a_way_on_which_something_is_asked_is_not_forgotten() -> None:
    async with with_lines() as (cluster, lines):
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        route = streams_of(other).route(S)
        lines[owner.name].answers.clear()
        asking = asyncio.create_task(route.last_seq("g"))
        await asyncio.sleep(0.1)  # it is on its way
        streams_of(other).forget_idle()
        assert streams_of(other).route(S) is route
        lines[owner.name].answers.set()
        assert (await asking)[1] == 4
        streams_of(other).forget_idle()
        assert streams_of(other).route(S) is not route


async def test_kinds_of_samples_that_are_too_many_break_no_way() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        kinds = [Sample(max_points=100 + number) for number in range(8)]
        for options in kinds:
            streams_of(owner).route(S).sample(options)
        async with Reader.on(other) as reader:
            route = streams_of(other).route(S)
            route.sample(Sample())
            async with Reader.on(other) as late:
                await push(owner, producer="h", at=500.0)
                model = await sizes_at(owner)
                await wait_until(lambda: reader.sizes() == late.sizes() == model)
            route.unsample(Sample())


async def test_a_look_that_was_overtaken_by_a_loss_is_taken_again() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        owner = cluster.owner("s")
        assert owner is not None
        route = streams_of(owner).route(S)
        stream, goes_on = route.local, threading.Event()
        assert stream is not None
        async with Reader.on(owner) as before:
            stream.call(lambda _: goes_on.wait(), lambda _: None)
            after = Reader.on(owner)
            joining = asyncio.create_task(after.__aenter__())
            await wait_until(lambda: stream.joining)
            route.possession.lose()
            await push(cluster.other("s"), producer="h", at=500.0)
            model = await sizes_at(cluster.other("s"))
            await wait_until(lambda: before.sizes() == model)
            goes_on.set()
            reader = await joining
            await wait_until(lambda: reader.sizes() == model)
            await after.__aexit__(None, None, None)


async def sweep(cluster: Nodes) -> None:
    """Have every node look at all streams, as if no node had changed for long."""
    for node in cluster.all.values():
        assert node.server.cluster is not None
        node.server.cluster.membership.changed_at = -math.inf
        await node.server.cluster._sweep.sweep()


async def test_who_drains_is_given_nothing_back() -> None:
    async with nodes("a", "b", "c") as cluster:
        home = cluster.all[preferred(StreamKey("acme", "s"), "abc") or ""]
        await push(home)
        assert cluster.owner("s") is home
        store = home.server.store
        await say(store.channel, Order("drain", home.name))
        await wait_until(lambda: (cluster.owner("s") or home) is not home)
        taker = cluster.owner("s")
        assert taker is not None
        await sweep(cluster)
        assert cluster.owner("s") is taker
        await say(store.channel, Order("move", home.name, "acme", "s"))
        await push(taker, producer="h")  # after the order has been heard
        assert cluster.owner("s") is taker
        assert home.server.cluster is not None
        assert home.server.cluster.trouble == "draining"
        assert await learned(home) == 400  # it serves clients on

        await say(store.channel, Order("drain", taker.name))
        await wait_until(lambda: (cluster.owner("s") or taker) is not taker)
        third = cluster.owner("s")
        assert third is not None and third is not home
        await say(store.channel, Order("drain", third.name))
        await wait_until(lambda: third.server.cluster.is_draining)  # type: ignore[union-attr]
        await sweep(cluster)
        assert cluster.owner("s") is third  # there is nobody else
        await push(home, producer="i")


async def test_a_stream_without_an_owner_costs_its_readers_that_subscription_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routed, "_PATIENCE_S", 0.5)
    async with with_lines() as (cluster, lines):
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None
        away = lines[owner.name]
        away.swallow()
        away.cut()
        async with other.client() as client, client.stream() as session:
            mine = (
                n
                for n in "klmnop"
                if preferred(StreamKey("acme", n), "ab") == other.name
            )
            here = next(mine)
            await client.process_points(blobs().tolist(), stream=here)

            async def read(stream: str) -> AsyncIterator[object]:
                async for message in await session.subscribe(stream):
                    yield message

            near, far = read(here), read("s")
            assert isinstance(await anext(near), Subscribed)
            connections = set(other.server.connections)
            waiting = asyncio.create_task(anext(far))
            none = b'ncs_errors_total{code="owner_unavailable"} 0.0'
            await wait_until(
                lambda: none not in other.server.metrics.exposition(), within_s=30
            )
            await client.process_points(blobs().tolist(), stream=here)
            await anext(near)
            away.heal()
            assert isinstance(await asyncio.wait_for(waiting, 30), Subscribed)
            assert connections == set(other.server.connections)  # the same session


async def test_the_way_to_a_node_stays_the_same_while_it_drains() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None and other.server.cluster is not None
        peers, membership = other.server.cluster.peers, other.server.cluster.membership
        assert await learned(other) == 200
        way = peers.link(owner.name)
        await say(owner.server.store.channel, Order("drain", owner.name))
        await wait_until(lambda: membership.nodes[owner.name].is_draining)
        assert peers.link(owner.name) is way


async def test_presence_tells_of_producers_on_all_nodes() -> None:
    async with nodes("a", "b") as cluster:
        await push(cluster.all["a"])
        owner, other = cluster.owner("s"), cluster.other("s")
        assert owner is not None

        async def row(node: Node, producer: str) -> dict[str, object]:
            url, headers = (
                f"{node.url}/api/v1/presence?stream=s",
                {"X-API-Key": token()},
            )
            async with aiohttp.ClientSession(headers=headers) as http:
                async with http.get(url) as reply:
                    found = (await reply.json())["gateways"]
            return next((g for g in found if g["producer"] == producer), {})

        async with gateway(other, "far") as session:
            while not (await row(owner, "far")).get("is_connected"):
                await asyncio.sleep(0.05)
            await session.send(blobs(), stream="s")
            for node in (owner, other):
                assert (await row(node, "far"))["last_seq"] == 1
        while (await row(owner, "far"))["is_connected"]:
            await asyncio.sleep(0.05)


async def test_a_stream_is_not_given_back_to_a_node_whose_death_is_news() -> None:
    async with nodes("a") as cluster:
        stream = next(
            name
            for name in map(str, itertools.count())
            if preferred(StreamKey("acme", name), ["a", "ghost"]) == "ghost"
        )
        ghost = Member("ghost", "127.0.0.1:1", VERSION)
        beside = cluster.store.beside()
        await beside.ownership.join(ghost)
        assert await beside.ownership.acquire(StreamKey("acme", stream), None)
        await beside.ownership.leave()
        streams = streams_of(cluster.all["a"])
        route = streams.route(StreamKey("acme", stream))
        await streams.membership.look_around()
        streams.membership.nodes |= {"ghost": ghost}  # as it was a moment ago
        await route.possession.find(route.hub, take=True)
        assert cluster.owner(stream) is cluster.all["a"]
        await sweep(cluster)
        assert cluster.owner(stream) is cluster.all["a"]
