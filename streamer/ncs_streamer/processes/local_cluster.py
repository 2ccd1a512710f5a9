"""A cluster on this machine: Redis, nodes, and a load balancer in front of them.

For the demo and the benchmark. It is what a real one is, but for the machines: any of
the nodes may be killed meanwhile, and the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from pathlib import Path
from types import TracebackType

from .server import ServerProcess, StartError

__all__ = ["LocalCluster"]

_START_S = 10.0
_PAUSE_S = 0.05
_LEASE_S = 5.0

_BALANCER = """\
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    option redispatch
    option httpchk GET /readyz
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
frontend clients
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance leastconn
"""


class LocalCluster:
    """Its processes, within ``async with``.

    Args:
        count: of nodes.
        port: of the load balancer; 0 picks a free one, None leaves it out.
        folder: for Redis' data, the balancer's configuration and the logs.
        lease_s: of the nodes.

    Attributes:
        url: of the load balancer.
        process: the load balancer; it ends with the cluster.
        redis: Redis, once started.
        nodes: by name.
        secret: what the nodes sign tokens with.
    """

    def __init__(
        self, count: int, port: int | None, folder: Path, lease_s: float = _LEASE_S
    ) -> None:
        self.port = _free_port() if port == 0 else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process
        self.redis: asyncio.subprocess.Process
        self.nodes: dict[str, ServerProcess] = {}
        self.secret = secrets.token_urlsafe(32)
        self._count = count
        self._folder = folder.resolve()  # Redis changes into its own
        self._lease_s = lease_s
        self._redis_port = _free_port()

    @property
    def store(self) -> str:
        """The address of its store."""
        return f"redis://127.0.0.1:{self._redis_port}"

    async def __aenter__(self) -> LocalCluster:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        data = self._folder / "redis"
        data.mkdir(parents=True, exist_ok=True)
        self.redis = await _run(
            *("redis-server", "--port", str(self._redis_port), "--bind", "127.0.0.1"),
            *("--dir", str(data), "--appendonly", "yes", "--appendfsync", "always"),
            *("--save", "", "--logfile", str(self._folder / "redis.log")),
        )
        await _listens(self._redis_port, "redis-server")
        env = {"SECRET_KEY": self.secret}
        for name in (f"node-{i + 1}" for i in range(self._count)):
            node = self.nodes[name] = ServerProcess(
                *("--store", self.store, "--node-name", name),
                *("--lease-s", str(self._lease_s), "--trusted-proxies", "127.0.0.1"),
                log=self._folder / f"{name}.log",
                env=env,
            )
            await node.start()
        if self.port is None:
            return
        config = self._folder / "haproxy.cfg"
        config.write_text(self._balancer())
        self.process = await _run("haproxy", "-db", "-q", "-f", str(config))
        await _listens(self.port, "haproxy")

    def _balancer(self) -> str:
        servers = (
            f"    server {name} {node.url.removeprefix('http://')} check\n"
            for name, node in self.nodes.items()
        )
        return _BALANCER.format(port=self.port) + "".join(servers)

    async def _stop(self) -> None:
        """Stop the nodes politely, one after the other, and then the rest."""
        for node in self.nodes.values():
            if hasattr(node, "process"):
                await node.stop()
        for name in ("process", "redis"):
            process = getattr(self, name, None)
            if process is not None and process.returncode is None:
                process.terminate()
                await process.wait()


async def _run(program: str, *args: str) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *(program, *args),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise StartError(
            f"{program} is not installed: sudo apt-get install redis-server haproxy"
        ) from None


async def _listens(port: int, program: str) -> None:
    """Wait until somebody answers on a port."""
    try:
        async with asyncio.timeout(_START_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        raise StartError(f"{program} does not answer on port {port}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
