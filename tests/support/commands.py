"""Running `ncs` as a user would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from real_server import SECRET

__all__ = ["ncs", "start"]


async def start(
    *words: str, cwd: Path | None = None, **env: str
) -> asyncio.subprocess.Process:
    """Start a command."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ncs_streamer",
        *words,
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "SECRET_KEY": SECRET, "COLUMNS": "200", **env},
        # Who runs in the background of a shell ignores it, and so do the children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


async def ncs(
    *words: str,
    stdin: str = "",
    cwd: Path | None = None,
    within_s: float = 60.0,
    **env: str,
) -> tuple[int, str, str]:
    """Run a command to its end; return (exit code, stdout, stderr)."""
    process = await start(*words, cwd=cwd, **env)
    async with asyncio.timeout(within_s):
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
