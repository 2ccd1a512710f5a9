"""Broadcast with `websockets.broadcast`: `websockets_server.py EVENTS BYTES`."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

EVENTS, PAYLOAD = int(sys.argv[1]), b"x" * int(sys.argv[2])
subscribers: set[ServerConnection] = set()


async def keep(connection: ServerConnection) -> None:
    """Keep a subscriber; whoever says something starts the broadcast."""
    subscribers.add(connection)
    try:
        async for _ in connection:
            subscribers.discard(connection)
            for _ in range(EVENTS):
                broadcast(subscribers, PAYLOAD)
                await asyncio.sleep(0)
    finally:
        subscribers.discard(connection)


async def main() -> None:
    """Serve until killed."""
    async with serve(
        keep, "127.0.0.1", 0, compression=None, backlog=2048, open_timeout=60
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
