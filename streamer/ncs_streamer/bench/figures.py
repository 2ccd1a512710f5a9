"""What the benchmarks share: the machine, a client that may do all, percentiles."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import psutil

from ncs_client import AsyncNCSClient

from .. import __version__
from ..cli.child import ServerProcess

__all__ = ["admin_client", "machine", "percentile_ms"]


@contextlib.asynccontextmanager
async def admin_client(server: ServerProcess) -> AsyncIterator[AsyncNCSClient]:
    """Give a client of a fresh development server."""
    async with AsyncNCSClient(server.url) as client:
        await client.login("admin", "admin123")
        yield client


def percentile_ms(seconds: list[float], q: float) -> float:
    """Return the `q`-th percentile in milliseconds; 0 for none."""
    return round(1000 * float(np.percentile(seconds, q)), 3) if seconds else 0.0


def machine() -> dict[str, Any]:
    """Return what a figure has to be read with."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": psutil.cpu_count(),
    }
