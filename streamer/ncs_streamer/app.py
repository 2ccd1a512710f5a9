"""The composition root: a server, its HTTP application, its listeners."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from .cluster.service import serve_peer
from .door import Door, GuardedSite, watched
from .logs import get_log, without_what_was_sent
from .redis_address import without_password
from .rest.context import IS_OF_NODES, SERVER
from .rest.health import metrics
from .rest.middleware import middlewares
from .rest.routes import ROUTES
from .rest.table import ROUTE_TABLE
from .server import Server
from .settings import Settings
from .store import Store
from .stores import make_store
from .websocket import websocket

__all__ = ["ListenError", "make_app", "running", "serve"]

log = get_log()


class ListenError(Exception):
    """An address cannot be listened on; the message says which and what to do."""


def make_app(server: Server) -> web.Application:
    """Return the application of one server."""
    app = web.Application(
        middlewares=(watched, *middlewares),
        client_max_size=server.limits.max_frame_bytes,
    )
    app[SERVER] = server
    app[IS_OF_NODES] = False
    app[ROUTE_TABLE] = {route.handler: route for route in ROUTES}
    for route in ROUTES:
        for path in (route.path, *route.aliases):
            app.router.add_route(route.method, path, route.handler)
            if route.method == "GET":
                app.router.add_route("HEAD", path, route.handler)
    app.router.add_get("/ws", websocket)
    return app


def make_cluster_app(server: Server) -> web.Application:
    """Return the application that answers the other nodes, and nobody else."""
    streams = server.cluster
    assert streams is not None
    app = web.Application(
        middlewares=(watched, *middlewares),
        client_max_size=server.limits.max_frame_bytes,
    )
    app[SERVER] = server
    app[IS_OF_NODES] = True
    served = [route for route in ROUTES if route.scope is not None]
    app[ROUTE_TABLE] = {route.handler: route for route in served}
    for route in served:
        for path in (route.path, *route.aliases):
            app.router.add_route(route.method, path, route.handler)

    async def peer(request: web.Request) -> web.StreamResponse:
        return await serve_peer(request, streams)

    app.router.add_get("/peer", peer)
    return app


def make_metrics_app(server: Server) -> web.Application:
    """Return the application of the separate metrics port."""
    app = web.Application(middlewares=(watched,))
    app[SERVER] = server
    app[IS_OF_NODES] = False
    app.router.add_get("/metrics", metrics)
    return app


@contextlib.asynccontextmanager
async def running(
    settings: Settings, store: Store | None = None
) -> AsyncIterator[tuple[Server, int]]:
    """Run a server; the body gets it, and the port that it listens on.

    It listens before the streams are recovered, so that health can be asked meanwhile.

    Args:
        settings: in force.
        store: not opened yet; None takes the one that the settings name.

    Raises:
        ListenError: if an address is taken or not allowed.
        StoreError: if the store cannot be used.
    """
    logging.getLogger("aiohttp.server").addFilter(without_what_was_sent)
    server = Server(settings, store or make_store(settings))
    runner = web.AppRunner(
        make_app(server), access_log=None, handle_signals=False, shutdown_timeout=1.0
    )
    metrics_runner = web.AppRunner(make_metrics_app(server), access_log=None)
    cluster_runner: web.AppRunner | None = None
    serving, door = False, server.door
    sweeping = asyncio.create_task(door.run())
    try:
        server.take_folder()
        port = await _listen(runner, door, settings.listen_host, settings.port, "port")
        metrics_port = settings.metrics_port
        if metrics_port is not None:
            metrics_port = await _listen(
                metrics_runner,
                door,
                settings.metrics_host,
                metrics_port,
                "metrics_port",
            )
        if server.cluster is not None:
            cluster_runner = web.AppRunner(
                make_cluster_app(server), access_log=None, shutdown_timeout=1.0
            )
            address = await _listen_to_nodes(cluster_runner, settings)
            server.cluster.listens_at(address)
        await server.start()
        log.info(
            "serving",
            url=f"http://{settings.listen_host}:{port}",
            metrics_port=metrics_port,
            node=None if server.cluster is None else server.cluster.me,
            store=without_password(settings.store),
            durability=server.store.durability,
            streams=len(server.streams),
        )
        serving = True
        yield server, port
    finally:
        try:
            await server.stop()
        finally:
            await runner.cleanup()
            await metrics_runner.cleanup()
            if cluster_runner is not None:
                await cluster_runner.cleanup()
            sweeping.cancel()
            if serving:
                log.info("stopped")


async def serve(settings: Settings, on_ready: Callable[[int], None]) -> None:
    """Run a server until SIGTERM or SIGINT.

    Args:
        settings: in force.
        on_ready: called with the port once the server takes points.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with running(settings) as (_, port):
        on_ready(port)
        await stop.wait()
        log.info("draining")


async def _listen_to_nodes(runner: web.AppRunner, settings: Settings) -> str:
    """Listen to the other nodes; return where they reach this one.

    Not through the door: how many there are, and what they send, is known.
    """
    await runner.setup()
    host = settings.cluster_host
    try:
        await web.TCPSite(runner, host, settings.cluster_port).start()
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host}:{settings.cluster_port} (cluster_port): {error}"
        ) from None
    port = int(runner.addresses[0][1])
    return settings.cluster_address or f"{host}:{port}"


async def _listen(
    runner: web.AppRunner, door: Door, host: str, port: int, setting: str
) -> int:
    await runner.setup()
    site = GuardedSite(runner, door, host, port)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                f"{host}:{port} is in use by another program; stop it, or choose"
                f" another with --{setting.replace('_', '-')}"
            ) from None
        raise ListenError(f"cannot listen on {host}:{port}: {error}") from None
    address = runner.addresses[0]
    return int(address[1])
