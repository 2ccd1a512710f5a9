"""The event history in Redis: a Redis Stream for each of ours.

Events have to arrive in their order, or those that come late would be taken for known:
each write of a stream waits for the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakValueDictionary

from ..contracts import StreamKey
from .call import Call
from .journal import entries_of
from .scripts import CLEAR, RECORD
from .state import State

__all__ = ["RedisHistory"]


class RedisHistory:
    """See `contracts`.

    Args:
        state: shared.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._locks = WeakValueDictionary[StreamKey, asyncio.Lock]()

    async def record(
        self, key: StreamKey, events: Sequence[tuple[int, bytes]], forget: int
    ) -> None:
        flat = [part for event in events for part in event]
        place = [self._state.keys.events(key)]
        async with self._locks.setdefault(key, asyncio.Lock()):
            await self._state.write(RECORD, key, place, forget, *flat)

    async def recent(self, key: StreamKey, through: int) -> list[tuple[int, bytes]]:
        call = Call.of("XRANGE", self._state.keys.events(key), "-", f"{through}-0")
        return entries_of(await self._state.links.call(call))

    async def clear(self, key: StreamKey) -> None:
        await self._state.write(CLEAR, key, [self._state.keys.events(key)])
