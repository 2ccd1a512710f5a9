"""Snapshots in Redis: a hash for each stream."""

from __future__ import annotations

from ..contracts import StreamKey
from .call import Call
from .scripts import SAVE
from .state import State

__all__ = ["RedisSnapshots"]


class RedisSnapshots:
    """See `contracts`.

    Args:
        state: shared.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def save(self, key: StreamKey, offset: int, payload: bytes) -> None:
        snapshots = self._state.keys.snapshots(key)
        await self._state.write(SAVE, key, [snapshots], offset, payload)

    async def load(self, key: StreamKey) -> list[tuple[int, bytes]]:
        call = Call.of("HGETALL", self._state.keys.snapshots(key))
        found: dict[bytes, bytes] = await self._state.links.call(call)
        return sorted(((int(n), saved) for n, saved in found.items()), reverse=True)

    async def offsets(self, key: StreamKey) -> list[int]:
        call = Call.of("HKEYS", self._state.keys.snapshots(key))
        return sorted(map(int, await self._state.links.call(call)), reverse=True)
