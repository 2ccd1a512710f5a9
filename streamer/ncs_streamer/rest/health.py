"""How the server is: for people, balancers and Prometheus."""

from __future__ import annotations

from typing import Any, Literal

from aiohttp import web

from ncs_engine import kernel_info

from .. import __version__
from ..server import Phase, Server
from .context import reply, server_of
from .shapes import Health

__all__ = ["health", "livez", "metrics", "readyz"]

_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

Condition = Literal["starting", "healthy", "degraded", "unhealthy", "draining"]


async def health(request: web.Request) -> web.Response:
    """Tell status, version, uptime and components; 503 while unhealthy."""
    server = server_of(request)
    uptime = server.clock.monotonic() - server.started_at
    condition = condition_of(server)
    store = "healthy" if server.committer.healthy else "unhealthy"
    return reply(
        Health(
            status=condition,
            timestamp=server.clock.now(),
            uptime=uptime,
            uptime_seconds=uptime,
            version=__version__,
            algorithm_ready=server.phase is Phase.SERVING,
            components={
                "database": {"status": store, "type": server.settings.store_kind},
                "redis": {
                    "status": store
                    if server.settings.store_kind == "redis"
                    else "not_configured"
                },
                "engine": {
                    "status": _engine_status(server),
                    "kernel": str(kernel_info()),
                },
                "journal": _journal(server) | {"durability": server.store.durability},
                "cluster": {"status": _trouble(server) or "healthy"}
                if server.cluster is not None
                else {"status": "not_configured"},
            },
        ),
        status=503 if condition == "unhealthy" else 200,
    )


def condition_of(server: Server) -> Condition:
    """Return the one word for how the server is.

    `unhealthy`: nothing can be acknowledged; `degraded`: one stream's engine failed, or
    at the start one's journal was damaged, or gave something else than before for no
    reason; or this node has no lease, or does not hear the others.
    """
    if server.phase is Phase.STARTING:
        return "starting"
    if server.phase is Phase.DRAINING:
        return "draining"
    if not server.committer.healthy:
        return "unhealthy"
    if server.cluster is not None and server.cluster.is_draining:
        return "draining"
    parts = (_engine_status(server), _journal(server)["status"], _trouble(server))
    return (
        "degraded" if any(part not in ("", "healthy") for part in parts) else "healthy"
    )


def _trouble(server: Server) -> str:
    """Return what keeps this node from its part in a cluster; empty if nothing does."""
    return "" if server.cluster is None else server.cluster.trouble


def _engine_status(server: Server) -> str:
    broken = any(stream.broken for stream in server.streams.all())
    return "degraded" if broken else "healthy"


def _journal(server: Server) -> dict[str, Any]:
    """Return how the journals replayed at the start; no names: anyone may ask."""
    divergences = server.streams.divergences.values()
    expected = sum(divergence.is_expected for divergence in divergences)
    unexplained = len(divergences) - expected
    damaged = len(server.streams.damaged)
    return {
        "status": "degraded" if unexplained or damaged else "healthy",
        "streams_damaged": damaged,
        "streams_diverged": unexplained,
        "streams_of_another_engine": expected,
    }


async def livez(request: web.Request) -> web.Response:
    """Answer as long as the event loop runs."""
    return reply({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """Answer 200 while the server should get traffic, else 503 and why.

    With a damaged stream too: nobody else can serve it, nor the others meanwhile.
    """
    server = server_of(request)
    if server.ready:
        if damaged := len(server.streams.damaged):
            return reply({"status": "degraded", "streams_damaged": damaged})
        return reply({"status": "ready"})
    condition = condition_of(server)
    progress = server.streams.progress
    if condition == "starting" and progress.streams:
        left = progress.as_dict(server.clock.monotonic())
        return reply({"status": "recovering"} | left, status=503)
    detail = f"not ready: {_trouble(server) or condition}"
    return reply({"status": condition, "detail": detail}, status=503)


async def metrics(request: web.Request) -> web.Response:
    """Give Prometheus its scrape."""
    body = server_of(request).metrics.exposition()
    return web.Response(body=body, headers={"Content-Type": _EXPOSITION})
