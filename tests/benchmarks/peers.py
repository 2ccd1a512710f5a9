"""The peers: how each is started, what it needs, and what sets its broadcast off."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
from readers import NATS_SUBJECT, Nats, PeerReader
from websockets.asyncio.client import connect

__all__ = ["PEERS", "Load", "Peer", "Running"]

_SERVERS = Path(__file__).parent / "servers"
_START_S = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Load:
    """What is broadcast.

    Attributes:
        subscribers: who get it.
        events: that each of them gets.
        size: bytes of an event's payload.
    """

    subscribers: int
    events: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A peer that runs.

    Attributes:
        url: where subscribers connect.
        pid: of the process.
        make: makes subscribers.
        go: sets the broadcast off.
    """

    url: str
    pid: int
    make: Callable[..., Any]
    go: Callable[[], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """A row of the table.

    Attributes:
        name: shown.
        run: starts it with a load, and ends it.
        is_here: whether what it needs is installed.
    """

    name: str
    run: Callable[[Load], contextlib.AbstractAsyncContextManager[Running]]
    is_here: Callable[[], bool]


@contextlib.asynccontextmanager
async def _program(
    *words: str, **env: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # every reader that goes is told of
        env={**os.environ, **env},
    )
    core = (psutil.Process().cpu_affinity() or [0])[:1]
    psutil.Process(process.pid).cpu_affinity(core)
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def _websocket_peer(*words: str, more: tuple[str, ...] = ()) -> Callable[[Load], Any]:
    """Return how to run a server that broadcasts when someone says something."""

    @contextlib.asynccontextmanager
    async def run(load: Load) -> AsyncIterator[Running]:
        arguments = (*words, str(load.events), str(load.size), *more)
        async with _program(*arguments) as process, asyncio.timeout(None) as limit:
            assert process.stdout is not None
            limit.reschedule(asyncio.get_running_loop().time() + _START_S)
            port = int(await process.stdout.readline())
            limit.reschedule(None)
            url = f"ws://127.0.0.1:{port}/ws"
            async with connect(url, compression=None, max_queue=None) as control:
                yield Running(url, process.pid, PeerReader, lambda: control.send(b"go"))

    return run


def _nats_peer(at_once: int) -> Callable[[Load], Any]:
    """Return how to run a nats-server that gets so many messages in one go."""
    return functools.partial(_nats, at_once)


@contextlib.asynccontextmanager
async def _nats(at_once: int, load: Load) -> AsyncIterator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nats.conf")
        config.write_text(  # noqa: ASYNC240 - nothing else runs yet
            f'host: "127.0.0.1"\nport: -1\nports_file_dir: "{folder}"\n'
            'websocket { host: "127.0.0.1", port: -1, no_tls: true }\n'
        )
        async with _program(
            "nats-server", "-c", str(config), GOMAXPROCS="1"
        ) as process:
            async with asyncio.timeout(_START_S):
                while not (found := _ports_files(folder)):
                    await asyncio.sleep(0.01)
            ports = json.loads(found[0])
            head = b"MSG %b 1 %d\r\n" % (NATS_SUBJECT, load.size)
            host, port = ports["nats"][0].removeprefix("nats://").split(":")

            async def go() -> None:
                reader, writer = await asyncio.open_connection(host, int(port))
                publish = b"PUB %b %d\r\n" % (NATS_SUBJECT, load.size)
                message = publish + b"x" * load.size + b"\r\n"
                writer.write(b'CONNECT {"verbose":false}\r\n')
                for _ in range(0, load.events, at_once):
                    # The answer comes when the server has queued them for everybody.
                    writer.write(message * at_once + b"PING\r\n")
                    await reader.readuntil(b"PONG\r\n")

            yield Running(ports["websocket"][0], process.pid, Nats(head), go)


def _ports_files(folder: str) -> list[str]:
    """Return what the server has written about its ports, once it has."""
    return [text for f in Path(folder).glob("*.ports") if (text := f.read_text())]


def _has(*modules: str) -> Callable[[], bool]:
    return lambda: all(importlib.util.find_spec(name) for name in modules)


def _has_ws() -> bool:
    is_here = Path(os.environ.get("NODE_PATH", "."), "ws").is_dir()
    return is_here and shutil.which("node") is not None


def _python(name: str, *more: str) -> Callable[[Load], Any]:
    server = str(_SERVERS / f"{name}_server.py")
    return _websocket_peer(sys.executable, server, more=more)


PEERS = (
    Peer(
        "Starlette, uvicorn",
        _python("starlette"),
        _has("starlette", "uvicorn", "uvloop"),
    ),
    Peer("websockets.broadcast", _python("websockets"), _has("websockets")),
    Peer("aiohttp send_bytes", _python("aiohttp"), _has("aiohttp")),
    Peer("picows", _python("picows"), _has("picows", "uvloop")),
    Peer(
        "ws on Node", _websocket_peer("node", str(_SERVERS / "ws_server.cjs")), _has_ws
    ),
    *(
        Peer(
            f"nats-server, {number} in one go",
            _nats_peer(number),
            lambda: shutil.which("nats-server") is not None,
        )
        for number in (1, 10, 100)
    ),
    *(
        Peer(
            f"nothing but send(), {number} in one go",
            _python("floor", str(number)),
            lambda: True,
        )
        for number in (1, 10, 100)
    ),
)
