"""Deadlines of many sockets in one table, looked through by one timer.

A socket that dribbles has to be told from one that is slow: what arrives moves the
deadline on by the time that it would take at the slowest rate that is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Waits"]

T = TypeVar("T")


class Waits(Generic[T]):
    """What is waited for, and since when. The clock is an argument.

    Args:
        limit_s: how long each may take.
        bytes_per_s: what arrives at this rate may take longer; None for no such grace.
    """

    def __init__(self, limit_s: float, bytes_per_s: float | None = None) -> None:
        self.limit_s = limit_s
        self._grace_s = 0.0 if bytes_per_s is None else 1 / bytes_per_s
        self._due: dict[T, float] = {}

    def __contains__(self, who: T) -> bool:
        return who in self._due

    def begin(self, who: T, now: float) -> None:
        """Wait for `who`, from now on unless that has begun."""
        if who not in self._due:
            self._due[who] = now + self.limit_s

    def arrived(self, who: T, size: int) -> None:
        """Take note that `size` bytes of what is waited for have come."""
        if self._grace_s and who in self._due:
            self._due[who] += size * self._grace_s

    def postpone(self, seconds: float) -> None:
        """Give everyone as much time more."""
        for who in self._due:
            self._due[who] += seconds

    def end(self, who: T) -> None:
        """Wait no longer, if that has begun."""
        self._due.pop(who, None)

    def due(self, now: float) -> Iterator[T]:
        """Return those whose time is up, and remove each as it is taken.

        Whoever stops in the midst finds the rest again the next time.
        """
        for who in [who for who, due in self._due.items() if due <= now]:
            if self._due.pop(who, None) is not None:
                yield who
