"""An event to wait for that weighs nothing while nobody waits.

`asyncio.Event` holds a deque of 700 bytes from the start. Every connection has three,
and most never wait for any.
"""

from __future__ import annotations

import asyncio

__all__ = ["Flag"]


class Flag:
    """As `asyncio.Event`: belongs to one event loop, any number may wait."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Let everyone go on who waits, and who comes."""
        self._is_set = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def clear(self) -> None:
        """Let those wait who come from now on."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set."""
        if self._is_set:
            return
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiting)  # one who gives up takes nobody along
