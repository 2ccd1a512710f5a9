"""A gateway with its spool in a process of its own, to be killed; the parent keeps its
ledger.

The child tells on its standard output what it is about to push and what was confirmed,
before it goes on, so that what it told holds when it is killed at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from ncs_client import BatchesLostError, GatewayClient, SpoolOptions
from ncs_client.backoff import Backoff

from .batches import Batches
from .drive import STREAM, Load
from .pushes import PushLedger

__all__ = ["GatewayProcess"]


class GatewayProcess:
    """Runs a gateway as a child process.

    Args:
        load: what it does; its `url` is that of the server.
        spool: the folder of its spool, which it finds again in its next life.
        ledger: where to take down what it tells.
    """

    def __init__(self, load: Load, spool: Path, ledger: PushLedger) -> None:
        self._load = load
        self._spool = spool
        self._ledger = ledger
        self._process: asyncio.subprocess.Process | None = None
        self._talks = asyncio.Event()  # since it has told something, in this life

    async def run(self, stop: asyncio.Event) -> None:
        """Keep it running until told to stop and all is in the model.

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
        task = asdict(self._load), str(self._spool), self._ledger.sent + 1
        self._process.stdin.write(json.dumps(task).encode() + b"\n")
        if stop.is_set():
            self._process.stdin.close()
        async for line in self._process.stdout:
            self._talks.set()
            if line.endswith(b"\n"):  # else it was killed within it
                name, *values = json.loads(line)
                getattr(self._ledger, name)(*values)
        self._talks.clear()
        code = await self._process.wait()
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{self._load.name} ended by itself: exit code {code}")
        return code == 0

    async def _pass_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


async def _push(load: Load, spool: str, number: int, stop: asyncio.Event) -> None:
    """Push batches from `number` on until told to stop; return when all are there."""
    draw = random.Random(number)  # noqa: S311 - no secret
    gateway = GatewayClient(
        load.url,
        token=load.token,
        producer=load.name,
        spool_dir=spool,
        stream=STREAM,
        spool=SpoolOptions(
            fsync="always"
        ),  # else a power cut may lose what it confirmed
        on_drop=lambda reason, count: _tell("dropped", reason, count),
        backoff=lambda: Backoff(0.05, 0.5),
    )
    duplicates = 0
    async with gateway:
        while not stop.is_set():
            _tell("began", number)
            await gateway.push(load.batches.block(number))
            _tell("confirm", number)
            number += 1
            repeated = gateway.stats().duplicate_batches
            _tell("duplicated", repeated - duplicates)
            duplicates = repeated
            wait = draw.uniform(0.0, 2.0 / load.per_second)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)
        with contextlib.suppress(BatchesLostError):  # told by `on_drop`
            await gateway.flush()


def _tell(*words: object) -> None:
    print(json.dumps(words), flush=True)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    task = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    fields, spool, number = task
    load = Load(**{**fields, "batches": Batches(**fields["batches"])})
    stop = asyncio.Event()
    asked = loop.run_in_executor(None, sys.stdin.read)  # until the parent closes it
    asked.add_done_callback(lambda _: stop.set())
    await _push(load, spool, number, stop)


if __name__ == "__main__":
    asyncio.run(_main())
