from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ncs_streamer.store import (
    Append,
    FencedError,
    LostError,
    MemoryStore,
    Node,
    Owner,
    Store,
    StreamKey,
)

from .conftest import Pair

pytestmark = pytest.mark.unit

KEY, OTHER = StreamKey("acme", "a"), StreamKey("other", "a")
A, B = Node("a", "a:8000", 1), Node("b", "b:8000", 1)


async def take(store: Store, key: StreamKey = KEY) -> Owner:
    found = await store.ownership.owner(key)
    owner = await store.ownership.acquire(key, None if found is None else found[0])
    assert owner is not None
    return owner


# Nodes


async def test_nodes_that_have_joined_are_listed_by_name(pair: Pair) -> None:
    assert await pair.a.ownership.nodes() == [A, B]
    assert await pair.b.ownership.nodes() == [A, B]


async def test_a_node_that_left_is_not_listed(pair: Pair) -> None:
    await pair.a.ownership.leave()
    assert await pair.b.ownership.nodes() == [B]


async def test_a_node_lives_for_as_long_as_it_renews(pair: Pair) -> None:
    await pair.let_leases_end()
    assert await pair.b.ownership.nodes() == []
    await pair.b.ownership.join(B)
    await pair.b.ownership.renew()
    assert await pair.b.ownership.nodes() == [B]


async def test_a_node_may_say_something_else_of_itself(pair: Pair) -> None:
    draining = A._replace(is_draining=True)
    await pair.a.ownership.renew(draining)
    assert await pair.b.ownership.nodes() == [draining, B]
    await pair.a.ownership.renew()
    assert await pair.b.ownership.nodes() == [draining, B]
    await pair.let_leases_end()
    with pytest.raises(LostError):
        await pair.a.ownership.renew(A)
    assert await pair.b.ownership.nodes() == []


async def test_a_lease_that_has_ended_cannot_be_renewed(pair: Pair) -> None:
    await take(pair.a)
    await pair.let_leases_end()
    with pytest.raises(LostError):
        await pair.a.ownership.renew()
    assert pair.a.ownership.held(KEY) is None


async def test_another_life_of_a_node_ends_the_one_before(pair: Pair) -> None:
    await pair.b.ownership.join(A)
    with pytest.raises(LostError):
        await pair.a.ownership.renew()
    await pair.a.ownership.leave()
    assert await pair.b.ownership.nodes() == [A, B]


async def test_who_has_not_joined_acquires_nothing(pair: Pair) -> None:
    await pair.a.ownership.leave()
    with pytest.raises(LostError):
        await pair.a.ownership.acquire(KEY, None)


# Owners


async def test_a_new_stream_has_no_owner(pair: Pair) -> None:
    assert await pair.a.ownership.owner(KEY) is None
    assert await pair.a.ownership.owners() == {}
    assert pair.a.ownership.held(KEY) is None


async def test_who_acquires_a_stream_owns_it(pair: Pair) -> None:
    owner = await take(pair.a)
    assert (owner.node, owner.epoch) == ("a", 1)
    assert await pair.b.ownership.owner(KEY) == (owner, True)
    assert await pair.b.ownership.owners() == {KEY: owner}
    assert pair.a.ownership.held(KEY) == owner
    assert pair.b.ownership.held(KEY) is None


async def test_of_two_only_one_acquires(pair: Pair) -> None:
    took = await asyncio.gather(
        pair.a.ownership.acquire(KEY, None), pair.b.ownership.acquire(KEY, None)
    )
    (owner,) = [one for one in took if one is not None]
    assert await pair.a.ownership.owner(KEY) == (owner, True)


async def test_what_a_living_node_owns_is_not_taken(pair: Pair) -> None:
    owner = await take(pair.a)
    assert await pair.b.ownership.acquire(KEY, owner) is None
    assert await pair.b.ownership.owner(KEY) == (owner, True)


async def test_what_a_dead_node_owned_is_taken_in_a_new_epoch(pair: Pair) -> None:
    owner = await take(pair.a)
    await pair.let_leases_end()
    await pair.b.ownership.join(B)
    assert await pair.b.ownership.owner(KEY) == (owner, False)
    successor = await take(pair.b)
    assert (successor.node, successor.epoch) == ("b", 2)


async def test_what_an_earlier_life_owned_is_up_for_taking(pair: Pair) -> None:
    owner = await take(pair.a)
    await pair.a.ownership.join(A)
    assert await pair.b.ownership.owner(KEY) == (owner, False)
    again = await take(pair.a)
    assert (again.node, again.epoch, again.nonce != owner.nonce) == ("a", 2, True)


async def test_what_a_node_owned_that_left_is_taken_at_once(pair: Pair) -> None:
    await take(pair.a)
    await pair.a.ownership.leave()
    assert (await take(pair.b)).epoch == 2


async def test_who_saw_what_is_no_longer_so_acquires_nothing(pair: Pair) -> None:
    owner = await take(pair.a)
    await pair.a.ownership.release(KEY, owner)
    newer = await take(pair.a)
    await pair.a.ownership.leave()
    for seen in (None, owner, newer._replace(epoch=9), newer._replace(nonce="x")):
        assert await pair.b.ownership.acquire(KEY, seen) is None
    assert await pair.b.ownership.acquire(KEY, newer) is not None


async def test_an_owner_may_begin_a_new_epoch(pair: Pair) -> None:
    owner = await take(pair.a)
    assert await pair.a.ownership.acquire(KEY, owner) == owner._replace(epoch=2)


async def test_a_stream_that_was_let_go_is_taken_while_its_owner_lives(
    pair: Pair,
) -> None:
    owner = await take(pair.a)
    await pair.a.ownership.release(KEY, owner, "b")
    assert await pair.b.ownership.owner(KEY) == (Owner("", 1, "", "b"), False)
    successor = await take(pair.b)
    assert (successor.node, successor.epoch, successor.successor) == ("b", 2, "")
    assert await pair.a.ownership.renew() is None


async def test_what_is_not_owned_is_not_let_go(pair: Pair) -> None:
    owner = await take(pair.a)
    await pair.b.ownership.release(KEY, owner._replace(node="b"))
    await pair.b.ownership.release(OTHER, owner)
    assert await pair.b.ownership.owners() == {KEY: owner}


async def test_streams_have_owners_of_their_own(pair: Pair) -> None:
    one, other = await take(pair.a), await take(pair.b, OTHER)
    assert await pair.a.ownership.owners() == {KEY: one, OTHER: other}


# The fence

WRITES: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "append": lambda s: s.journal.append([Append(KEY, 2, b"two")]),
    "truncate": lambda s: s.journal.truncate(KEY, 1),
    "save": lambda s: s.snapshots.save(KEY, 1, b"model"),
    "record": lambda s: s.history.record(KEY, [(8, b"event")], 0),
    "replace": lambda s: s.replace(KEY, 5, b"model"),
    "clear": lambda s: s.history.clear(KEY),
}


async def kept(store: Store) -> list[Any]:
    return [
        await store.journal.tail(KEY),
        await store.journal.read(KEY, 0, 9),
        await store.snapshots.load(KEY),
        await store.history.recent(KEY, 9),
    ]


@pytest.mark.parametrize("write", WRITES.values(), ids=[*WRITES])
async def test_only_the_owner_writes(
    pair: Pair, write: Callable[[Store], Awaitable[Any]]
) -> None:
    await take(pair.a)
    await pair.a.journal.append([Append(KEY, 1, b"one")])
    await pair.a.history.record(KEY, [(7, b"seven")], 0)
    before = await kept(pair.b)
    with pytest.raises(FencedError) as refused:
        await write(pair.b)
    assert (refused.value.key, refused.value.holder) == (KEY, "a")
    assert await kept(pair.a) == before
    await write(pair.a)
    assert await kept(pair.a) != before


@pytest.mark.parametrize("write", WRITES.values(), ids=[*WRITES])
async def test_who_was_an_owner_writes_no_more(
    pair: Pair, write: Callable[[Store], Awaitable[Any]]
) -> None:
    await take(pair.a)
    await pair.a.journal.append([Append(KEY, 1, b"one")])
    await pair.let_leases_end()
    await pair.b.ownership.join(B)
    await take(pair.b)
    before = await kept(pair.b)
    with pytest.raises(FencedError):
        await write(pair.a)
    assert await kept(pair.b) == before
    await pair.b.journal.append([Append(KEY, 2, b"two")])


async def test_who_let_go_writes_no_more(pair: Pair) -> None:
    owner = await take(pair.a)
    await pair.a.ownership.release(KEY, owner)
    with pytest.raises(FencedError, match="belongs to nobody"):
        await pair.a.journal.append([Append(KEY, 1, b"one")])
    assert await pair.a.journal.tail(KEY) == 0


async def test_who_left_writes_no_more(pair: Pair) -> None:
    await take(pair.a)
    await pair.a.ownership.leave()
    with pytest.raises(FencedError):
        await pair.a.journal.append([Append(KEY, 1, b"one")])


async def test_a_stream_that_never_had_an_owner_is_written_by_anyone(
    pair: Pair,
) -> None:
    await pair.a.journal.append([Append(KEY, 1, b"one")])
    await pair.b.journal.append([Append(KEY, 2, b"two")])
    assert await pair.a.journal.tail(KEY) == 2


async def test_the_fence_of_one_stream_is_not_that_of_another(pair: Pair) -> None:
    await take(pair.a)
    await pair.b.journal.append([Append(OTHER, 1, b"one")])
    with pytest.raises(FencedError):
        await pair.b.journal.append([Append(KEY, 1, b"1"), Append(KEY, 2, b"2")])
    assert await pair.b.journal.tail(KEY) == 0


async def test_a_node_alone_owns_what_it_acquires(store: Store) -> None:
    await store.ownership.join(A)
    assert await store.ownership.nodes() == [A]
    owner = await take(store)
    await store.journal.append([Append(KEY, 1, b"one")])
    assert await store.ownership.owners() == {KEY: owner}
    await store.ownership.leave()


def test_nodes_beside_each_other_have_the_same_lease() -> None:
    assert MemoryStore(lease_s=3.0).beside().ownership.lease_s == 3.0


# Tools


async def test_a_tool_takes_what_nobody_alive_owns(pair: Pair) -> None:
    former = await take(pair.a)
    await pair.let_leases_end()
    owner = await pair.b.ownership.seize(KEY)
    assert owner.epoch == former.epoch + 1
    await pair.b.journal.append([Append(KEY, 1, b"tool")])
    with pytest.raises(FencedError):
        await pair.a.journal.append([Append(KEY, 1, b"former")])
    await pair.b.ownership.release(KEY, owner)
    assert await pair.b.ownership.owner(KEY) == (Owner("", owner.epoch, ""), False)


async def test_a_tool_takes_nothing_from_an_owner_that_lives(pair: Pair) -> None:
    await take(pair.a)
    with pytest.raises(FencedError, match="belongs to a"):
        await pair.b.ownership.seize(KEY)


async def test_a_node_takes_over_from_a_tool_at_any_time(pair: Pair) -> None:
    seized = await pair.b.ownership.seize(KEY)
    owner = await take(pair.a)
    assert owner.epoch == seized.epoch + 1
    with pytest.raises(FencedError):
        await pair.b.journal.append([Append(KEY, 1, b"tool")])
