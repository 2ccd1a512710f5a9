"""Real servers for the runs: shared where a scenario leaves the server alone."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from ncs_client import AsyncNCSClient
from ncs_streamer.auth import TokenIssuer
from ncs_streamer.processes import ServerProcess
from ncs_streamer.verify.witness import journal_of, keep_what_is_forgotten

__all__ = ["Server", "Servers", "token_for"]

_SECRET = "a secret for the conformance suite, on servers of its own"  # noqa: S105
_FLAGS = (
    "--heartbeat-s", "3", "--history-events", "30", "--status-interval-s", "0.2",
    "--handshakes-per-minute", "100000", "--max-connections-per-address", "1000",
)  # fmt: skip


def token_for(tenant: str, lifetime_s: float = 3600.0, *scopes: str) -> str:
    """Return a token, with all scopes if none is named; no two are the same."""
    return TokenIssuer(_SECRET, lifetime_s).issue(
        subject="conformance",
        tenant=tenant,
        scopes=scopes or ("read", "write", "admin"),
        now=time.time(),
    )


class Server:
    """One server and its data."""

    def __init__(self, folder: Path, flags: Sequence[str]) -> None:
        self._folder = folder
        flags = ("--data-dir", str(folder), *_FLAGS, *flags)
        self._process = ServerProcess(*flags, env={"SECRET_KEY": _SECRET})

    @property
    def url(self) -> str:
        """Where it listens, or did last."""
        return self._process.url

    async def start(self) -> None:
        """Start it, on whatever is in its folder."""
        await self._process.start()
        keep_what_is_forgotten(self._folder)

    async def kill(self) -> None:
        """Kill it, as with -9."""
        await self._process.kill()

    async def drain(self) -> int:
        """Ask it to end; return its exit code."""
        return await self._process.stop()

    def wipe(self) -> None:
        """Throw away everything that it has, once it is dead."""
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def client(self, tenant: str) -> AsyncNCSClient:
        """Return a client that goes to it directly."""
        return AsyncNCSClient(self.url, token_for(tenant))

    def rows(self, stream: str) -> Counter[tuple[float, ...]]:
        """Return how often each point is in the journal of a stream."""
        return Counter(
            tuple(float(value) for value in point)
            for _, entry in journal_of(self._folder, stream)
            if entry.kind == "points"
            for point in entry.block
        )


class Servers:
    """All servers of a session, within ``async with``."""

    def __init__(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        self._shared: dict[tuple[str, ...], asyncio.Task[Server]] = {}

    async def __aenter__(self) -> Servers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def shared(self, flags: Sequence[str]) -> Server:
        """Return the server with these flags that all may use who leave it alone."""
        key = tuple(flags)
        if key not in self._shared:
            self._shared[key] = asyncio.create_task(self._run(flags))
        return await asyncio.shield(self._shared[key])

    async def _run(self, flags: Sequence[str]) -> Server:
        return await self._stack.enter_async_context(running(flags))


@contextlib.asynccontextmanager
async def running(flags: Sequence[str]) -> AsyncIterator[Server]:
    """Run a server of one's own; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ncs-conformance-") as folder:
        server = Server(Path(folder), flags)
        await server.start()
        try:
            yield server
        finally:
            await server.kill()
