"""What a flooding tenant costs a quiet one: its acks, idle and beside each flood.

The flood comes from a process of its own that sends as fast as it is let, over several
connections and streams; the quiet tenant sends a single point every 20 ms. Everything
shares the machine, so part of what the flood costs is use of its processors and disk:
as much as the same flood costs when it goes to another server. What other programs do
to the figures is in all of them but one: how much processor time the server spent, for
whomever, between the sending of a point and its ack.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from typing import Any, NamedTuple

import numpy as np

from ncs_client import AsyncNCSClient

from ..auth import TokenIssuer
from ..processes import ServerProcess
from .figures import cpu_clock, percentile_ms
from .flood import FLOODS, flooding

__all__ = ["SECRET", "bench_fairness"]

SECRET = "a secret for this benchmark alone, on a server of its own"  # noqa: S105
"""What the measured server has to sign its tokens with."""

_EVERY_S = 0.02
_WARM_UP_S = 1.0
_IDLE_CPU = 0.1  # of a core
_WARM_POINTS = 20_000  # of the flood: models that are young cost more
_DIMENSION = 10


class _Ack(NamedTuple):
    """What one took."""

    latency_s: float
    server_cpu_s: float


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
        acks of the quiet tenant, their latency, the server's processor time meanwhile,
        and how many times that of the first row, and of the row to the other server,
        its p99 is.
    """
    issuer = TokenIssuer(SECRET, 3600.0)
    flood_token = _token(issuer, "flood")
    pid = server.process.pid
    async with AsyncNCSClient(server.url, api_key=_token(issuer, "quiet")) as client:
        await _trickle(client, pid, _WARM_UP_S)
        rows = [_row("none", "", 0, seconds, await _trickle(client, pid, seconds))]
        targets = {"another server": elsewhere.url, "this server": server.url}
        for name, (to, url) in itertools.product(FLOODS, targets.items()):
            with flooding(url, flood_token, name) as acknowledged:
                while acknowledged.value < _WARM_POINTS:
                    await _trickle(client, pid, _WARM_UP_S)
                before = acknowledged.value
                acks = await _trickle(client, pid, seconds)
                flood = acknowledged.value - before
            rows.append(_row(name, to, flood, seconds, acks))
            for flooded in (server, elsewhere):
                await _idle(flooded.process.pid)
    elsewhere_ms = {
        row["flood"]: row["p99_latency_ms"]
        for row in rows
        if row["to"] == "another server"
    }
    for row in rows:
        p99 = row["p99_latency_ms"]
        row["p99_to_idle"] = round(p99 / rows[0]["p99_latency_ms"], 2)
        row["p99_to_elsewhere"] = round(p99 / elsewhere_ms.get(row["flood"], p99), 2)
    return rows


def _row(
    name: str, to: str, flood: int, seconds: float, acks: list[_Ack]
) -> dict[str, Any]:
    latencies = [ack.latency_s for ack in acks]
    return {
        "flood": name,
        "to": to,
        "flood_points_per_second": round(flood / seconds),
        "acks": len(acks),
        "p50_latency_ms": percentile_ms(latencies, 50),
        "p99_latency_ms": percentile_ms(latencies, 99),
        "max_latency_ms": percentile_ms(latencies, 100),
        "p50_server_cpu_ms": percentile_ms([ack.server_cpu_s for ack in acks], 50),
    }


async def _idle(pid: int) -> None:
    """Wait until a server has worked off what a flood has left in it."""
    clock = cpu_clock(pid)
    used = math.inf
    while used > _IDLE_CPU:
        used = -clock()
        await asyncio.sleep(1.0)
        used += clock()


def _token(issuer: TokenIssuer, tenant: str) -> str:
    scopes = ("read", "write")
    return issuer.issue(subject=tenant, tenant=tenant, scopes=scopes, now=time.time())


async def _trickle(client: AsyncNCSClient, pid: int, seconds: float) -> list[_Ack]:
    """Send a point every 20 ms to process `pid`; return what each ack took."""
    point, acks, clock = np.zeros((1, _DIMENSION), np.float32), [], cpu_clock(pid)
    async with client.stream(streams=["quiet"]) as session:
        ends = time.perf_counter() + seconds
        while (began := time.perf_counter()) < ends:
            used = clock()
            await session.send(point, stream="quiet")
            latency = time.perf_counter() - began
            acks.append(_Ack(latency, clock() - used))
            await asyncio.sleep(max(0.0, began + _EVERY_S - time.perf_counter()))
    return acks
