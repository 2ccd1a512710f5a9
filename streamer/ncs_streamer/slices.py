"""Work that may take long, done in slices of milliseconds on threads that others need.

What is to be done is a generator: between two of its steps the thread is given back
when a slice is over, and the work ends when nobody waits for it any more or its budget
is used up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from ncs_protocol import Code, NcsError

from .clock import Clock

__all__ = ["Slices"]

_SLICE_S = 0.004
_ASKED_S = 0.5  # between two looks whether somebody still waits
_RETRY_S = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class Slices:
    """Works generators off, one after the other. Belongs to the event loop's thread.

    Args:
        threads: where; those of others may come first.
        cpu_s: processor time that all of them may take.
        until: monotonic seconds after which nothing new is begun.
        clock: that `until` goes by.
        gone: whether nobody waits any more; asked before and after each slice, and
            while one waits for its turn. What it raises ends the work, too.

    Attributes:
        spent_s: processor time so far.
    """

    def __init__(
        self,
        threads: Executor,
        cpu_s: float,
        until: float,
        clock: Clock,
        gone: Callable[[], bool],
    ) -> None:
        self.spent_s = 0.0
        self._threads = threads
        self._cpu_s = cpu_s
        self._until = until
        self._clock = clock
        self._gone = gone

    async def do(self, steps: Iterator[bool]) -> bool:
        """Work steps off; return whether all of them were done.

        After one that yields True it may end before.

        Raises:
            ConnectionError: if nobody waits any more.
            NcsError: ``overloaded``, if the time is over and no turn comes.
        """
        while (state := await self._turn(steps)) is None:
            pass
        return state

    async def call(
        self, run: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `run` returns, in a step of its own."""
        found: list[T] = []

        def steps() -> Iterator[bool]:
            found.append(run(*args, **kwargs))
            yield False

        await self.do(steps())
        return found[0]

    @property
    def is_spent(self) -> bool:
        """Whether the processor time is used up."""
        return self.spent_s >= self._cpu_s

    async def _turn(self, steps: Iterator[bool]) -> bool | None:
        """Wait for a slice; it may not come as long as others are served first."""
        self._raise_if_gone()
        loop = asyncio.get_running_loop()
        turn = loop.run_in_executor(self._threads, self._slice, steps)
        try:
            while not turn.done():
                await asyncio.wait((turn,), timeout=_ASKED_S)
                self._raise_if_gone()
                if not turn.done() and self._is_late:
                    raise NcsError(Code.OVERLOADED, retry_after_s=_RETRY_S)
            return turn.result()
        finally:
            turn.cancel()

    def _raise_if_gone(self) -> None:
        if self._gone():
            raise ConnectionResetError("nobody waits for the answer")

    def _slice(self, steps: Iterator[bool]) -> bool | None:
        """Work some steps off; return None if there are more."""
        began, spent = time.thread_time(), 0.0
        try:
            for whole in steps:
                spent = time.thread_time() - began
                if whole and self._is_over(spent):
                    return False
                if spent >= _SLICE_S:
                    return None
            return True
        finally:
            self.spent_s += time.thread_time() - began

    def _is_over(self, spent: float) -> bool:
        return self._is_late or self.spent_s + spent >= self._cpu_s

    @property
    def _is_late(self) -> bool:
        return self._clock.monotonic() >= self._until
