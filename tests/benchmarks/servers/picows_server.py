"""Broadcast with picows: `picows_server.py EVENTS BYTES`."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

EVENTS, PAYLOAD = int(sys.argv[1]), b"x" * int(sys.argv[2])
subscribers: set[WSTransport] = set()
tasks: set[asyncio.Task[None]] = set()


class Keep(WSListener):
    """Keeps a subscriber; whoever says something starts the broadcast."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take it in."""
        subscribers.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Begin to broadcast."""
        subscribers.discard(transport)
        tasks.add(asyncio.get_running_loop().create_task(broadcast()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Let it go."""
        subscribers.discard(transport)


async def broadcast() -> None:
    """Send all events to all subscribers."""
    for _ in range(EVENTS):
        for subscriber in subscribers:
            subscriber.send(WSMsgType.BINARY, PAYLOAD)
        await asyncio.sleep(0)


async def main() -> None:
    """Serve until killed."""
    server = await ws_create_server(
        lambda request: Keep(), "127.0.0.1", 0, backlog=2048, enable_auto_ping=False
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
