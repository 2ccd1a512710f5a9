"""Sharing the event loop between tenants: how much of it the frames of one may take.

Frames are decoded on the event loop. In every pass of the loop a tenant may use up a
slice of time, over all its connections; what a large frame takes beyond that is made up
for in the passes that follow. Where nobody else wants the loop a pass takes no time, so
that costs nothing. While the tenant gives way to another none of its frames is decoded.
"""

from __future__ import annotations

import asyncio
from collections import deque

from .precedence import Standing

__all__ = ["ReadTurns"]

_SLICE_S = 0.001


class ReadTurns:
    """The turns of one tenant's connections. They belong to the event loop's thread.

    Args:
        standing: of the tenant.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._used_s = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._renewing = False

    @property
    def _is_free(self) -> bool:
        return self._used_s < _SLICE_S and not self._standing.gives_way

    async def begin(self) -> None:
        """Wait until a frame may be decoded, first come, first served."""
        if self._is_free and not self._waiting:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._renew_later()
        await turn

    def end(self, seconds: float) -> None:
        """Take note of what decoding and handling it took."""
        self._used_s += seconds
        self._renew_later()

    def _renew_later(self) -> None:
        if self._renewing:
            return
        self._renewing = True
        if self._waiting and self._standing.gives_way:
            self._standing.call_when_over(self._renew)
        else:
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._renewing = False
        self._used_s = max(0.0, self._used_s - _SLICE_S)
        while self._waiting and self._is_free:
            turn = self._waiting.popleft()
            if not turn.done():  # its connection may be gone
                turn.set_result(None)
                break
        if self._used_s or self._waiting:
            self._renew_later()
