"""What the benchmarks share: the machine, a client that may do all, percentiles."""

from __future__ import annotations

import contextlib
import functools
import platform
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import psutil

from ncs_client import AsyncNCSClient

from .. import __version__
from ..processes import ServerProcess

__all__ = ["admin_client", "cpu_clock", "machine", "percentile_ms"]


@contextlib.asynccontextmanager
async def admin_client(server: ServerProcess) -> AsyncIterator[AsyncNCSClient]:
    """Give a client of a fresh development server."""
    async with AsyncNCSClient(server.url) as client:
        await client.login("admin", "admin123")
        yield client


def percentile_ms(seconds: list[float], q: float) -> float:
    """Return the `q`-th percentile in milliseconds; 0 for none."""
    return round(1000 * float(np.percentile(seconds, q)), 3) if seconds else 0.0


def cpu_clock(pid: int) -> Callable[[], float]:
    """Return a clock of the processor seconds that a process has used."""
    if platform.system() == "Linux":  # psutil sees 10 ms steps there
        return functools.partial(time.clock_gettime, (~pid << 3) | 2)
    process = psutil.Process(pid)
    return lambda: sum(process.cpu_times()[:2])


def machine() -> dict[str, Any]:
    """Return what a figure has to be read with."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": psutil.cpu_count(),
    }
