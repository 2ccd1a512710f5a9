"""A program of clients/integrations, started as a user or systemd would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from real_server import journal_of, token

from ncs_client import AsyncNCSClient

__all__ = ["INTEGRATIONS", "Program", "in_the_journal", "learned"]

INTEGRATIONS = Path(__file__).parents[2] / "clients" / "integrations"


class Program:
    """One life of it, to be used with ``async with``; it is killed at the end.

    Args:
        name: of its file.
        words: its arguments.
        folder: where it runs, and keeps its state.
        url: of the server.
        said: what it prints once it is at work.
    """

    def __init__(
        self, name: str, *words: str, folder: Path, url: str, said: str = ""
    ) -> None:
        self._command = [sys.executable, str(INTEGRATIONS / name), *words]
        self._folder = folder
        self._url = url
        self._said = said
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Program:
        log = open(self._folder / "log", "ab")  # noqa: ASYNC230
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=self._folder,
            env={
                **os.environ,
                "NCS_URL": self._url,
                "NCS_API_KEY": token("acme", "write"),
                "STATE_DIRECTORY": str(self._folder),
            },
        )
        log.close()
        if self._said:
            await self.says(self._said)
        return self

    async def says(self, text: str) -> None:
        """Wait until it prints a line with this text."""
        assert self._process is not None and self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := (await self._process.stdout.readline()).decode():
                if text in line:
                    return
        raise AssertionError(f"{self._command[1]} has ended: {self.log}")

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    @property
    def log(self) -> str:
        """What it has written to its log, over all lives in this folder."""
        return (self._folder / "log").read_text()

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """Ask it to end; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it has ended; return its exit code."""
        assert self._process is not None
        async with asyncio.timeout(30):
            return await self._process.wait()


async def learned(client: AsyncNCSClient, count: int) -> None:
    """Wait until stream `s` has so many points at least."""
    async with asyncio.timeout(60):
        while (await client.get_algorithm_status("s")).total_points_processed < count:
            await asyncio.sleep(0.01)


async def in_the_journal(folder: Path) -> list[int]:
    """Return the first coordinate of every point of stream `s`, as journaled."""
    entries = await journal_of(folder)
    return [int(row[0]) for entry in entries for row in entry.block.tolist()]
