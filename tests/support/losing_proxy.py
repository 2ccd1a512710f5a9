"""A line that carries every request and loses some of the answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

from ncs_streamer.verify.proxy import Line, Proxy

__all__ = ["LosingProxy"]


class LosingProxy(Proxy):
    """See the module.

    Attributes:
        lose: how many of the next answers are lost; their connections are closed.
        lost: how many were.
        stall: while true answers are kept back, and nothing is closed.
    """

    def __init__(self, server_url: str) -> None:
        super().__init__(lambda: server_url, random.Random(1))
        self.lose = self.lost = 0
        self.stall = False

    async def _told(
        self, line: Line, server: asyncio.StreamReader
    ) -> AsyncIterator[bytes]:
        async for chunk in super()._told(line, server):
            if self.lose:
                self.lose -= 1
                self.lost += 1
                return
            if not self.stall:
                yield chunk
