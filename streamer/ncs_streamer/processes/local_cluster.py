"""A cluster on this machine: Redis, nodes, and a load balancer in front of them.

For the demo and the benchmark. It is what a real one is, but for the machines: any of
the nodes may be killed meanwhile, and the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from pathlib import Path

from .redis import RedisProcess, free_port
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
        redis: Redis, which has their store.
        nodes: by name.
        secret: what the nodes sign tokens with.
    """

    def __init__(
        self, count: int, port: int | None, folder: Path, lease_s: float = _LEASE_S
    ) -> None:
        self.port = free_port() if port == 0 else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process
        self.redis = RedisProcess(folder / "redis")
        self.nodes: dict[str, ServerProcess] = {}
        self.secret = secrets.token_urlsafe(32)
        self._count = count
        self._folder = folder
        self._lease_s = lease_s

    async def __aenter__(self) -> LocalCluster:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        await self.redis.start()
        env = {"SECRET_KEY": self.secret}
        for name in (f"node-{i + 1}" for i in range(self._count)):
            node = self.nodes[name] = ServerProcess(
                *("--store", self.redis.url, "--node-name", name),
                *("--lease-s", str(self._lease_s), "--trusted-proxies", "127.0.0.1"),
                log=self._folder / f"{name}.log",
                env=env,
            )
            await node.start()
        if self.port is None:
            return
        config = self._folder / "haproxy.cfg"
        config.write_text(self._balancer())
        self.process = await _run_balancer(config)
        await _listens(self.port)

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
        if hasattr(self, "process") and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        await self.redis.stop()


async def _run_balancer(config: Path) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *("haproxy", "-db", "-q", "-f", str(config)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise StartError(
            "haproxy is not installed: sudo apt-get install haproxy"
        ) from None


async def _listens(port: int) -> None:
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
        raise StartError(f"haproxy does not answer on port {port}") from None
