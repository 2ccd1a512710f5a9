"""A circuit breaker: after failures in a row nothing is tried for a while.

    closed     everything passes; `failure_threshold` failures in a row open it
    open       nothing passes, until `recovery_timeout` seconds have gone by
    half_open  one passes, on trial: its success closes the breaker, its failure opens
               it again

What ends in an exception that is no failure by `expected_exception` has shown that the
other side answers, and counts as a success. What is cancelled shows nothing.
"""

from __future__ import annotations

import contextvars
import enum
import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, Self, TypeVar

from .errors import CircuitBreakerOpenException

__all__ = ["CircuitBreaker", "State"]

P = ParamSpec("P")
T = TypeVar("T")

State = Literal["closed", "open", "half_open"]


class _Outcome(enum.Enum):
    SUCCESS = enum.auto()
    FAILURE = enum.auto()
    NOTHING = enum.auto()


class CircuitBreaker:
    """See the module. It guards ``async with``, ``with``, and functions it decorates.

    One breaker may guard any number of tasks of one event loop.

    Args:
        failure_threshold: failures in a row that open it.
        recovery_timeout: seconds after which one is tried again.
        expected_exception: the types of exceptions that are failures.
        clock: returns seconds; never goes back.

    Attributes:
        current_state: `closed`, `open` or `half_open`.
        failure_count: failures in a row.
        last_failure_time: by the clock; None before the first.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 30.0,
        expected_exception: type[Exception] | tuple[type[Exception], ...] = Exception,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if failure_threshold < 1:
            raise ValueError("failure_threshold must be at least 1")
        self.failure_threshold = failure_threshold
        self.recovery_timeout = recovery_timeout
        self.expected_exception = expected_exception
        self.current_state: State = "closed"
        self.failure_count = 0
        self.last_failure_time: float | None = None
        self._clock = clock
        self._era = 0  # rises with every change of state
        # Of the blocks that this task is in, the inmost last.
        self._inside: contextvars.ContextVar[tuple[int, ...]]
        self._inside = contextvars.ContextVar("inside", default=())

    # What decides

    def enter(self) -> int:
        """Let one pass, and return what `leave` takes.

        Raises:
            CircuitBreakerOpenException: if it does not pass.
        """
        if self.current_state == "open":
            left = self._left_s()
            if left > 0.0:
                raise CircuitBreakerOpenException(left)
            self._become("half_open")
            return self._era
        if self.current_state == "half_open":  # another one is on trial
            raise CircuitBreakerOpenException(0.0)
        return self._era

    def leave(self, era: int, error: BaseException | None) -> None:
        """Take note of how it ended, for one that passed."""
        if era != self._era:
            return  # it began before the state changed, and says nothing of now
        outcome = self._outcome(error)
        if outcome is _Outcome.SUCCESS:
            self.failure_count = 0
            self._become("closed")
        elif outcome is _Outcome.FAILURE:
            self.failure_count += 1
            self.last_failure_time = self._clock()
            on_trial = self.current_state == "half_open"
            if on_trial or self.failure_count >= self.failure_threshold:
                self._become("open")
        elif self.current_state == "half_open":
            self._become("open")  # and the next one is on trial

    def _outcome(self, error: BaseException | None) -> _Outcome:
        if isinstance(error, self.expected_exception):
            return _Outcome.FAILURE
        is_answered = error is None or isinstance(error, Exception)
        return _Outcome.SUCCESS if is_answered else _Outcome.NOTHING

    def _left_s(self) -> float:
        assert self.last_failure_time is not None
        return self.last_failure_time + self.recovery_timeout - self._clock()

    def _become(self, state: State) -> None:
        if state != self.current_state:
            self.current_state = state
            self._era += 1

    # How it is used

    def __enter__(self) -> Self:
        self._inside.set((*self._inside.get(), self.enter()))
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        *outer, era = self._inside.get()
        self._inside.set(tuple(outer))
        self.leave(era, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function that is guarded; coroutine functions stay such."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def guarded_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                async with self:
                    return await function(*args, **kwargs)

            return guarded_async  # type: ignore[return-value]

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            with self:
                return function(*args, **kwargs)

        return guarded
