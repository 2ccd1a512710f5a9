"""A Redis in a process of its own, which loses nothing that it has acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from .server import StartError

__all__ = ["RedisProcess", "free_port"]

_START_S = 30.0
_PAUSE_S = 0.05


class RedisProcess:
    """`redis-server`, on a free port that it keeps over its lives.

    Args:
        folder: for its data and its log; made.

    Attributes:
        url: for the setting `store`.
        process: of the present life, once started; None before.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}"
        self.process: asyncio.subprocess.Process | None = None
        self._command = (
            *("redis-server", "--port", str(port), "--bind", "127.0.0.1"),
            *("--dir", str(folder.resolve()), "--logfile", "log"),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
        )

    async def start(self) -> None:
        """Start it, or start it again; return once it has loaded what it had.

        Raises:
            StartError: it is not installed, or does not answer.
        """
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self._command,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise StartError(
                "redis-server is not installed: sudo apt-get install redis-server"
            ) from None
        async with Redis.from_url(self.url) as client:
            try:
                async with asyncio.timeout(_START_S):
                    while True:
                        with contextlib.suppress(RedisError, OSError):
                            await client.ping()
                            return
                        await asyncio.sleep(_PAUSE_S)
            except TimeoutError:
                raise StartError("redis-server does not answer") from None

    async def stop(self) -> None:
        """Ask it to end, if it runs."""
        await self._signal(signal.SIGTERM)

    async def kill(self) -> None:
        """End it without ceremony, if it runs."""
        await self._signal(signal.SIGKILL)

    def pause(self, *, is_over: bool = False) -> None:
        """SIGSTOP, and SIGCONT once it is over."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT if is_over else signal.SIGSTOP)

    async def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
