"""The protocol of ownership, tried in every order: one writer an epoch, one history.

Nodes join, sleep past their lease, wake up and go on as if nothing had been, crash and
come back, race each other for a stream and let it go. Whatever they do, the journal is
one line of entries, written by one owner after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ownership_history import Accepted, check_history
from properties import examples

from ncs_streamer.cluster.lease import Lease
from ncs_streamer.store import (
    Append,
    FencedError,
    LostError,
    MemoryStore,
    Node,
    Owner,
    StreamKey,
)
from ncs_streamer.store.nodes import LocalNodes

pytestmark = pytest.mark.unit

KEY = StreamKey("acme", "s")
NAMES = ("a", "b", "c")
LEASE_S = 10.0

T = TypeVar("T")


class Ownerships(RuleBasedStateMachine):
    """Three nodes, one stream, a clock that only moves when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.loop = asyncio.new_event_loop()
        self.store = MemoryStore(LocalNodes(lambda: self.now), lease_s=LEASE_S)
        self.stores = {name: self.store.beside() for name in NAMES}
        self.leases = {name: Lease(LEASE_S) for name in NAMES}
        self.seen: dict[str, Owner | None] = {}
        self.mine: dict[str, Owner] = {}
        self.offset: dict[str, int] = {}
        self.accepted: list[Accepted] = []
        self.epochs: list[int] = []

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    names = st.sampled_from(NAMES)

    @rule(seconds=st.floats(0.1, 12.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=names)
    def joins(self, name: str) -> None:
        """Also one that lives already: a new life of it, as after a crash."""
        self.run(self.stores[name].ownership.join(Node(name, "", 1)))
        self.leases[name].renewed(self.now)
        self.mine.pop(name, None)

    @rule(name=names)
    def renews(self, name: str) -> None:
        try:
            self.run(self.stores[name].ownership.renew())
        except LostError:
            self.leases[name].ended()
            self.mine.pop(name, None)
        else:
            self.leases[name].renewed(self.now)

    @rule(name=names)
    def looks(self, name: str) -> None:
        known = self.run(self.stores[name].ownership.owner(KEY))
        self.seen[name] = None if known is None else known[0]

    @rule(name=names)
    def takes_over(self, name: str) -> None:
        """By what it saw, which may be long ago."""
        ownership = self.stores[name].ownership
        try:
            owner = self.run(ownership.acquire(KEY, self.seen.get(name)))
        except LostError:  # then it gives up all that it had
            self.leases[name].ended()
            self.mine.pop(name, None)
            return
        if owner is not None:
            assert owner.epoch not in self.epochs, "two owners in one epoch"
            assert owner.epoch > max(self.epochs, default=0)
            self.epochs.append(owner.epoch)
            self.mine[name] = owner
            self.offset[name] = self.run(self.stores[name].journal.tail(KEY))

    @rule(name=names)
    def appends(self, name: str) -> None:
        """As an owner, or as one that slept and has not noticed."""
        owner, store = self.mine.get(name), self.stores[name]
        if owner is None:
            return
        offset = self.offset[name] + 1
        try:
            self.run(store.journal.append([Append(KEY, offset, name.encode())]))
        except FencedError:
            assert owner.epoch < max(self.epochs), "the owner was fenced"
            del self.mine[name]
        else:
            self.offset[name] = offset
            self.accepted.append(Accepted(offset, owner.epoch, name))

    @rule(name=names)
    def lets_go(self, name: str) -> None:
        owner = self.mine.pop(name, None)
        if owner is not None:
            self.run(self.stores[name].ownership.release(KEY, owner))

    @invariant()
    def there_is_one_history(self) -> None:
        check_history(self.accepted, self.run(self.store.journal.tail(KEY)))

    @invariant()
    def who_acts_as_the_owner_has_not_been_replaced(self) -> None:
        """By its own clock a node stops before the store lets anyone else begin."""
        for name, owner in self.mine.items():
            if self.leases[name].holds(self.now):
                assert owner.epoch == max(self.epochs)


TestOwnerships = Ownerships.TestCase
TestOwnerships.settings = examples(150, stateful_step_count=40)
