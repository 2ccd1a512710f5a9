"""A server in a process of its own, for the demo, the benchmarks and the tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

__all__ = ["ServerProcess", "StartError"]

_START_S = 30.0
_STOP_S = 20.0


class StartError(Exception):
    """A process did not start; the message says which, and what it said."""


class ServerProcess:
    """`ncs serve` as a child process, within ``async with``.

    Args:
        flags: flags of `ncs serve`; the port is chosen freely unless they say one.
        log: file that takes the server's log; None keeps the last lines only.
        env: variables to add to the environment.
        program: what is run, before the words of `ncs serve`; None for this
            installation.

    Attributes:
        url: where it listens, once started.
        metrics_port: where it tells its metrics, once started; None for nowhere.
        process: the process.
    """

    def __init__(
        self,
        *flags: str,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
    ) -> None:
        self.url = ""
        self.metrics_port: int | None = None
        self.process: asyncio.subprocess.Process
        self.lines: list[bytes] = []
        self._log = log
        self._env = {**os.environ, **(env or {})}
        self._command = [*(program or (sys.executable, "-m", "ncs_streamer")), "serve"]
        self._command += [
            "--log-format",
            "json",
            "--port",
            "0",
            "--metrics-port",
            "off",
            "--cluster-port",
            "0",
        ]
        self._command += flags
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> ServerProcess:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start, and return when it takes points.

        Raises:
            StartError: if it ends instead, or takes too long.
        """
        # In a session of its own: Ctrl-C at the terminal reaches only the parent, which
        # then stops its own connections first.
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._env,
            start_new_session=True,
        )
        serving: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(serving))
        try:
            self.url = await asyncio.wait_for(serving, _START_S)
        except (TimeoutError, StartError):
            await self.kill()
            said = b"".join(self.lines).decode(errors="replace").strip()
            why = said or "and said nothing"
            raise StartError(f"the server did not start:\n{why}") from None
        except BaseException:  # Ctrl-C while it starts: it must not be left behind
            await self.kill()
            raise

    async def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        return await self._signal(signal.SIGTERM)

    async def kill(self) -> int:
        """End it without ceremony."""
        return await self._signal(signal.SIGKILL)

    async def _signal(self, number: signal.Signals) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            code = await asyncio.wait_for(self.process.wait(), _STOP_S)
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        if self._reader is not None:
            await self._reader
        return code

    async def _read(self, serving: asyncio.Future[str]) -> None:
        """Keep the pipe empty, and find out when and where it listens."""
        assert self.process.stdout is not None
        log = self._log.open("ab") if self._log is not None else None
        async for line in self.process.stdout:
            self.lines.append(line)
            del self.lines[:-200]
            if log is not None:
                log.write(line)
                log.flush()
            if not serving.done() and b'"event": "serving"' in line:
                said = orjson.loads(line)
                self.metrics_port = said["metrics_port"]
                serving.set_result(str(said["url"]))
        if log is not None:
            log.close()
        if not serving.done():
            serving.set_exception(StartError())
