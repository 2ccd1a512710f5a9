"""A real server on a real socket for every test, and a short way to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import numpy as np
import orjson
import pytest
import structlog
from multidict import CIMultiDictProxy

from ncs_streamer.app import running
from ncs_streamer.auth import User, hash_password, make_key
from ncs_streamer.clock import Clock
from ncs_streamer.logs import configure_logs
from ncs_streamer.server import Server
from ncs_streamer.settings import Settings, load_settings

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
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def hold_clock(self) -> HeldClock:
        """Stop the clock that credentials and rate limits go by."""
        held = HeldClock()
        self.server.clock = held.as_clock()
        return held


class Start(Protocol):
    """Starts a server that ends with the test."""

    async def __call__(
        self, environ: dict[str, str] | None = None, **flags: Any
    ) -> Api: ...


SettingsOf = Callable[..., Settings]


@pytest.fixture
def settings_of(tmp_path: Path) -> SettingsOf:
    """Settings of a server in memory on a free port, without a first user."""

    def settings_of(environ: dict[str, str] | None = None, **flags: Any) -> Settings:
        usual = {
            "environment": "production",
            "secret_key": SECRET,
            "host": "127.0.0.1",
            "port": 0,
            "metrics_port": "off",
            "store": "memory",
            "data_dir": tmp_path / "data",
        }
        return load_settings(usual | flags, environ or {}, folder=tmp_path).settings

    return settings_of


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


@pytest.fixture
async def start(settings_of: SettingsOf) -> AsyncIterator[Start]:
    """Starts servers, as many as wanted."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(environ: dict[str, str] | None = None, **flags: Any) -> Api:
            settings = settings_of(environ, **flags)
            server, port = await stack.enter_async_context(running(settings))
            return await stack.enter_async_context(client_of(server, port))

        yield start


@pytest.fixture
async def api(start: Start) -> Api:
    """A server with the usual settings."""
    return await start()


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of PASSWORD; it takes tens of milliseconds, so once."""
    return hash_password(PASSWORD)


@pytest.fixture
async def user(api: Api, password_hash: str) -> User:
    """An admin who can log in with PASSWORD."""
    user = User("ann", "default", "admin", password_hash, "ann@example.org")
    await api.server.store.directory.put_user(user)
    return user


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


@pytest.fixture
def logs(settings_of: SettingsOf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    """The log as `ncs serve` would write it, at level debug."""
    root, access = logging.getLogger(), logging.getLogger("aiohttp.access")
    before = (root.handlers[:], root.level, access.disabled)
    asyncio_level = logging.getLogger("asyncio").level
    stream = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        configure_logs(settings_of(debug=True))
    structlog.configure(cache_logger_on_first_use=False)  # or it would outlive the test
    yield Logs(stream)
    structlog.reset_defaults()
    root.handlers[:], access.disabled = before[0], before[2]
    root.setLevel(before[1])
    logging.getLogger("asyncio").setLevel(asyncio_level)
