"""Broadcast with aiohttp's `send_bytes`: `aiohttp_server.py EVENTS BYTES`."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

EVENTS, PAYLOAD = int(sys.argv[1]), b"x" * int(sys.argv[2])
subscribers: set[web.WebSocketResponse] = set()


async def keep(request: web.Request) -> web.WebSocketResponse:
    """Keep a subscriber; whoever says something starts the broadcast."""
    connection = web.WebSocketResponse(compress=False)
    await connection.prepare(request)
    subscribers.add(connection)
    async for _ in connection:
        subscribers.discard(connection)
        for _ in range(EVENTS):
            for subscriber in subscribers:
                await subscriber.send_bytes(PAYLOAD)
            await asyncio.sleep(0)
    subscribers.discard(connection)
    return connection


async def main() -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_get("/ws", keep)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
