"""A Redis of the run's own, and a witness that reads along what is in its journal.

The server forgets entries that its snapshots cover, so the witness keeps a copy of
each. It reads the keys themselves and shares no code with the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..entry import Entry, decode_entry
from ..processes import StartError

__all__ = ["RedisServer"]

_START_S = 30.0
_POLL_S = 0.05


class RedisServer:
    """`redis-server`, to be used with ``async with``; see the module.

    Args:
        folder: for its data; made.
        tenant: of the stream that is witnessed.
        stream: its name.

    Attributes:
        url: for the setting `store`.
    """

    def __init__(self, folder: Path, tenant: str, stream: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"redis://127.0.0.1:{port}"
        self._command = (
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            *("--logfile", "log"),
        )
        self._journal = f"ncs:{{{tenant}:{stream}}}:journal"
        self._client = Redis(port=port, socket_timeout=_START_S)
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._is_over = False
        self._entries: list[tuple[int, bytes]] = []

    async def start(self) -> None:
        """Start it, or start it again.

        Raises:
            StartError: it is not there, or does not answer.
        """
        program = shutil.which("redis-server")
        if program is None:
            raise StartError("there is no redis-server: apt-get install redis-server")
        self._process = await asyncio.create_subprocess_exec(
            program, *self._command, stdout=asyncio.subprocess.DEVNULL
        )
        for _ in range(int(_START_S / _POLL_S)):
            with contextlib.suppress(RedisError, OSError):
                await self._client.ping()
                return
            await asyncio.sleep(_POLL_S)
        raise StartError("redis-server does not answer")

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def pause(self, *, is_over: bool = False) -> None:
        """SIGSTOP, and SIGCONT once it is over."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT if is_over else signal.SIGSTOP)

    async def forget_scripts(self) -> None:
        """SCRIPT FLUSH."""
        await self._client.script_flush()

    async def journal(self) -> Iterator[tuple[int, Entry]]:
        """Return (offset, entry) of all that was ever in the journal, as it is now.

        Raises:
            DamagedError: by the iterator, if an entry is not what was written.
        """
        await self._read_on()
        return ((offset, decode_entry(payload)) for offset, payload in self._entries)

    async def _watch(self) -> None:
        # The Redis client can turn a cancellation into an error of its own.
        while not self._is_over:
            with contextlib.suppress(RedisError, OSError):
                await self._read_on()
            await asyncio.sleep(_POLL_S)

    async def _read_on(self) -> None:
        after = self._entries[-1][0] if self._entries else 0
        found: Any = await self._client.xrange(self._journal, f"({after}-0")
        for name, fields in found:
            self._entries.append((int(name.split(b"-")[0]), fields[b"e"]))

    async def __aenter__(self) -> RedisServer:
        """Start it and the witness."""
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End both."""
        await self._end()

    async def _end(self) -> None:
        self._is_over = True
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._client.aclose()
        await self.kill()
