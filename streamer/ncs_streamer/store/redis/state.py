"""What the parts of the Redis store share: the ways there, names, and what is held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..contracts import FencedError, Owner, StoreError, StreamKey
from .call import Call
from .keys import Keys
from .links import Links
from .primary import Copies
from .scripts import ACQUIRE, Script

__all__ = ["State"]

_NOBODY = ("", 0)


class State:
    """See the module.

    Args:
        links: the ways to Redis.
        keys: the names.

    Attributes:
        held: the streams that this node owns, as far as it knows.
        epochs: the highest epoch that this node has seen of a stream.
        copies: that an append waits for, beside the primary's answer.
    """

    def __init__(self, links: Links, keys: Keys) -> None:
        self.links = links
        self.keys = keys
        self.held: dict[StreamKey, Owner] = {}
        self.epochs: dict[StreamKey, int] = {}
        self.copies: Copies | None = None
        self._indexed: set[StreamKey] = set()

    def fence(self, key: StreamKey) -> tuple[str, int]:
        """Return nonce and epoch that this node writes a stream with."""
        owner = self.held.get(key)
        return _NOBODY if owner is None else (owner.nonce, owner.epoch)

    def fenced(
        self, script: Script, key: StreamKey, others: Sequence[str], *args: Any
    ) -> Call:
        """Return the call of a script that begins with the fence.

        Args:
            script: to call.
            key: of the stream, whose head is the first of the script's keys.
            others: keys of the same stream.
            args: behind those of the fence.
        """
        return script((self.keys.head(key), *others), *self.fence(key), *args)

    async def write(
        self, script: Script, key: StreamKey, others: Sequence[str], *args: Any
    ) -> None:
        """Call a script that begins with the fence.

        Raises:
            FencedError: the stream belongs to another.
            StoreError: it failed.
        """
        await self.index([key])
        for _ in range(2):
            answer = await self.links.call(self.fenced(script, key, others, *args))
            if answer[0] == b"ok":
                return
            await self.reclaim(key, answer)

    async def reclaim(self, key: StreamKey, answer: Any) -> None:
        """Take a stream back whose owner Redis has forgotten; see `fence.lua`.

        An epoch that is older than ours can only be there because Redis lost what was
        newer, in a fail-over or a flush.

        Raises:
            FencedError: the stream belongs to another, rightly.
            StoreError: it failed.
        """
        _, node, epoch, start = answer
        own = self.held.get(key)
        if own is None or own.epoch <= int(epoch):
            self.held.pop(key, None)
            raise FencedError(key, node.decode(), int(start))
        head = self.keys.head(key)
        nonce = await self.links.call(Call.of("HGET", head, "nonce")) or b""
        took = await self.links.call(
            ACQUIRE([head], int(epoch), nonce, own.node, own.nonce, own.epoch)
        )
        if int(took) != own.epoch:
            raise FencedError(key, node.decode())
        self._indexed.discard(key)
        await self.index([key])

    async def index(self, keys: Sequence[StreamKey]) -> None:
        """See that streams can be found, before anything of them is written.

        Raises:
            StoreError: it failed.
        """
        new = set(keys) - self._indexed
        if new:
            tags = [self.keys.tag(key) for key in new]
            await self.links.call(Call.of("SADD", self.keys.index, *tags))
            self._indexed |= new

    def forget_index(self) -> None:
        """Put streams into the index again: Redis may have lost it."""
        self._indexed.clear()

    async def streams(self) -> list[StreamKey]:
        """Return all that are in the index, sorted; some may be empty.

        Raises:
            StoreError: it failed.
        """
        tags = await self.links.call(Call.of("SMEMBERS", self.keys.index))
        return sorted(self.keys.untag(tag) for tag in tags)


def error_in(results: Sequence[Any]) -> StoreError | None:
    """Return the first error among results."""
    return next((r for r in results if isinstance(r, StoreError)), None)
