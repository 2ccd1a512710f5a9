"""What a cluster's points cost: rates, processor seconds, commands to Redis.

Nodes, clients and Redis share this machine, so that more nodes are not faster here.
What a point costs each of them is what can be carried to other machines; `extrapolate`
does so, and says what it takes for granted.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_client import StreamSession

from ..cluster.placement import preferred
from ..store import StreamKey
from .cluster_site import TENANT, Site, site
from .ingest import blobs

__all__ = ["bench_commands", "bench_cost", "extrapolate"]

FRAME = 1000
"""Points of a frame."""
ROUTES = ("owner", "any node")
_DIMENSION = 10
_WINDOW = 8  # frames on their way, of each session
_STREAMS_PER_NODE = 2
_IDLE_S = 2.0
_WARM_UP_S = 2.0
_SIZES = (1, 2, 3, 6, 12)  # of clusters that are extrapolated


async def bench_cost(
    *, nodes: tuple[int, ...], seconds: float, lease_s: float
) -> list[dict[str, Any]]:
    """Measure clusters of each size, flat out.

    Every stream has as many producers as there are nodes. They are connected to its
    owner, or one to every node, so that all but one in that many send to another one.

    Args:
        nodes: sizes.
        seconds: to push for, a row.
        lease_s: of the nodes.

    Returns:
        A row for each size and route.
    """
    pool, rows = blobs(_DIMENSION), []
    for count in nodes:
        async with site(count, lease_s) as on:
            streams = _streams(on.names)
            for stream in streams:
                await on.clients[on.names[0]].process_points(
                    pool[:1].tolist(), stream=stream
                )
            for route in ROUTES[: None if count > 1 else 1]:
                rows.append(await _row(on, streams, route, pool, seconds))
    return rows


async def _row(
    on: Site,
    streams: list[str],
    route: str,
    pool: NDArray[np.float32],
    seconds: float,
) -> dict[str, Any]:
    owners = await on.settled(streams)
    ways = [
        (stream, owners[stream] if route == "owner" else name)
        for stream, name in itertools.product(streams, on.names)
    ]
    sessions = [
        on.clients[via].stream(streams=[stream], max_unacknowledged=_WINDOW)
        for stream, via in ways
    ]
    await asyncio.gather(*(session.open() for session in sessions))

    async def push(seconds: float) -> list[int]:
        until = time.perf_counter() + seconds
        pairs = zip(sessions, ways, strict=True)
        pushes = (_push(session, stream, pool, until) for session, (stream, _) in pairs)
        return await asyncio.gather(*pushes)

    await push(min(_WARM_UP_S, seconds))  # models that are young cost more
    applied = await on.applied(streams)
    cpu, commands, began = on.cpu_seconds(), await on.commands(), time.perf_counter()
    acked = await push(seconds)
    took = time.perf_counter() - began
    commands = await on.commands() - commands
    used = [now - was for now, was in zip(on.cpu_seconds(), cpu, strict=True)]
    applied = await on.applied(streams) - applied
    await asyncio.gather(*(session.close() for session in sessions))
    pairs = zip(acked, ways, strict=True)
    local = sum(count for count, (stream, via) in pairs if owners[stream] == via)
    total = sum(acked)
    nodes_s, clients_s, redis_s = (seconds * 1e6 / total for seconds in used)
    return {
        "nodes": len(on.names),
        "clients_at": route,
        "local_share": round(local / total, 3),
        "points_per_second": round(total / took),
        "points_acked": total,
        "points_applied": applied,
        "node_cpu_s_per_million": round(nodes_s, 3),
        "client_cpu_s_per_million": round(clients_s, 3),
        "redis_cpu_s_per_million": round(redis_s, 3),
        "redis_share": round(used[2] / sum(used), 3),
        "commands_per_1000_points": round(1000 * commands.total() / total, 2),
    }


def _streams(names: list[str]) -> list[str]:
    """Return names of streams, as many of which belong to each node."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for number in itertools.count():
        if all(len(streams) == _STREAMS_PER_NODE for streams in found.values()):
            return [stream for streams in found.values() for stream in streams]
        stream = f"s{number}"
        belongs = preferred(StreamKey(TENANT, stream), names)
        assert belongs is not None
        if len(found[belongs]) < _STREAMS_PER_NODE:
            found[belongs].append(stream)
    raise AssertionError


async def _push(
    session: StreamSession, stream: str, pool: NDArray[np.float32], until: float
) -> int:
    """Push flat out; return how many points were acknowledged."""
    acks = []
    for first in itertools.cycle(range(0, len(pool) - FRAME + 1, FRAME)):
        points = pool[first : first + FRAME]
        acks.append(await session.submit(points, stream=stream))
        if time.perf_counter() >= until:
            break
    await asyncio.gather(*acks)
    return FRAME * len(acks)


def extrapolate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Work out larger clusters from what points cost in the largest measured one.

    Args:
        rows: of `bench_cost`.

    Returns:
        The costs that were taken, what is taken for granted, and a row per size.
    """
    most = max(row["nodes"] for row in rows)
    costs = {row["clients_at"]: row for row in rows if row["nodes"] == most}
    at_owner, spread = costs["owner"], costs.get("any node", costs["owner"])
    here = at_owner["node_cpu_s_per_million"]
    away = max(0.0, 1 - spread["local_share"])
    more = spread["node_cpu_s_per_million"] - here
    forward = max(0.0, more / away) if away else 0.0
    redis = max(at_owner["redis_cpu_s_per_million"], spread["redis_cpu_s_per_million"])
    sizes = []
    for count in _SIZES:
        each = here + (1 - 1 / count) * forward
        by_nodes, by_redis = 1e6 * count / each, 1e6 / max(redis, 1e-9)
        sizes.append(
            {
                "nodes": count,
                "points_per_second": round(min(by_nodes, by_redis)),
                "bound_by": "nodes" if by_nodes <= by_redis else "redis",
            }
        )
    return {
        "node_cpu_s_per_million": round(here, 3),
        "forwarding_cpu_s_per_million": round(forward, 3),
        "redis_cpu_s_per_million": round(redis, 3),
        "assumes": [
            "every node uses one core in full and no more, and so does the one Redis",
            "clients, network and Redis' disk keep up, and are on other machines",
            "streams and points are spread evenly over nodes, clients over all nodes",
            f"a point costs what it did here: frames of {FRAME} points, {_DIMENSION}"
            " dimensions, no readers",
        ],
        "sizes": sizes,
    }


async def bench_commands(*, frames: int, lease_s: float) -> list[dict[str, Any]]:
    """Count Redis' commands for frames that come one by one, so that none share any.

    They go to a node that does not own the stream. What the nodes do without points,
    such as to renew leases, is counted beforehand and in a column of its own.

    Args:
        frames: of 1,000 points.
        lease_s: of the nodes.

    Returns:
        A row without readers, and one with a reader on a node that is not the owner.
    """
    pool, rows = blobs(_DIMENSION), []
    async with site(3, lease_s) as on:
        (stream, *_) = _streams(on.names)
        await on.clients[on.names[0]].process_points(pool[:1].tolist(), stream=stream)
        owner = (await on.settled([stream]))[stream]
        elsewhere = [name for name in on.names if name != owner]
        for readers in (0, 1):
            reader = on.clients[elsewhere[-1]].stream()
            async with on.clients[elsewhere[0]].stream(streams=[stream]) as session:
                if readers:
                    await reader.open()
                    await reader.subscribe(stream)
                await session.send(pool[:FRAME], stream=stream)
                idle = await _counted(on, asyncio.sleep(_IDLE_S))
                count = await _counted(on, _one_by_one(session, stream, pool, frames))
            if readers:
                await reader.abort()
            rows.append(_commands_row(readers, frames, idle, count))
    return rows


async def _counted(on: Site, work: Any) -> tuple[float, Counter[str]]:
    """Return what some work took: seconds, and commands."""
    before, began = await on.commands(), time.perf_counter()
    await work
    took = time.perf_counter() - began
    return took, await on.commands() - before


async def _one_by_one(
    session: StreamSession, stream: str, pool: NDArray[np.float32], frames: int
) -> None:
    for number in range(frames):
        first = number * FRAME % len(pool)
        await session.send(pool[first : first + FRAME], stream=stream)


def _commands_row(
    readers: int,
    frames: int,
    idle: tuple[float, Counter[str]],
    count: tuple[float, Counter[str]],
) -> dict[str, Any]:
    idle_s, idle_commands = idle
    took, commands = count
    idle_rate = idle_commands.total() / idle_s
    for_points = max(0.0, commands.total() - idle_rate * took)
    return {
        "readers_elsewhere": readers,
        "points": frames * FRAME,
        "commands_per_1000_points": round(for_points / frames, 2),
        "with_idle_commands": round(commands.total() / frames, 2),
        "idle_commands_per_second": round(idle_rate, 1),
        "by_command": dict(sorted(commands.items())),
    }
