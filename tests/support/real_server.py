"""Real server processes for the tests, and credentials for any tenant."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ncs_client import AsyncNCSClient
from ncs_protocol import JSON, Codec
from ncs_protocol.messages import ClientMessage, Hello, ServerMessage
from ncs_streamer.auth import TokenIssuer
from ncs_streamer.entry import Entry, decode_entry
from ncs_streamer.processes import ServerProcess
from ncs_streamer.store import SqliteStore, StreamKey

__all__ = [
    "SECRET",
    "UNLIMITED",
    "Socket",
    "client_of",
    "free_port",
    "journal_of",
    "points_in",
    "server_on",
    "token",
    "wait_until",
]

SECRET = "a secret of the tests, long enough to sign with"
UNLIMITED = ("--rate-limit-per-minute", "1000000")


def token(tenant: str = "acme", *scopes: str, lifetime_s: float = 3600.0) -> str:
    """Return a token; by default with all scopes."""
    return TokenIssuer(SECRET, lifetime_s).issue(
        subject="test",
        tenant=tenant,
        scopes=scopes or ("read", "write", "admin"),
        now=time.time(),
    )


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_on(folder: Path, *flags: str, port: int = 0) -> ServerProcess:
    """Return a server process on a data folder, to be used with ``async with``."""
    return ServerProcess(
        "--data-dir",
        str(folder),
        "--port",
        str(port),
        *flags,
        env={"SECRET_KEY": SECRET},
    )


async def journal_of(
    folder: Path, stream: str = "s", tenant: str = "acme"
) -> list[Entry]:
    """Return every entry of points that a server which was killed had applied."""
    store = SqliteStore(folder / "ncs.db")
    await store.open()
    found = await store.journal.read(StreamKey(tenant, stream), 0, 1_000_000)
    await store.close()
    entries = [decode_entry(payload) for _, payload in found]
    return [entry for entry in entries if entry.kind == "points"]


async def wait_until(
    condition: Callable[[], object], within_s: float = 20.0, every_s: float = 0.01
) -> None:
    """Wait for a condition, or fail."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(every_s)


class Socket:
    """A bare WebSocket that speaks messages; for what the client would never do."""

    def __init__(self, connection: ClientConnection, codec: Codec) -> None:
        self.connection = connection
        self.codec = codec

    @classmethod
    @contextlib.asynccontextmanager
    async def to(
        cls,
        server: ServerProcess,
        *,
        codec: Codec = JSON,
        credential: str | None = None,
        producer: str | None = None,
    ) -> AsyncIterator[Socket]:
        """Connect; with a credential also say hello and take the welcome."""
        async with connect(
            server.url.replace("http", "ws") + "/ws",
            subprotocols=[Subprotocol(codec.subprotocol)],
            compression=None,
            max_size=None,
        ) as connection:
            self = cls(connection, codec)
            if credential is not None:
                await self.send(Hello(token=credential, producer=producer))
                await self.receive()
            yield self

    async def send(self, message: ClientMessage | bytes | str) -> None:
        """Send a message, or a frame as it is."""
        if isinstance(message, bytes | str):
            await self.connection.send(message)
        else:
            frame = self.codec.encode(message)
            await self.connection.send(frame, text=not self.codec.binary)

    async def receive(self) -> ServerMessage:
        """Return the next message."""
        async with asyncio.timeout(10):
            return self.codec.decode_server(await self.connection.recv())

    async def closed(self) -> tuple[int | None, str | None]:
        """Read on to the end and return (close code, reason)."""
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(20):
                async for _ in self.connection:
                    pass
        return self.connection.close_code, self.connection.close_reason


def client_of(server: ServerProcess, tenant: str = "acme") -> AsyncNCSClient:
    """Return a client that may do everything in its tenant."""
    return AsyncNCSClient(server.url, token(tenant))


async def points_in(server: ServerProcess, stream: str = "default") -> int:
    """Return how many points the model of a stream has learned."""
    async with client_of(server) as client:
        return (await client.get_algorithm_status(stream)).total_points_processed
