"""Who owns which stream, in Redis: leases in one hash, owners in the streams' heads."""

from __future__ import annotations

import secrets
import time

import orjson

from ..contracts import TOOL, FencedError, LostError, Node, Owner, StreamKey
from .call import Call
from .scripts import ACQUIRE, JOIN, LEAVE, LIVING, RELEASE, RENEW
from .state import State

__all__ = ["RedisOwnership"]

_FIELDS = ("node", "epoch", "nonce", "successor")


class RedisOwnership:
    """See `contracts`.

    Args:
        state: shared.
        lease_s: see `Ownership`.
    """

    def __init__(self, state: State, lease_s: float) -> None:
        self.lease_s = lease_s
        self._state = state
        self._node: Node | None = None
        self._nonce = ""
        self._ends = 0.0  # of the lease, monotonic, not later than by Redis' clock

    async def join(self, node: Node) -> None:
        self._give_up()
        self._nonce = secrets.token_hex(8)
        await self._put(node)
        self._node = node

    async def _put(self, node: Node) -> None:
        asked = time.monotonic()
        length = int(1000 * self.lease_s)
        leases = [self._state.keys.leases]
        call = JOIN(leases, node.name, self._nonce, length, orjson.dumps([*node]))
        await self._state.links.call(call)
        self._ends = asked + self.lease_s

    async def renew(self, node: Node | None = None) -> None:
        node = node or self._joined()
        asked = time.monotonic()
        length = int(1000 * self.lease_s)
        leases, told = [self._state.keys.leases], orjson.dumps([*node])
        call = RENEW(leases, node.name, self._nonce, length, told)
        answer = await self._state.links.call(call)
        if answer == 1:
            self._node = node
            self._ends = asked + self.lease_s
        elif answer == -1 and asked < self._ends:
            # It has not ended, Redis has lost it: a fail-over, or a flush.
            await self._put(node)
            self._node = node
        else:
            self._give_up()
            raise LostError("the lease of this node has ended")

    def _joined(self) -> Node:
        if self._node is None:
            raise LostError("this node has no lease")
        return self._node

    def _give_up(self) -> None:
        self._node = None
        self._state.held.clear()

    async def leave(self) -> None:
        node = self._node
        self._give_up()
        if node is not None:
            call = LEAVE([self._state.keys.leases], node.name, self._nonce)
            await self._state.links.call(call)

    async def _living(self) -> dict[str, Node]:
        """Return the nodes that live, by nonce."""
        found = await self._state.links.call(LIVING([self._state.keys.leases]))
        pairs = zip(found[::2], found[1::2], strict=True)
        return {nonce.decode(): Node(*orjson.loads(node)) for nonce, node in pairs}

    async def nodes(self) -> list[Node]:
        return sorted((await self._living()).values())

    async def owner(self, key: StreamKey) -> tuple[Owner, bool] | None:
        owner = (await self._owners([key])).get(key)
        if owner is None:
            return None
        self._note_epoch(key, owner)
        return owner, bool(owner.node) and owner.nonce in await self._living()

    async def owners(self) -> dict[StreamKey, Owner]:
        return await self._owners(await self._state.streams())

    async def _owners(self, keys: list[StreamKey]) -> dict[StreamKey, Owner]:
        heads = map(self._state.keys.head, keys)
        calls = [Call.of("HMGET", head, *_FIELDS) for head in heads]
        rows = await self._state.links.all_of(calls)
        return {
            key: Owner(node.decode(), int(epoch), nonce.decode(), successor.decode())
            for key, (node, epoch, nonce, successor) in zip(keys, rows, strict=True)
            if epoch is not None
        }

    def _note_epoch(self, key: StreamKey, owner: Owner) -> None:
        epochs = self._state.epochs
        epochs[key] = max(owner.epoch, epochs.get(key, 0))

    async def acquire(self, key: StreamKey, seen: Owner | None) -> Owner | None:
        node, nonce = self._joined(), self._nonce
        living = await self._living()
        if nonce not in living:
            self._give_up()
            raise LostError("the lease of this node has ended")
        if seen is not None and seen.nonce in living and seen.nonce != nonce:
            return None
        return await self._take(key, seen, node.name, nonce)

    async def seize(self, key: StreamKey) -> Owner:
        found = await self.owner(key)
        seen, lives = found or (None, False)
        owner = None
        if not lives:
            owner = await self._take(key, seen, TOOL, secrets.token_hex(8))
        if owner is None:
            raise FencedError(key, "" if seen is None else seen.node)
        return owner

    async def _take(
        self, key: StreamKey, seen: Owner | None, name: str, nonce: str
    ) -> Owner | None:
        # Redis may have lost epochs that we have seen; they are not to come again.
        least = self._state.epochs.get(key, 0) + 1
        await self._state.index([key])
        epoch = await self._state.links.call(
            ACQUIRE(
                [self._state.keys.head(key)],
                0 if seen is None else seen.epoch,
                "" if seen is None else seen.nonce,
                name,
                nonce,
                least,
            ),
            self._state.copies,  # so that nothing is taken over which could be lost
        )
        if not epoch:
            return None
        owner = self._state.held[key] = Owner(name, int(epoch), nonce)
        self._note_epoch(key, owner)
        return owner

    async def release(self, key: StreamKey, owner: Owner, successor: str = "") -> None:
        self._state.held.pop(key, None)
        head = self._state.keys.head(key)
        call = RELEASE([head], *owner[:3], successor)
        await self._state.links.call(call)

    def held(self, key: StreamKey) -> Owner | None:
        return self._state.held.get(key)
