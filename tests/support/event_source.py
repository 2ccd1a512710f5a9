"""A reader of server-sent events, written from their specification alone."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any

import aiohttp

from ncs_protocol import JSON
from ncs_protocol.messages import ServerMessage

__all__ = ["EventSource", "Said", "parse"]


@dataclasses.dataclass(slots=True)
class Said:
    """One event, or comment."""

    data: str = ""
    id: str | None = None
    retry: int | None = None
    comments: int = 0

    @property
    def message(self) -> ServerMessage:
        """What the data say."""
        return JSON.decode_server(self.data)


def parse(block: str) -> Said:
    """Return what the lines before a blank line say."""
    said, data = Said(), []
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                said.comments += 1
            case "data":
                data.append(value)
            case "id":
                said.id = value
            case "retry":
                said.retry = int(value)
            case _:
                raise AssertionError(f"an unexpected line: {line!r}")
    said.data = "\n".join(data)
    return said


class EventSource:
    """A request for events, to be used with ``async with``.

    Args:
        url: of the server.
        credential: an access token.
        last_id: where to go on.
        query: parameters.

    Attributes:
        last_id: of the last event received.
        heartbeats: comments received.
        retry: how long to wait before coming back, in milliseconds.
    """

    def __init__(
        self,
        url: str,
        credential: str,
        last_id: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self.last_id = last_id
        self.heartbeats = 0
        self.retry: int | None = None
        self.response: aiohttp.ClientResponse
        self._url = f"{url}/api/v1/events"
        self._headers = {"Authorization": f"Bearer {credential}"}
        self._query = query or {}
        self._session: aiohttp.ClientSession
        self._said: AsyncIterator[Said]

    async def __aenter__(self) -> EventSource:
        headers = dict(self._headers)
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        self._session = aiohttp.ClientSession(read_bufsize=2**22)
        try:
            self.response = await self._session.get(
                self._url, params=self._query, headers=headers
            )
        except BaseException:
            await self._session.close()
            raise
        self._said = self._read()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.response.close()
        await self._session.close()

    async def _read(self) -> AsyncIterator[Said]:
        buffer = ""
        async for data in self.response.content.iter_any():
            *blocks, buffer = (buffer + data.decode()).split("\n\n")
            for block in blocks:
                said = parse(block)
                self.heartbeats += said.comments
                self.last_id = said.id or self.last_id
                self.retry = self.retry if said.retry is None else said.retry
                if said.data:
                    yield said

    async def receive(self, within_s: float = 10.0) -> Any:
        """Return the next message.

        Raises:
            StopAsyncIteration: at the end.
            aiohttp.ClientError: if the line breaks.
        """
        async with asyncio.timeout(within_s):
            return (await anext(self._said)).message

    async def until(self, kind: type[Any], within_s: float = 10.0) -> Any:
        """Return the next message of a kind."""
        async with asyncio.timeout(within_s):
            while not isinstance(message := await self.receive(within_s), kind):
                pass
            return message
