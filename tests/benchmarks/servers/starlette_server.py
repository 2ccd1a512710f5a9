"""Broadcast with Starlette on uvicorn: `starlette_server.py EVENTS BYTES`."""

from __future__ import annotations

import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

EVENTS, PAYLOAD = int(sys.argv[1]), b"x" * int(sys.argv[2])
subscribers: set[WebSocket] = set()


async def serve(websocket: WebSocket) -> None:
    """Keep a subscriber; whoever says something starts the broadcast."""
    await websocket.accept()
    subscribers.add(websocket)
    try:
        await websocket.receive_bytes()
        subscribers.discard(websocket)
        for _ in range(EVENTS):
            for subscriber in subscribers:
                await subscriber.send_bytes(PAYLOAD)
    except WebSocketDisconnect:
        subscribers.discard(websocket)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[WebSocketRoute("/ws", serve)])
    config = uvicorn.Config(
        app, loop="uvloop", log_level="error", ws_per_message_deflate=False
    )
    uvicorn.Server(config).run(sockets=[listener])
