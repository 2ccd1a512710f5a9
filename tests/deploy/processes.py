"""A real server and a real Prometheus, each a process for the length of a ``with``."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .tools import tool

_START_S = 40.0
_STOP_S = 15.0
_POLL_S = 0.1

_T = TypeVar("_T")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_until(ask: Callable[[], _T], deadline: float, what: str) -> _T:
    """Ask until the answer is true, and return it; ask once if it is too late."""
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(_POLL_S)
    return answer


def get(port: int, path: str, **query: str) -> tuple[int, bytes]:
    """Return status and body of a page of this machine; 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionError:
        return 0, b""
    finally:
        connection.close()


def get_json(port: int, path: str, **query: str) -> Any:
    """Return the data of an answer of Prometheus."""
    status, body = get(port, path, **query)
    assert status == 200, f"{path} {query}: {status} {body.decode()}"
    return json.loads(body)["data"]


def _environment() -> dict[str, str]:
    """Return ours, without settings of the server, and good in any folder."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("NCS_")}
    folders = env.get("PYTHONPATH", "").split(os.pathsep)
    env["PYTHONPATH"] = os.pathsep.join(str(Path(f).resolve()) for f in folders if f)
    return env


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in `folder` from when it is ready until the end of the body."""
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:

        def up() -> bool:
            assert process.poll() is None, f"{command[0]} ended:\n{log.read_text()}"
            return ready()

        wait_until(up, time.monotonic() + _START_S, f"{command} to be ready, see {log}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def server(folder: Path, port: int, metrics_port: int, *flags: str) -> Iterator[None]:
    """Run a server of development with its data in `folder`."""
    command = [sys.executable, "-m", "ncs_streamer", "serve"]
    command += ["--data-dir", str(folder / "data"), "--port", str(port)]
    command += ["--metrics-port", str(metrics_port), *flags]
    with running(command, folder, lambda: get(port, "/readyz")[0] == 200):
        yield


@contextlib.contextmanager
def prometheus(folder: Path, port: int, config: Path) -> Iterator[None]:
    """Run Prometheus with its data in `folder`."""
    command = [tool("prometheus"), f"--config.file={config}", "--log.level=warn"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    command += [f"--storage.tsdb.path={folder / 'data'}"]
    with running(command, folder, lambda: get(port, "/-/ready")[0] == 200):
        yield
