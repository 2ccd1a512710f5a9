"""What the system calls cost alone: `floor_server.py EVENTS BYTES AT_ONCE`.

No server at all: a loop over the sockets that sends each of them frames which are made
already, so many in one `send`. Nothing that sends from one thread of Python can be
faster by more than what a loop in C would save.
"""

from __future__ import annotations

import selectors
import socket
import sys

from ncs_streamer.opening import open_websocket
from ncs_streamer.wire import control_frame

_BINARY = 2
_HEAD_BYTES = 65536
EVENTS, PAYLOAD, AT_ONCE = int(sys.argv[1]), b"x" * int(sys.argv[2]), int(sys.argv[3])


def shake_hands(sock: socket.socket) -> None:
    """Answer the handshake of a client that sends it in one piece."""
    request = sock.recv(_HEAD_BYTES).decode()
    lines = (line.partition(": ") for line in request.split("\r\n"))
    headers = {name: value for name, _, value in lines}
    sock.sendall(open_websocket(headers, None, deflates=False).response)


def main() -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    subscribers: dict[socket.socket, None] = {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                shake_hands(sock)
                subscribers[sock] = None
                selector.register(sock, selectors.EVENT_READ)
                continue
            assert isinstance(key.fileobj, socket.socket)
            selector.unregister(key.fileobj)
            del subscribers[key.fileobj]
            if key.fileobj.recv(_HEAD_BYTES):  # somebody says something: begin
                broadcast(subscribers)


def broadcast(subscribers: dict[socket.socket, None]) -> None:
    """Send all events to all subscribers."""
    data = control_frame(_BINARY, PAYLOAD) * AT_ONCE
    for _ in range(0, EVENTS, AT_ONCE):
        for subscriber in subscribers:
            subscriber.sendall(data)


if __name__ == "__main__":
    main()
