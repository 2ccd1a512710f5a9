"""A Redis of the run's own, and a witness that reads along what is in its journal.

The server forgets entries that its snapshots cover, so the witness keeps a copy of
each. It reads the keys themselves and shares no code with the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..entry import Entry, decode_entry
from ..processes import RedisProcess

__all__ = ["WitnessedRedis"]

_TIMEOUT_S = 30.0
_POLL_S = 0.05


class WitnessedRedis(RedisProcess):
    """To be used with ``async with``; see the module.

    Args:
        folder: for its data; made.
        tenant: of the stream that is witnessed.
        stream: its name.
    """

    def __init__(self, folder: Path, tenant: str, stream: str) -> None:
        super().__init__(folder)
        self._journal = f"ncs:{{{tenant}:{stream}}}:journal"
        self._head = f"ncs:{{{tenant}:{stream}}}:head"
        self._client = Redis.from_url(self.url, socket_timeout=_TIMEOUT_S)
        self._watching: asyncio.Task[None] | None = None
        self._is_over = False
        self._entries: list[tuple[int, bytes]] = []

    async def forget_scripts(self) -> None:
        """SCRIPT FLUSH."""
        await self._client.script_flush()

    async def owner(self) -> str:
        """Return the name of the node that has the stream; empty if it is not known."""
        node: Any = None
        with contextlib.suppress(RedisError, OSError):  # it may have been killed since
            node = await self._client.hget(self._head, "node")
        return (node or b"").decode()

    async def journal(self) -> Iterator[tuple[int, Entry]]:
        """Return (offset, entry) of all that was ever in the journal, as it is now.

        Raises:
            DamagedError: by the iterator, if an entry is not what was written.
        """
        await self._read_on()
        return ((offset, decode_entry(payload)) for offset, payload in self._entries)

    async def _watch(self) -> None:
        # The Redis client can turn a cancellation into an error of its own.
        while not self._is_over:
            with contextlib.suppress(RedisError, OSError):
                await self._read_on()
            await asyncio.sleep(_POLL_S)

    async def _read_on(self) -> None:
        after = self._entries[-1][0] if self._entries else 0
        found: Any = await self._client.xrange(self._journal, f"({after}-0")
        for name, fields in found:
            self._entries.append((int(name.split(b"-")[0]), fields[b"e"]))

    async def __aenter__(self) -> WitnessedRedis:
        """Start it and the witness."""
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End both."""
        await self._end()

    async def _end(self) -> None:
        self._is_over = True
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._client.aclose()
        await self.kill()
