"""Waiting until something is so, looked at whenever something has happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["WITHIN_S", "Bell", "Failure"]

WITHIN_S = 60.0
"""For whatever has to happen. Nothing is judged by how fast it was."""


class Failure(Exception):
    """What a scenario asks for did not happen; the message says what."""


class Bell:
    """Rung by whoever has news, for all who wait for any.

    Args:
        within_s: after which nobody waits any more.

    Attributes:
        over: why there will be no more news, once that is so.
    """

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self.over: str | None = None
        self._within_s = within_s
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Let everyone look."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, is_so: Callable[[], object], what: str) -> None:
        """Wait until something is so.

        Raises:
            Failure: if it never is; `what` says what was waited for.
        """
        try:
            async with asyncio.timeout(self._within_s):
                while not is_so():
                    if self.over is not None:
                        raise Failure(f"no {what}: {self.over}")
                    await self._rung.wait()
        except TimeoutError:
            raise Failure(f"waited in vain for {what}") from None
