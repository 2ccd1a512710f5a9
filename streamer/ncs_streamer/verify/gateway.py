"""A producer in a process of its own, to be killed; the parent keeps its ledger.

The child tells on its standard output what it is about to send and what it was
answered, before it goes on, so that what it told holds when it is killed at any moment.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict

from .batches import Batches
from .drive import Load, produce
from .ledger import Record

__all__ = ["GatewayProcess"]


class GatewayProcess:
    """Runs a producer as a child process.

    Args:
        load: what it does.
        record: where to take down what it tells.
    """

    def __init__(self, load: Load, record: Record) -> None:
        self._load = load
        self._record = record
        self._process: asyncio.subprocess.Process | None = None
        self._talks = asyncio.Event()  # since it has told something, in this life

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it running until told to stop and all is acknowledged.

        Raises:
            RuntimeError: if it ends by itself before.
        """
        stopping = asyncio.create_task(self._pass_on(stop))
        try:
            while not await self._live(stop):
                pass
        finally:
            stopping.cancel()
            self._kill()
            self._talks.set()

    async def kill_at_work(self) -> None:
        """Kill -9 once it is at work; `run` starts it again."""
        await self._talks.wait()
        self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _live(self, stop: asyncio.Event) -> bool:
        """Run it once; return whether it ended by itself, being told to stop."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(self._load)).encode() + b"\n")
        if stop.is_set():
            self._process.stdin.close()
        async for line in self._process.stdout:
            self._talks.set()
            if line.endswith(b"\n"):  # else it was killed within it
                name, *values = json.loads(line)
                getattr(self._record, name)(*values)
        self._talks.clear()
        code = await self._process.wait()
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{self._load.name} ended by itself: exit code {code}")
        return code == 0

    async def _pass_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


class _Telling:
    """The child's `Record`: a line each."""

    def transmitted(self, seq: int) -> None:
        _tell("transmitted", seq)

    def acknowledged(self, seq: int, duplicate: bool) -> None:
        _tell("acknowledged", seq, duplicate)

    def welcomed(self, last_seq: int) -> None:
        _tell("welcomed", last_seq)

    def refused(self, code: str) -> None:
        _tell("refused", code)


def _tell(*words: object) -> None:
    print(json.dumps(words), flush=True)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    fields = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    load = Load(**{**fields, "batches": Batches(**fields["batches"])})
    stop = asyncio.Event()
    asked = loop.run_in_executor(None, sys.stdin.read)  # until the parent closes it
    asked.add_done_callback(lambda _: stop.set())
    await produce(load, _Telling(), stop)


if __name__ == "__main__":
    asyncio.run(_main())
