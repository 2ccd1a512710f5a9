"""A client of a server under test, and what else its tests need."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import numpy as np
import orjson
from multidict import CIMultiDictProxy

from ncs_streamer.auth import make_key
from ncs_streamer.clock import Clock
from ncs_streamer.server import Server

SECRET = "a-secret-key-of-more-than-thirty-two-characters"
PASSWORD = "correct horse battery staple"
ALL = ("read", "write", "admin")
PROCESS = "/api/v1/process_points"
UNAVAILABLE = "Service temporarily unavailable"
ADMIN = "an admin's token"
"""Stands for a token of tenant `default` with every scope."""

Points = list[list[float]]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def said(self) -> tuple[Any, ...]:
        """The status and the body without what differs from request to request."""
        body = self.json
        body.pop("request_id")
        return self.status, body


class HeldClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._began = time.time()

    def as_clock(self) -> Clock:
        return Clock(
            now=lambda: self._began + self.elapsed_s,
            monotonic=lambda: 1000.0 + self.elapsed_s,
        )


class Api:
    """One server and a client of it."""

    def __init__(
        self, server: Server, port: int, session: aiohttp.ClientSession
    ) -> None:
        self.server = server
        self.port = port
        self.session = session
        self._admin = self.token()

    def token(
        self,
        *scopes: str,
        tenant: str = "default",
        subject: str = "ann",
        **more: Any,
    ) -> str:
        """Return a token that no user stands behind, with all scopes if none named."""
        more.setdefault("now", time.time())
        return self.server.issuer.issue(
            subject=subject, tenant=tenant, scopes=scopes or ALL, **more
        )

    async def key(
        self,
        *scopes: str,
        tenant: str = "default",
        name: str = "gateway",
        expires_at: float | None = None,
    ) -> tuple[str, str]:
        """Return (key, key id) of a new API key, with all scopes if none are named."""
        key, row = make_key(
            environment="development",
            name=name,
            tenant=tenant,
            permissions=scopes or ALL,
            now=time.time(),
            expires_at=expires_at,
        )
        await self.server.store.directory.put_key(row)
        return key, row.key_id

    async def call(
        self,
        method: str,
        path: str,
        *,
        credential: str | None = ADMIN,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """Send one request; the credential goes where it belongs."""
        headers = dict(headers or {})
        if credential == ADMIN:
            credential = self._admin
        if credential is not None:
            headers.setdefault("Authorization", f"Bearer {credential}")
        async with self.session.request(method, path, headers=headers, **more) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.call("GET", path, **more)

    async def post(self, path: str, **more: Any) -> Answer:
        return await self.call("POST", path, **more)

    async def process(
        self, points: Any, *, credential: str | None = ADMIN, **fields: Any
    ) -> Answer:
        """Post points."""
        body = {"points": points, **fields}
        return await self.post(PROCESS, credential=credential, json=body)

    async def state(self, stream: str = "default", **more: Any) -> tuple[Any, ...]:
        """Return all that REST shows of a stream, without what changes by itself."""
        query = {"stream": stream}
        status = (await self.get("/api/v1/algorithm_status", params=query, **more)).json
        clusters = await self.get("/api/v1/clusters_summary", params=query, **more)
        config = await self.get("/api/v1/algorithm/config", params=query, **more)
        streams = await self.get("/api/v1/streams", **more)
        status.pop("uptime_seconds")
        return status, clusters.json, config.json, streams.json

    async def total(self, stream: str = "default", **more: Any) -> int:
        """Return how many points the stream has learned."""
        answer = await self.get(f"/api/v1/algorithm_status?stream={stream}", **more)
        total: int = answer.json["total_points_processed"]
        return total

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; return all until the server hangs up."""
        async with self._connection() as (reader, writer):
            writer.write(request)
            async with asyncio.timeout(5):
                return await reader.read()

    async def status_of(self, request: bytes) -> int:
        """Send bytes as they are; return the status of the answer."""
        async with self._connection() as (reader, writer):
            writer.write(request)
            return int((await reader.readline()).split()[1])

    async def send_and_leave(self, request: bytes) -> None:
        """Send bytes as they are and hang up at once."""
        async with self._connection() as (_, writer):
            writer.write(request)
            await writer.drain()

    @contextlib.asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def head(self, length: int, method: str = "POST", path: str = PROCESS) -> bytes:
        """Return the head of a request with a body of JSON, for `raw`."""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n"
            f"Authorization: Bearer {self._admin}\r\n"
            "Content-Type: application/json\r\n\r\n"
        ).encode()

    def hold_clock(self) -> HeldClock:
        """Stop the clock that credentials and rate limits go by."""
        held = HeldClock()
        self.server.clock = held.as_clock()
        return held


@contextlib.asynccontextmanager
async def client_of(server: Server, port: int) -> AsyncIterator[Api]:
    """Talk to a server that runs already."""
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}",
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(20),
    ) as session:
        yield Api(server, port, session)


def blob(count: int, *, at: float = 0.0, dimension: int = 2, seed: int = 0) -> Points:
    """Return points of one normal distribution."""
    points: Points = (
        np.random.default_rng(seed).normal(at, 1.0, (count, dimension)).tolist()
    )
    return points


async def wait_until(holds: Callable[[], Any], within_s: float = 10.0) -> None:
    """Ask again and again until the answer is yes; `holds` may be a coroutine."""
    async with asyncio.timeout(within_s):
        while True:
            answer = holds()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(0.005)


class Logs:
    """What a server has logged since the test began."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.text.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]
