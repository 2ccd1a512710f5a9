"""Programs for Node, run by the tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from real_server import wait_until

__all__ = [
    "ENVIRONMENT",
    "NODE",
    "SDK",
    "SDK_NAME",
    "NodeProgram",
    "node",
    "run_node",
    "tool",
]

SDK = Path(__file__).parents[2] / "clients" / "javascript"
SDK_NAME = "ncs-javascript-sdk"
NODE = Path(sys.executable).with_name("node")
ENVIRONMENT = {**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}"}


def tool(name: str, *words: str, cwd: Path = SDK) -> str:
    """Run npm or a tool of the SDK to its end, and return what it said."""
    folder = NODE.parent if name == "npm" else SDK / "node_modules" / ".bin"
    ran = subprocess.run(
        [folder / name, *words],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return ran.stdout


async def run_node(program: Path, cwd: Path, **env: str) -> str:
    """Run a program to its end, which has to be a good one; return what it said."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env={**ENVIRONMENT, **env},
    )
    async with asyncio.timeout(90):
        output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()
    return output.decode()


class NodeProgram:
    """A program that writes lines of JSON, and reads such lines.

    Attributes:
        said: all that it has written.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.said: list[dict[str, Any]] = []
        self.process = process
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(json.loads(line))

    def all(self, word: str) -> list[Any]:
        """Return what it said of something, in order."""
        return [line[word] for line in self.said if word in line]

    def last(self, word: str, otherwise: Any = None) -> Any:
        """Return what it said last of something."""
        return next((s[word] for s in reversed(self.said) if word in s), otherwise)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition; fail at once if the program has ended."""

        def is_so() -> object:
            assert self.process.returncode is None, self.said[-5:]
            return condition()

        try:
            await wait_until(is_so, within_s=60)
        except TimeoutError:
            acks = ("acked", "clusters", "reconnect")
            said = [s for s in self.said if s.keys().isdisjoint(acks)]
            raise AssertionError(f"it said {said[:60]} ... {said[-9:]}") from None

    def tell(self, command: Any) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    async def ended(self) -> int:
        """Close its input, and return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(60):
            code = await self.process.wait()
        await self._reading
        return code


@contextlib.asynccontextmanager
async def node(script: Path, **env: str) -> AsyncIterator[NodeProgram]:
    """Run a program, and end it with the body."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        script,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**ENVIRONMENT, **env},
    )
    program = NodeProgram(process)
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await program.ended()
