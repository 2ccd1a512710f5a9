"""A line to a server that knows what it carries, and can do wrong by it.

Beside what any line can do (`ncs_streamer.verify.proxy`) it loses, doubles, holds and
cuts at chosen messages, says what the server did not say, and turns clients away.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from ncs_streamer.verify.proxy import Line, Proxy

from .frames import CLOSE, Frame, decode, encode, make_frame, read_frame
from .wire import End, Passage, Wire, matches

__all__ = ["Deed", "FaultyLine", "Wrong"]

Deed = Literal["lose", "double", "hold", "cut", "split"]
"""`cut` ends the connection instead of passing the message on, `split` in its midst;
`hold` keeps it until told to release it."""


@dataclasses.dataclass(slots=True)
class Wrong:
    """What is done to messages.

    Attributes:
        deed: see `Deed`.
        to: whom they are for.
        pattern: fields that they have.
        skip: how many of them are let through before.
        times: to how many it is done.
    """

    deed: Deed
    to: End
    pattern: dict[str, Any]
    skip: int = 0
    times: int = 1


@dataclasses.dataclass(slots=True)
class _Talk:
    """A WebSocket on a line."""

    number: int
    upgraded: asyncio.Future[bool]
    binary: bool = False
    is_closing: bool = False
    held: list[tuple[Passage, bytes]] = dataclasses.field(default_factory=list)


class FaultyLine(Proxy):
    """See the module.

    Args:
        target: returns the server's URL.
        wire: takes down what passes.

    Attributes:
        is_open: whether anybody is let in; else connections are reset at once.
        refusals: HTTP statuses with which the next handshakes are answered.
        wrongs: what is being done to messages.
        lost: messages that were not passed on.
    """

    def __init__(self, target: Callable[[], str], wire: Wire) -> None:
        super().__init__(target, random.Random(1))  # noqa: S311 - no secret
        self.is_open = True
        self.refusals: list[int] = []
        self.wrongs: list[Wrong] = []
        self.lost: list[dict[str, Any]] = []
        self._wire = wire
        self._talks: dict[Line, _Talk] = {}

    # What is done

    def say(self, message: dict[str, Any]) -> None:
        """Say something in the server's name, on the newest connection."""
        line, talk = self._newest()
        passage = self._passage(talk, "client", message, 0)
        self._wire.passed(passage)
        line.client.write(encode(message, binary=talk.binary))

    def close(self, code: int) -> None:
        """Close the newest connection in the server's name."""
        line, talk = self._newest()
        talk.is_closing = True
        self._wire.closed(talk.number, "server", code)
        line.client.write(make_frame(CLOSE, code.to_bytes(2, "big")))

    def release(self) -> None:
        """Pass on what was held, and hold nothing more."""
        self.wrongs = [wrong for wrong in self.wrongs if wrong.deed != "hold"]
        for line, talk in self._talks.items():
            for passage, raw in talk.held:
                self._wire.passed(passage)
                (line.client if passage.to == "client" else line.server).write(raw)
            talk.held.clear()

    # What passes

    async def _admits(
        self, client: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self._wire.attempted(asyncio.get_running_loop().time())
        if not self.is_open:
            writer.transport.abort()
            return False
        if self.refusals:
            await client.readuntil(b"\r\n\r\n")
            status = self.refusals.pop(0)
            head = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n"
            writer.write(head.encode() + b"\r\n")
            writer.close()
            await writer.wait_closed()
            return False
        return True

    def _made(self, line: Line) -> None:
        upgraded = asyncio.get_running_loop().create_future()
        self._talks[line] = _Talk(len(self._talks) + 1, upgraded)

    async def _sent(
        self, line: Line, client: asyncio.StreamReader
    ) -> AsyncIterator[bytes]:
        head = await _head(client)
        yield head
        talk = self._talks[line]
        if b"upgrade: websocket" in head.lower() and await talk.upgraded:
            async for chunk in self._judged(line, talk, client, "server"):
                yield chunk
        else:
            async for chunk in super()._sent(line, client):
                yield chunk

    async def _told(
        self, line: Line, server: asyncio.StreamReader
    ) -> AsyncIterator[bytes]:
        talk = self._talks[line]
        try:
            head = await _head(server)
            talk.binary = b"ncs.v1+msgpack" in head
            talk.upgraded.set_result(head.startswith(b"HTTP/1.1 101"))
        finally:
            if not talk.upgraded.done():
                talk.upgraded.set_result(False)
        yield head
        if talk.upgraded.result():
            async for chunk in self._judged(line, talk, server, "client"):
                yield chunk
        else:
            async for chunk in super()._told(line, server):
                yield chunk

    async def _judged(
        self, line: Line, talk: _Talk, source: asyncio.StreamReader, to: End
    ) -> AsyncIterator[bytes]:
        while (frame := await _next_frame(source)) is not None:
            if frame.opcode == CLOSE:
                by: End = "server" if to == "client" else "client"
                code = int.from_bytes(frame.payload[:2], "big") or 1005
                self._wire.closed(talk.number, by, code)
            if talk.is_closing:
                if to == "server" and frame.opcode == CLOSE:
                    line.client.close()
                    line.server.transport.abort()
                    return
            elif not frame.is_message:
                yield frame.raw
            else:
                async for chunk in self._wronged(line, talk, frame, to):
                    yield chunk

    async def _wronged(
        self, line: Line, talk: _Talk, frame: Frame, to: End
    ) -> AsyncIterator[bytes]:
        passage = self._passage(talk, to, decode(frame), len(frame.payload))
        wrong = self._due(to, passage.message)
        match wrong and wrong.deed:
            case "lose":
                self._lose(passage)
                return
            case "hold":
                talk.held.append((passage, frame.raw))
                return
            case "cut":
                self._lose(passage)
                line.abort()
                return
            case "split":
                yield frame.raw[: len(frame.raw) // 2]
                line.abort()
                return
            case "double":
                self._wire.passed(passage)
                yield frame.raw
        self._wire.passed(passage)
        yield frame.raw

    def _lose(self, passage: Passage) -> None:
        self.lost.append(passage.message)
        self._wire.rang()

    def _due(self, to: End, message: dict[str, Any]) -> Wrong | None:
        """Return what is to be done to a message."""
        for wrong in self.wrongs:
            if wrong.to == to and matches(message, wrong.pattern):
                if wrong.skip:
                    wrong.skip -= 1
                    continue
                wrong.times -= 1
                if not wrong.times:
                    self.wrongs.remove(wrong)
                return wrong
        return None

    def _newest(self) -> tuple[Line, _Talk]:
        return next(reversed(self._talks.items()))

    @staticmethod
    def _passage(talk: _Talk, to: End, message: dict[str, Any], size: int) -> Passage:
        now = asyncio.get_running_loop().time()
        return Passage(talk.number, to, now, size, message)


async def _head(source: asyncio.StreamReader) -> bytes:
    """Return the head of a request or a response; what there is of it, at the end."""
    try:
        return await source.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        return end.partial


async def _next_frame(source: asyncio.StreamReader) -> Frame | None:
    try:
        return await read_frame(source)
    except asyncio.IncompleteReadError:
        return None
