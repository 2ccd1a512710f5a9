"""The connection that listens to one primary, for as long as there is that primary.

It hears a heartbeat of its own: a connection that is silent is as good as broken, and
begun anew. The server may also end a subscription by itself, when the slot moves.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable
from typing import Any, Protocol

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError, RedisError

from ...logs import get_log
from .primary import Primary

__all__ = ["Ear", "Listening"]

_SILENT_S = 5.0
_RETRY_S = 2.0

log = get_log()


class Listening(Protocol):
    """Who is told what is heard."""

    def confirmed(self, name: bytes) -> None:
        """A subscription is in force."""

    def received(self, name: bytes, frame: bytes) -> None:
        """Something came."""

    async def moved(self) -> None:
        """The connection broke, or the server has no more to do with a channel."""


class Ear:
    """See the module.

    Args:
        channel: who is told.
        primary: to listen to.
        heartbeat: name of the channel of its own.
        wanted: names of the others.

    Attributes:
        wanted: names of channels.
        heard_at: when it last heard its heartbeat, monotonic.
    """

    def __init__(
        self,
        channel: Listening,
        primary: Primary,
        heartbeat: bytes,
        wanted: Iterable[bytes],
    ) -> None:
        self.heartbeat = heartbeat
        self.wanted = set(wanted)
        self.heard_at = time.monotonic()
        self._channel = channel
        self._primary = primary
        self._left: set[bytes] = set()  # and not yet confirmed
        self._pubsub: PubSub | None = None
        self._is_connecting = False
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Listen no more."""
        task = self._leave()
        if task is not None:
            await asyncio.wait([task])

    def _leave(self) -> asyncio.Task[None] | None:
        """Have the task end. Not while it connects: redis-py would leak the socket."""
        task, self._task = self._task, None
        if task is not None and not self._is_connecting:
            task.cancel()
        return task

    async def want(self, name: bytes) -> None:
        """Listen to a channel too."""
        if name not in self.wanted:
            self.wanted.add(name)
            await self._tell("ssubscribe", name)

    async def want_no_more(self, name: bytes) -> None:
        """Listen to a channel no more."""
        if name in self.wanted:
            self.wanted.discard(name)
            self._left.add(name)
            await self._tell("sunsubscribe", name)

    async def _tell(self, command: str, name: bytes) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):  # it is found by reading
                await getattr(self._pubsub, command)(name)

    def begin_anew(self, heartbeat: bytes, wanted: Iterable[bytes]) -> None:
        """Listen to these channels, on a new connection."""
        self.heartbeat = heartbeat
        self.wanted = set(wanted)
        self._leave()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while asyncio.current_task() is self._task:
            try:
                async with self._primary.client.pubsub() as pubsub:
                    await self._follow(pubsub)
            except (RedisError, OSError) as error:
                log.warning(
                    "channel_broken", place=self._primary.place, error=str(error)
                )
            if asyncio.current_task() is not self._task:
                return
            # By chance: many nodes have lost the same server.
            await asyncio.sleep(random.uniform(0, _RETRY_S))  # noqa: S311 - no secret
            await self._channel.moved()

    async def _follow(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub
        self._left.clear()
        try:
            await self._connect(pubsub)
            await self._listen(pubsub)
        finally:
            if self._pubsub is pubsub:
                self._pubsub = None

    async def _connect(self, pubsub: PubSub) -> None:
        self._is_connecting = True
        try:
            for name in (self.heartbeat, *self.wanted):
                await pubsub.ssubscribe(name)  # those of one slot at a time
        finally:
            self._is_connecting = False

    async def _listen(self, pubsub: PubSub) -> None:
        begun = time.monotonic()
        while asyncio.current_task() is self._task:
            message = await pubsub.get_message(timeout=_SILENT_S / 2)
            if message is not None:
                await self._take(message)
            if time.monotonic() - max(self.heard_at, begun) > _SILENT_S:
                raise ConnectionError("its own heartbeat is not heard")

    async def _take(self, message: dict[str, Any]) -> None:
        name, kind = message["channel"], message["type"]
        if kind == "smessage":
            if name == self.heartbeat:
                self.heard_at = time.monotonic()
            else:
                self._channel.received(name, message["data"])
        elif kind == "ssubscribe":
            self._channel.confirmed(name)
        elif name in self._left:
            self._left.discard(name)
            if name in self.wanted:  # again, since
                await self._tell("ssubscribe", name)
        elif name in self.wanted:
            raise ConnectionError("a slot has moved")
