"""How long to wait before connecting again: exponential, with full jitter.

After "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): a wait drawn
evenly from zero to the bound spreads a crowd of clients best.
"""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Waits that grow until `reset`.

    Args:
        first_s: bound of the first wait.
        longest_s: bound that no wait passes.
        draw: returns a number in [0, 1).
    """

    def __init__(
        self,
        first_s: float = 0.2,
        longest_s: float = 30.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.attempt = 0
        self._first_s = first_s
        self._longest_s = longest_s
        self._draw = draw

    def next_s(self) -> float:
        """Return the next wait in seconds."""
        bound = min(self._longest_s, self._first_s * 2.0**self.attempt)
        self.attempt += 1
        return bound * self._draw()

    def reset(self) -> None:
        """Start over, after a connection has held."""
        self.attempt = 0
