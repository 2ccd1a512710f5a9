"""What the benchmarks share: a client that may do all, and percentiles."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import numpy as np

from ncs_client import AsyncNCSClient

from ..cli.child import ServerProcess

__all__ = ["admin_client", "percentile_ms"]


@contextlib.asynccontextmanager
async def admin_client(server: ServerProcess) -> AsyncIterator[AsyncNCSClient]:
    """Give a client of a fresh development server."""
    async with AsyncNCSClient(server.url) as client:
        await client.login("admin", "admin123")
        yield client


def percentile_ms(seconds: list[float], q: float) -> float:
    """Return the `q`-th percentile in milliseconds; 0 for none."""
    return round(1000 * float(np.percentile(seconds, q)), 3) if seconds else 0.0
