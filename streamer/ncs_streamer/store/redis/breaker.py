"""When to leave a server alone that does not answer, and when to try it again.

    closed --failed, several in a row--> open --its time is up--> half-open
    half-open --succeeded--> closed        half-open --failed--> open, for longer

While it is open nobody waits for a time-out; half-open, one call finds out for all. The
time is drawn anew each time from nothing up to a bound that doubles ("full jitter"), so
that many nodes do not come back at once. It does no I/O, and is told the time.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Breaker"]

_FAILURES = 2
_FIRST_S = 0.5
_MOST_S = 10.0


class Breaker:
    """See the module.

    Args:
        draw: returns a number from 0 up to its argument, by chance.
    """

    def __init__(self, draw: Callable[[float], float]) -> None:
        self._draw = draw
        self._failures = 0
        self._opens_at = 0.0  # when a call may try
        self._is_trying = False

    @property
    def has_failed(self) -> bool:
        """Whether the last call was not answered."""
        return self._failures > 0

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for one from time to time."""
        return self._failures >= _FAILURES

    def enter(self, now: float) -> float:
        """Ask to make a call; its outcome has to be told.

        Returns:
            0 if it may be made; otherwise in how many seconds to ask again.
        """
        if not self.is_open:
            return 0.0
        if self._is_trying or now < self._opens_at:
            return max(self._opens_at - now, 0.001)
        self._is_trying = True
        return 0.0

    def succeeded(self) -> None:
        """The call was answered."""
        self._failures, self._is_trying = 0, False

    def failed(self, now: float) -> None:
        """The call was not answered."""
        self._failures += 1
        self._is_trying = False
        if self.is_open:
            bound = min(_MOST_S, _FIRST_S * 2.0 ** min(self._failures - _FAILURES, 16))
            self._opens_at = now + self._draw(bound)

    def gave_up(self) -> None:
        """The call was not made to its end, so that nothing is known."""
        self._is_trying = False
