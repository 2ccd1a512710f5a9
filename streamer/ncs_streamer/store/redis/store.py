"""All parts of the store in Redis, opened and closed together, and kept whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets

from ...logs import get_log
from ..contracts import (
    Channel,
    Directory,
    EventHistory,
    Journal,
    Losses,
    Ownership,
    SnapshotStore,
    StoreError,
    StreamKey,
)
from .call import Call
from .channel import RedisChannel
from .directory import RedisDirectory
from .durability import check_durability
from .history import RedisHistory
from .journal import RedisJournal
from .keys import Keys
from .links import Links
from .options import RedisOptions
from .ownership import RedisOwnership
from .recent import Recent
from .scripts import REPLACE
from .snapshots import RedisSnapshots
from .state import State

__all__ = ["RedisStore"]

_WATCH_S = 1.0
_MARK_S = 600  # that a mark lives, so that those of dead nodes go

log = get_log()


class RedisStore:
    """Implements `Store` in Redis.

    Args:
        options: where, as whom, and at which level of durability.
    """

    def __init__(self, options: RedisOptions) -> None:
        self.durability: str = options.level
        self.losses = Losses()
        self._options = options
        self._nonce = secrets.token_hex(8)
        self._keys = Keys(options.prefix)
        self._links = Links(options)
        self.place = self._links.place
        self._state = State(self._links, self._keys)
        journal = RedisJournal(self._state, Recent(options.recent_bytes), self.losses)
        channel = RedisChannel(self._links, self._keys, self._nonce, options.timeout_s)
        self._journal, self._channel = journal, channel
        self.journal: Journal = journal
        self.snapshots: SnapshotStore = RedisSnapshots(self._state)
        self.history: EventHistory = RedisHistory(self._state)
        self.directory: Directory = RedisDirectory(self._links, self._keys)
        self.ownership: Ownership = RedisOwnership(self._state, options.lease_s)
        self.channel: Channel = channel
        self._closing = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._has_changed = False  # and what it lacks is not given back yet

    async def open(self) -> None:
        """See `Store.open`."""
        await self._links.refresh()
        fillers = self._links.everywhere(self._keys.filler)
        self._state.copies = await check_durability(self._links, self._options, fillers)
        self._channel.open()
        self._watching = asyncio.create_task(self._watch())

    async def check(self, size: int) -> None:
        """See `Store.check`."""
        fillers = self._links.everywhere(self._keys.filler)
        filler = os.urandom(size)
        for key in fillers.values():
            await self._links.call(Call.of("SET", key, filler), self._state.copies)
            await self._links.call(Call.of("DEL", key))

    async def streams(self) -> list[StreamKey]:
        """See `Store.streams`."""
        keys = await self._state.streams()
        heads = [Call.of("HGET", self._keys.head(key), "tail") for key in keys]
        saved = [Call.of("EXISTS", self._keys.snapshots(key)) for key in keys]
        found = await self._links.all_of([*heads, *saved])
        pairs = zip(keys, found[: len(keys)], found[len(keys) :], strict=True)
        return [key for key, tail, is_saved in pairs if int(tail or 0) or is_saved]

    async def replace(self, key: StreamKey, offset: int, snapshot: bytes) -> None:
        """See `Store.replace`."""
        names = (self._keys.journal, self._keys.snapshots, self._keys.events)
        others = [name(key) for name in names]
        await self._state.write(REPLACE, key, others, offset, snapshot)

    async def close(self) -> None:
        """See `Store.close`."""
        self._closing.set()
        if self._watching is not None:  # not cancelled, see `RedisChannel.close`
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._channel.close()
        await self._links.close()

    async def _watch(self) -> None:
        """See whether Redis has lost something, and where the primaries are.

        A mark that is not there any more went with a fail-over to a replica that had
        not got it, or a flush; entries may have gone with it.
        """
        known: set[str] = set()
        while not self._closing.is_set():
            with contextlib.suppress(StoreError):
                await self._links.look()
                known = await self._look(known)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await self._closing.wait()

    async def _look(self, known: set[str]) -> set[str]:
        marks = self._links.everywhere(
            lambda number: self._keys.mark(self._nonce, number)
        )
        calls = [
            call
            for mark in marks.values()
            for call in (
                Call(mark, ("SET", mark, self._nonce, "EX", _MARK_S, "GET")),
                Call(mark, ("INFO", "server")),
            )
        ]
        found = await self._links.all_of(calls)
        run_ids = {str(info["run_id"]) for info in found[1::2]}
        if known and (None in found[::2] or not run_ids <= known):
            log.warning("redis_changed", place=self.place)
            self._has_changed = True
        if self._has_changed:
            await self._journal.restore()
            self._has_changed = False
            self.losses.may_lack = True
        return run_ids
