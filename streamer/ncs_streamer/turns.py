"""Working off what touches a model: one operation after the other, in turns.

A turn takes what is queued up to a number of points, runs on one of the threads that
all streams share, and hands its results out on the event loop in the same order. A
stream has one turn at a time, and goes to the end of the threads' queue for its next:
streams share the threads fairly, and a model never sees two threads at once.
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

__all__ = ["Operation", "Turns"]

_TURN_POINTS = 4096
_TURN_OPERATIONS = 256  # so that many small ones let other streams in too

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
    points: int = 0
    """How much of a turn it takes."""


class Turns(Generic[M]):
    """The operations of one model. All methods belong to the event loop's thread.

    Args:
        model: touched by nothing else.
        threads: shared with other models.
        clock: for durations.
        after_turn: called on the event loop after each turn with its seconds.
    """

    def __init__(
        self,
        model: M,
        threads: Executor,
        clock: Clock,
        after_turn: Callable[[float], None],
    ) -> None:
        self._model = model
        self._threads = threads
        self._clock = clock
        self._after_turn = after_turn
        self._waiting: deque[Operation[M]] = deque()
        self._running = False

    def add(self, operation: Operation[M]) -> None:
        """Queue an operation."""
        self._waiting.append(operation)
        if not self._running:
            self._begin_turn()

    def _begin_turn(self) -> None:
        turn: list[Operation[M]] = []
        points = 0
        while self._waiting and points < _TURN_POINTS and len(turn) < _TURN_OPERATIONS:
            operation = self._waiting.popleft()
            turn.append(operation)
            points += operation.points
        if turn:
            self._running = True
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._threads, self._work_off, turn)
            future.add_done_callback(lambda done: self._hand_out(turn, done.result()))

    def _work_off(self, turn: list[Operation[M]]) -> tuple[list[Any], float]:
        began = self._clock.monotonic()
        results: list[Any] = []
        for operation in turn:
            try:
                results.append(operation.run(self._model))
            except Exception as error:
                results.append(error)
        return results, self._clock.monotonic() - began

    def _hand_out(
        self, turn: list[Operation[M]], outcome: tuple[list[Any], float]
    ) -> None:
        results, seconds = outcome
        for operation, result in zip(turn, results, strict=True):
            try:
                operation.deliver(result)
            except Exception:  # one reader's trouble shall not stop the stream
                log.exception("delivery_failed")
        self._after_turn(seconds)
        # Only now: whoever added operations meanwhile must not begin a turn beside it.
        self._running = False
        self._begin_turn()
