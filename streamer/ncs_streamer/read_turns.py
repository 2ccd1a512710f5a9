"""Sharing the event loop between tenants: how much of it the frames of one may take.

Frames are decoded on the event loop. In every pass of the loop a tenant may use up a
slice of time, over all its connections; what a large frame takes beyond that is made up
for in the passes that follow. Where nobody else wants the loop a pass takes no time, so
that costs nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["ReadTurns"]

_SLICE_S = 0.001


class ReadTurns:
    """The turns of one tenant's connections. They belong to the event loop's thread."""

    def __init__(self) -> None:
        self._used_s = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._renewing = False

    async def begin(self) -> None:
        """Wait until a frame may be decoded, first come, first served."""
        if self._used_s < _SLICE_S and not self._waiting:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def end(self, seconds: float) -> None:
        """Take note of what decoding and handling it took."""
        self._used_s += seconds
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._used_s = max(0.0, self._used_s - _SLICE_S)
        if self._used_s < _SLICE_S:
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():  # its connection may be gone
                    turn.set_result(None)
                    break
        self._renewing = bool(self._used_s or self._waiting)
        if self._renewing:
            asyncio.get_running_loop().call_soon(self._renew)
