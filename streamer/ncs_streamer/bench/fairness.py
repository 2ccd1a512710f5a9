"""What a flooding tenant costs a quiet one: its acks, idle and beside each flood.

The flood comes from a process of its own that sends as fast as it is let, over several
connections and streams; the quiet tenant sends a single point every 20 ms. Everything
shares the machine, so part of what the flood costs is use of its processors and disk:
as much as the same flood costs when it goes to another server.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import numpy as np

from ncs_client import AsyncNCSClient

from ..auth import TokenIssuer
from ..cli.child import ServerProcess
from .figures import percentile_ms
from .flood import FLOODS, flooding

__all__ = ["SECRET", "bench_fairness"]

SECRET = "a secret for this benchmark alone, on a server of its own"  # noqa: S105
"""What the measured server has to sign its tokens with."""

_EVERY_S = 0.02
_WARM_UP_S = 1.0
_WARM_POINTS = 20_000  # of the flood: models that are young cost more
_DIMENSION = 10


async def bench_fairness(
    server: ServerProcess, elsewhere: ServerProcess, *, seconds: float
) -> list[dict[str, Any]]:
    """Measure the quiet tenant's acks alone and beside every flood.

    Args:
        server: running, with `SECRET`.
        elsewhere: another one like it, on the same machine.
        seconds: to measure for, per row.

    Returns:
        One row without a flood, and two per flood, to the other server and to this one:
        acks of the quiet tenant, their latency, and how many times that of the first
        row its p99 is.
    """
    issuer = TokenIssuer(SECRET, 3600.0)
    flood_token = _token(issuer, "flood")
    async with AsyncNCSClient(server.url, api_key=_token(issuer, "quiet")) as client:
        await _trickle(client, _WARM_UP_S)
        rows = [_row("none", "", 0, seconds, await _trickle(client, seconds))]
        targets = {"another server": elsewhere.url, "this server": server.url}
        for name, (to, url) in itertools.product(FLOODS, targets.items()):
            with flooding(url, flood_token, name) as acknowledged:
                while acknowledged.value < _WARM_POINTS:
                    await _trickle(client, _WARM_UP_S)
                before = acknowledged.value
                latencies = await _trickle(client, seconds)
                flood = acknowledged.value - before
            rows.append(_row(name, to, flood, seconds, latencies))
    for row in rows:
        ratio = row["p99_latency_ms"] / rows[0]["p99_latency_ms"]
        row["p99_to_idle"] = round(ratio, 2)
    return rows


def _row(
    name: str, to: str, flood: int, seconds: float, latencies: list[float]
) -> dict[str, Any]:
    return {
        "flood": name,
        "to": to,
        "flood_points_per_second": round(flood / seconds),
        "acks": len(latencies),
        "p50_latency_ms": percentile_ms(latencies, 50),
        "p99_latency_ms": percentile_ms(latencies, 99),
        "max_latency_ms": percentile_ms(latencies, 100),
    }


def _token(issuer: TokenIssuer, tenant: str) -> str:
    scopes = ("read", "write")
    return issuer.issue(subject=tenant, tenant=tenant, scopes=scopes, now=time.time())


async def _trickle(client: AsyncNCSClient, seconds: float) -> list[float]:
    """Send a point every 20 ms; return how long each waited for its ack."""
    point, latencies = np.zeros((1, _DIMENSION), np.float32), []
    async with client.stream(streams=["quiet"]) as session:
        ends = time.perf_counter() + seconds
        while (began := time.perf_counter()) < ends:
            await session.send(point, stream="quiet")
            latencies.append(time.perf_counter() - began)
            await asyncio.sleep(max(0.0, began + _EVERY_S - time.perf_counter()))
    return latencies
