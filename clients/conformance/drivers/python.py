"""The driver of the Python SDK; what it is told and says is in ../README.md."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import traceback
from typing import Any

from msgspec import to_builtins

from ncs_client import (
    CaughtUp,
    ClusterView,
    ConnectionEndedError,
    Lagging,
    RefusedError,
    StreamSession,
)
from ncs_client.backoff import Backoff
from ncs_protocol.messages import Subscribed


def tell(what: str, **fields: Any) -> None:
    """Say something to the suite."""
    print(json.dumps({"tell": what, **fields}), flush=True)


class Driver:
    """One session, used as the suite says."""

    def __init__(self) -> None:
        self.session: StreamSession
        self.token = ""
        self.view = ClusterView()
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Any) -> None:
        """Do something that takes time, beside the rest."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.done)

    def done(self, task: asyncio.Task[None]) -> None:
        """End with an error if the work failed in a way that no scenario asks for."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            traceback.print_exception(error)
            sys.stderr.flush()
            os._exit(1)

    async def connect(
        self,
        url: str,
        token: str,
        stream: str,
        codec: str,
        producer: str | None = None,
        reconnect_attempts: int | None = None,
        event_credit: int | None = None,
        first_ms: float = 20.0,
        longest_ms: float = 200.0,
        draw: float | None = None,
    ) -> None:
        """Open the session."""
        self.token = token
        self.stream = stream
        self.session = StreamSession(
            url.replace("http", "ws", 1) + "/ws",
            self.give_token,
            codec=codec,
            producer=producer,
            streams=[stream],
            reconnect_attempts=reconnect_attempts,
            on_reconnect=lambda attempt: tell("reconnect", attempt=attempt),
            on_close=tell_end,
            event_credit=event_credit,
            backoff=Backoff(
                first_ms / 1000,
                longest_ms / 1000,
                random.random if draw is None else lambda: draw,
            ),
        )
        with contextlib.suppress(ConnectionEndedError):
            await self.session.open()
            tell("open")

    def give_token(self) -> str:
        """Return the credential, as the session asks for it."""
        tell("wants")
        return self.token

    async def send(self, tag: int, points: Any, results: Any) -> None:
        """Send a batch, and say what became of it."""
        try:
            ack = await self.session.send(points, stream=self.stream, results=results)
        except RefusedError as error:
            tell("refused", tag=tag, code=error.code, index=error.index)
        except ConnectionEndedError:
            tell("lost", tag=tag)
        else:
            told = to_builtins(ack.results)
            tell("acked", tag=tag, accepted=ack.accepted, duplicate=ack.duplicate,
                 results=told)  # fmt: skip

    async def subscribe(self, max_queue: int, **options: Any) -> None:
        """Follow the stream, and say what comes."""
        self.session.max_queue = max_queue
        subscription = await self.session.subscribe(self.stream, **options)
        try:
            with contextlib.suppress(StopAsyncIteration, ConnectionEndedError):
                while True:
                    await self.may_read.wait()
                    message = await anext(subscription)
                    self.view.apply(message)
                    self.told(message)
        except RefusedError as error:
            tell("unsubscribed", code=error.code)

    def told(self, message: Any) -> None:
        """Say what a subscription gave."""
        match message:
            case Subscribed():
                kind = "resumed" if message.recovered else "snapshot"
                tell("event", type=kind, epoch=message.epoch, offsets=message.offsets)
            case Lagging():
                tell("lagging", level=message.level)
            case CaughtUp():
                tell("caught_up")
            case event:
                fields = {"class": event.delivery, "from": event.first}
                kind = event.__struct_config__.tag
                change = getattr(event.data, "change", None)
                tell("event", type=kind, epoch=event.epoch, to=event.last,
                     change=change, **fields)  # fmt: skip

    def do(self, what: str, fields: dict[str, Any]) -> None:
        """Do what the suite says."""
        match what:
            case "connect" | "send" | "subscribe":
                self.begin(getattr(self, what)(**fields))
            case "read":
                (self.may_read.clear if fields["paused"] else self.may_read.set)()
            case "view":
                clusters = map(to_builtins, self.view.clusters.values())
                tell("view", clusters=list(clusters))
            case "token":
                self.token = fields["token"]
            case "mark":
                tell("mark", **fields)
            case "stop":
                self.begin(self.stop())

    async def stop(self) -> None:
        """Let what was sent be acknowledged, and end."""
        await self.session.close()
        tell("stopped")


def tell_end(error: Exception | None) -> None:
    """Say why the session has ended by itself."""
    if isinstance(error, ConnectionEndedError):
        tell("ended", close_code=error.close_code, code=error.code)
    elif error is not None:
        raise error


async def main() -> None:
    """Read what the suite says, until it has no more to say."""
    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    driver = Driver()
    async for line in reader:
        fields = json.loads(line)
        driver.do(fields.pop("do"), fields)
    for task in driver.tasks:
        task.cancel()
    for task in tuple(driver.tasks):
        with contextlib.suppress(asyncio.CancelledError):
            await task


asyncio.run(main())
