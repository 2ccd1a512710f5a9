"""One Redis server that takes writes: its connections, and whether it answers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import AskError, MovedError, NoScriptError, RedisError

from ..contracts import StoreError
from .breaker import Breaker
from .call import Call
from .errors import is_outage, store_error

__all__ = ["CONNECTIONS", "Copies", "Primary"]

CONNECTIONS = 16
"""To one server at most, one of them for what is published."""

_ASKED_AGAIN_MS = (2, 10, 100)
"""A replica says what it has on disk when it is asked, which is just before it writes
an entry, and then once a second. Each WAITAOF asks again; those that follow one that
has seen enough are answered at once. It made 76 ms of an append that took 1,014."""


class Copies(NamedTuple):
    """How many have to have a write on their disk before it counts; see WAITAOF."""

    replicas: int
    timeout_ms: int


class Primary:
    """See the module.

    Args:
        place: host and port, for messages.
        client: with a pool of connections to it.
    """

    def __init__(self, place: str, client: Redis) -> None:
        self.place = place
        self.client = client
        self._free = asyncio.Semaphore(CONNECTIONS - 1)
        self._breaker = Breaker(lambda most: random.uniform(0, most))  # noqa: S311 - no secret

    @property
    def is_failing(self) -> bool:
        """Whether it did not answer the last time."""
        return self._breaker.has_failed

    async def run(
        self, calls: Sequence[Call], copies: Copies | None = None
    ) -> list[Any]:
        """Make calls in one round trip, in order, on one connection.

        Args:
            calls: to make.
            copies: which copies to wait for afterwards.

        Returns:
            For each its result, or an exception: a redirection, or a StoreError.
        """
        wait = self._breaker.enter(time.monotonic())
        if wait:
            error = f"redis_unavailable: {self.place}: tried again within {wait:.1f} s"
            return [StoreError(error)] * len(calls)
        try:
            results = await self._run(calls, copies)
        except (RedisError, OSError) as error:
            if is_outage(error):
                self._breaker.failed(time.monotonic())
            else:
                self._breaker.succeeded()
            return [store_error(self.place, error)] * len(calls)
        except BaseException:
            self._breaker.gave_up()
            raise
        self._breaker.succeeded()
        return [self._told(result) for result in results]

    async def _run(self, calls: Sequence[Call], copies: Copies | None) -> list[Any]:
        results = await self._pipeline([call.args for call in calls], copies)
        unknown = [i for i, r in enumerate(results) if isinstance(r, NoScriptError)]
        if unknown:  # it was restarted, another took its place, or SCRIPT FLUSH
            texts = dict.fromkeys(calls[i].text for i in unknown)
            loads = [("SCRIPT LOAD", text) for text in texts if text is not None]
            again = [calls[i].args for i in unknown]
            found = (await self._pipeline(loads + again, copies))[len(loads) :]
            for i, result in zip(unknown, found, strict=True):
                results[i] = result
        return results

    async def _pipeline(
        self, commands: Sequence[tuple[Any, ...]], copies: Copies | None
    ) -> list[Any]:
        async with self._free, self.client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            if copies is not None:
                for timeout_ms in (*_ASKED_AGAIN_MS, copies.timeout_ms):
                    pipeline.execute_command("WAITAOF", 1, copies.replicas, timeout_ms)
            results: list[Any] = await pipeline.execute(raise_on_error=False)
        if copies is None:
            return results
        local, replicas = _counts(results[-1])
        del results[len(commands) :]
        if local < 1 or replicas < copies.replicas:
            short = StoreError(
                f"redis_copies: {self.place}: on {local} disk of its own and"
                f" {replicas} of replicas within {copies.timeout_ms} ms, not on 1"
                f" and {copies.replicas}"
            )
            return [r if isinstance(r, Exception) else short for r in results]
        return results

    def _told(self, result: Any) -> Any:
        if isinstance(result, RedisError) and not isinstance(
            result, MovedError | AskError
        ):
            return store_error(self.place, result)
        return result

    async def close(self) -> None:
        """Let the connections go."""
        await self.client.aclose()


def _counts(answer: Any) -> tuple[int, int]:
    if isinstance(answer, Exception):
        raise answer
    local, replicas = answer
    return int(local), int(replicas)
