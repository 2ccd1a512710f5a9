"""Who goes first: tenants with little on its way before those with much.

A batch takes some ten steps on three threads. Beside a flood each of them would wait
for whatever is being done for that. So while a small batch is on its way, nothing new
is begun for tenants that have many times as much: no frame of theirs is decoded, no
group committed, no turn of their engines taken. What runs is finished. However many
others send, a tenant is held up for half of the time at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .flag import Flag

__all__ = ["Precedence", "Standing"]

_TIMES = 3  # doublings: who has eight times as much as another gives way to it
_LEAST = 17  # bits: with less than 64 KB a tenant is in nobody's way
_MOST_S = 0.1  # that tenants are held up in one go, if they were not for as long
_REST_S = 0.01  # that they are not, at least, once that is used up


class Precedence:
    """All methods belong to the event loop's thread."""

    def __init__(self) -> None:
        self._tenants = [0] * 64  # with something on its way, by the bits of its size
        self._lowest = 0  # of those bits
        self._held: dict[Callable[[], None], None] = {}
        self._left_s = _MOST_S
        self._began = 0.0
        self._ended = 0.0
        self._is_resting = False
        self._ending: asyncio.TimerHandle | None = None

    def changed(self, before: int, after: int) -> None:
        """Take note of what a tenant has on its way, in bits of its size."""
        self._tenants[before] -= 1
        self._tenants[after] += 1
        others = enumerate(self._tenants[1:], 1)
        lowest = next((bits for bits, tenants in others if tenants), 0)
        self._lowest, before = lowest, self._lowest
        if self._held and (lowest > before or not lowest):
            self._let_go()

    def holds(self, bits: int) -> bool:
        """Return whether a tenant with so much on its way has to give way."""
        is_much = bits >= _LEAST and 0 < self._lowest <= bits - _TIMES
        return is_much and not self._is_resting

    def call_when_over(self, ready: Callable[[], None]) -> None:
        """Call `ready` once, soon after those who were held may ask again."""
        if not self._held:
            loop = asyncio.get_running_loop()
            self._began = loop.time()
            self._left_s = min(_MOST_S, self._left_s + self._began - self._ended)
            self._ending = loop.call_later(self._left_s, self._rest)
        self._held[ready] = None

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        self._ended = loop.time()
        self._left_s -= self._ended - self._began
        if self._ending is not None:
            self._ending.cancel()
        held, self._held = self._held, {}
        for ready in held:
            loop.call_soon(ready)

    def _rest(self) -> None:
        self._is_resting = True
        asyncio.get_running_loop().call_later(_REST_S, self._end_rest)
        self._let_go()

    def _end_rest(self) -> None:
        self._is_resting = False


class Standing:
    """One tenant in it.

    Args:
        precedence: among all tenants.
    """

    def __init__(self, precedence: Precedence) -> None:
        self._precedence = precedence
        self._bits = 0

    def resize(self, size: int) -> None:
        """Take note that so many bytes are on their way; on the event loop."""
        bits = size.bit_length()
        if bits != self._bits:
            before, self._bits = self._bits, bits
            self._precedence.changed(before, bits)

    @property
    def gives_way(self) -> bool:
        """Whether nothing may be begun just now. Any thread may ask."""
        return self._precedence.holds(self._bits)

    def call_when_over(self, ready: Callable[[], None]) -> None:
        """See `Precedence.call_when_over`."""
        self._precedence.call_when_over(ready)

    async def clear(self) -> None:
        """Return once it may be asked again."""
        over = Flag()
        self.call_when_over(over.set)
        await over.wait()
