"""Working off what touches a model: one operation after the other, in turns.

A turn runs what is queued, for some milliseconds, on one of the threads that all
streams share, and hands the results out on the event loop in the same order. A stream
has one turn at a time and queues again for its next, so a model never sees two threads
at once.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from .clock import Clock
from .logs import get_log
from .precedence import Standing

__all__ = ["Operation", "Turns"]

_TURN_S = 0.003
_TURN_OPERATIONS = 64  # what handing them out takes is short, too

log = get_log()

M = TypeVar("M")


@dataclasses.dataclass(slots=True)
class Operation(Generic[M]):
    """Something to do with a model."""

    run: Callable[[M], Any]
    """Called on a thread."""
    deliver: Callable[[Any], None]
    """Called on the event loop with what `run` returned, or the exception it raised,
    before the results of later operations."""


class Turns(Generic[M]):
    """The operations of one model. All methods belong to the event loop's thread.

    Args:
        model: touched by nothing else.
        threads: shared with other models.
        clock: for durations.
        standing: of its tenant.
        after_turn: called on the event loop after each turn with its seconds.
    """

    def __init__(
        self,
        model: M,
        threads: Executor,
        clock: Clock,
        standing: Standing,
        after_turn: Callable[[float], None],
    ) -> None:
        self._model = model
        self._threads = threads
        self._clock = clock
        self._standing = standing
        self._after_turn = after_turn
        self._waiting: deque[Operation[M]] = deque()
        self._is_busy = False

    def add(self, operation: Operation[M]) -> None:
        """Queue an operation."""
        self._waiting.append(operation)
        if not self._is_busy:
            self._begin_turn()

    def _begin_turn(self) -> None:
        self._is_busy = bool(self._waiting)
        if not self._is_busy:
            return
        if self._standing.gives_way:
            self._standing.call_when_over(self._begin_turn)
            return
        count = min(len(self._waiting), _TURN_OPERATIONS)
        turn = [self._waiting.popleft() for _ in range(count)]
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, self._work_off, turn)
        future.add_done_callback(lambda done: self._hand_out(turn, done.result()))

    def _work_off(self, turn: list[Operation[M]]) -> tuple[list[Any], float]:
        """Return the results of the first operations, at least one, and the seconds."""
        began = self._clock.monotonic()
        results: list[Any] = []
        for operation in turn:
            is_up = self._clock.monotonic() - began > _TURN_S
            if results and (is_up or self._standing.gives_way):
                break
            try:
                results.append(operation.run(self._model))
            except Exception as error:
                results.append(error)
        return results, self._clock.monotonic() - began

    def _hand_out(
        self, turn: list[Operation[M]], outcome: tuple[list[Any], float]
    ) -> None:
        results, seconds = outcome
        self._waiting.extendleft(reversed(turn[len(results) :]))
        for operation, result in zip(turn, results, strict=False):
            try:
                operation.deliver(result)
            except Exception:  # one reader's trouble shall not stop the stream
                log.exception("delivery_failed")
        self._after_turn(seconds)
        # Only now: whoever added operations meanwhile must not begin a turn beside it.
        self._begin_turn()
