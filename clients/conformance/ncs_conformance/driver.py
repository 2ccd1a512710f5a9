"""The program that uses an SDK as it is told: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, convert

from .bell import Bell, Failure
from .wire import matches

__all__ = ["HOME", "Driver", "Sdk", "driving", "read_sdks"]

HOME = Path(__file__).resolve().parents[1]
_LONGEST_LINE = 16 * 1024 * 1024
_ENDS_WITHIN_S = 20.0


class Sdk(Struct, frozen=True, forbid_unknown_fields=True):
    """An SDK that is held to the suite.

    Attributes:
        name: as tables call it.
        program: its driver; `{python}` and `{node}` stand for those of this machine.
        lacks: scenario -> why this SDK does not pass it, and is known not to.
    """

    name: str
    program: tuple[str, ...]
    lacks: dict[str, str] = {}

    @property
    def command(self) -> list[str]:
        """What to run, in the folder of the suite."""
        node = Path(sys.executable).with_name("node")
        known = {
            "python": sys.executable,
            "node": str(node) if node.exists() else "node",
        }
        return [word.format_map(known) for word in self.program]


def read_sdks(path: Path = HOME / "sdks.yaml") -> list[Sdk]:
    """Return the SDKs of a list."""
    return convert(yaml.safe_load(path.read_text()), list[Sdk])


class Driver:
    """A driver that runs.

    Attributes:
        said: its reports, in order.
    """

    def __init__(self, process: asyncio.subprocess.Process, bell: Bell) -> None:
        self.said: list[dict[str, Any]] = []
        self._process = process
        self._bell = bell
        self._hearing = asyncio.create_task(self._hear())
        self._reading = asyncio.create_task(self._read())

    def tell(self, do: str, **fields: Any) -> None:
        """Tell it to do something."""
        assert self._process.stdin is not None
        line = json.dumps({"do": do, **fields}) + "\n"
        self._process.stdin.write(line.encode())

    def reports(self, **pattern: Any) -> list[dict[str, Any]]:
        """Return what it said of something."""
        return [said for said in self.said if matches(said, pattern)]

    async def until(self, times: int = 1, **pattern: Any) -> dict[str, Any]:
        """Wait until it has said something so often, and return that."""
        try:
            await self._bell.until(
                lambda: len(self.reports(**pattern)) >= times,
                f"{times} reports {pattern}",
            )
        except Failure as failure:
            raise Failure(f"{failure}; the last were {self.said[-4:]}") from None
        return self.reports(**pattern)[times - 1]

    async def end(self) -> None:
        """Close its input, and see that it ends by itself and without complaint."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_ENDS_WITHIN_S):
                code = await self._process.wait()
        except TimeoutError:
            raise Failure("the driver does not end") from None
        await self._reading
        if code:
            raise Failure(f"the driver ended with {code}: {await self._hearing}")

    async def kill(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(json.loads(line))
            self._bell.ring()
        self._bell.over = f"the driver has ended: {await self._hearing}"
        self._bell.ring()

    async def _hear(self) -> str:
        """Return the end of what it writes to its standard error."""
        assert self._process.stderr is not None
        said = await self._process.stderr.read()
        return said.decode(errors="replace")[-2000:]


@contextlib.asynccontextmanager
async def driving(command: Sequence[str], bell: Bell) -> AsyncIterator[Driver]:
    """Run a driver; it is gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=HOME,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    driver = Driver(process, bell)
    try:
        yield driver
    finally:
        await driver.kill()
