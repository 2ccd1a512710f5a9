"""Ownership and channel of nodes in one process: one as a rule, more in tests."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .contracts import TOOL, FencedError, LostError, Node, Owner, StreamKey

__all__ = ["LEASE_S", "LocalChannel", "LocalNodes", "LocalOwnership"]

LEASE_S = 10.0
"""Of a node, where nothing else is said."""


class _Lease(NamedTuple):
    node: Node
    nonce: str
    ends: float


class _Listener(NamedTuple):
    receive: Callable[[StreamKey, bytes], None]
    missed: Callable[[StreamKey], None]


class LocalNodes:
    """What the nodes of one process share.

    Args:
        clock: the time that leases go by, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.leases: dict[str, _Lease] = {}
        self.owners: dict[StreamKey, Owner] = {}
        self.listeners: dict[StreamKey, dict[LocalChannel, _Listener]] = {}

    def lives(self, owner: Owner) -> bool:
        """Return whether the life of a node goes on in which it became an owner."""
        lease = self.leases.get(owner.node)
        return lease is not None and self._holds(lease, owner.nonce)

    def _holds(self, lease: _Lease, nonce: str) -> bool:
        return lease.nonce == nonce and self.clock() < lease.ends

    def living(self) -> list[Node]:
        """Return the nodes whose lease goes on, by name."""
        now = self.clock()
        return sorted(lease.node for lease in self.leases.values() if now < lease.ends)


class LocalOwnership:
    """Implements `Ownership` for one of the nodes.

    Args:
        nodes: all of them; None for a node that is alone.
        lease_s: see `Ownership`.
    """

    def __init__(
        self, nodes: LocalNodes | None = None, lease_s: float = LEASE_S
    ) -> None:
        self.lease_s = lease_s
        self._nodes = nodes or LocalNodes()
        self._node: Node | None = None
        self._nonce = ""
        self._held: dict[StreamKey, Owner] = {}

    async def join(self, node: Node) -> None:
        self._held.clear()
        self._node, self._nonce = node, secrets.token_hex(8)
        self._extend(node)

    def _extend(self, node: Node) -> None:
        ends = self._nodes.clock() + self.lease_s
        self._nodes.leases[node.name] = _Lease(node, self._nonce, ends)

    async def renew(self, node: Node | None = None) -> None:
        self._node = node or self._living()
        self._extend(self._living())

    def _living(self) -> Node:
        node = self._node
        if node is None or not self._nodes.lives(Owner(node.name, 0, self._nonce)):
            self._give_up()
            raise LostError("the lease of this node has ended")
        return node

    def _give_up(self) -> None:
        self._node = None
        self._held.clear()

    async def leave(self) -> None:
        node = self._node
        if node is not None and self._nodes.leases[node.name].nonce == self._nonce:
            del self._nodes.leases[node.name]
        self._give_up()

    async def nodes(self) -> list[Node]:
        return self._nodes.living()

    async def owner(self, key: StreamKey) -> tuple[Owner, bool] | None:
        owner = self._nodes.owners.get(key)
        return None if owner is None else (owner, self._nodes.lives(owner))

    async def owners(self) -> dict[StreamKey, Owner]:
        return dict(self._nodes.owners)

    async def acquire(self, key: StreamKey, seen: Owner | None) -> Owner | None:
        node = self._living()
        current = self._nodes.owners.get(key)
        if current != seen:
            return None
        if seen is not None and self._nodes.lives(seen) and seen.nonce != self._nonce:
            return None
        owner = Owner(node.name, 1 if seen is None else seen.epoch + 1, self._nonce)
        self._nodes.owners[key] = self._held[key] = owner
        return owner

    async def seize(self, key: StreamKey) -> Owner:
        seen = self._nodes.owners.get(key)
        if seen is not None and self._nodes.lives(seen):
            raise FencedError(key, seen.node)
        epoch = 1 if seen is None else seen.epoch + 1
        owner = Owner(TOOL, epoch, secrets.token_hex(8))
        self._nodes.owners[key] = self._held[key] = owner
        return owner

    async def release(self, key: StreamKey, owner: Owner, successor: str = "") -> None:
        self._held.pop(key, None)
        if self._nodes.owners.get(key) == owner:
            self._nodes.owners[key] = Owner("", owner.epoch, "", successor)

    def held(self, key: StreamKey) -> Owner | None:
        return self._held.get(key)

    def check(self, key: StreamKey) -> None:
        """Refuse a write of a stream that belongs to another.

        Raises:
            FencedError: it does.
        """
        owner = self._nodes.owners.get(key)
        if owner is not None and owner != self._held.get(key):
            raise FencedError(key, owner.node)


class LocalChannel:
    """Implements `Channel` for one of the nodes; see `LocalOwnership`."""

    def __init__(self, nodes: LocalNodes | None = None) -> None:
        self._nodes = nodes or LocalNodes()

    async def publish(self, key: StreamKey, payloads: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        for channel in self._nodes.listeners.get(key, ()):
            for payload in payloads:
                loop.call_soon(channel._receive, key, payload)

    def _receive(self, key: StreamKey, payload: bytes) -> None:
        listener = self._nodes.listeners.get(key, {}).get(self)
        if listener is not None:
            listener.receive(key, payload)

    async def subscribe(
        self,
        key: StreamKey,
        receive: Callable[[StreamKey, bytes], None],
        missed: Callable[[StreamKey], None],
    ) -> None:
        listeners = self._nodes.listeners.setdefault(key, {})
        listeners[self] = _Listener(receive, missed)

    async def unsubscribe(self, key: StreamKey) -> None:
        listeners = self._nodes.listeners.get(key, {})
        if listeners.pop(self, None) is not None and not listeners:
            del self._nodes.listeners[key]

    @property
    def heard_ago_s(self) -> float:
        return 0.0

    def interrupt(self) -> None:
        """Let this node's way be broken and whole again, as tests do."""
        for key, listeners in list(self._nodes.listeners.items()):
            if self in listeners:
                listeners[self].missed(key)
