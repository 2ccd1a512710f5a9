"""Doing to a server and its surroundings what a schedule says."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from ..processes import ServerProcess, StartError
from .faults import Fault
from .gateway import GatewayProcess
from .proxy import Proxy
from .witness import hold_lock
from .witnessed_redis import WitnessedRedis

__all__ = ["Inflictor", "full_disk", "start_watched"]

_OF_A_SERVER = ("kill", "drain", "stop")
_OWNER_S_SHARE = 0.5
_STARTS = 3
_ASLEEP = 4.0
"""Times as long as a lone server sleeps one of several: past its lease, mostly."""


class Inflictor:
    """Inflicts one fault after the other and heals each.

    Args:
        servers: running, by name; each fault meets one, which runs again when it has
            healed.
        proxy: before the servers.
        gateways: with their spools, in processes of their own.
        folder: the data folder of a server that is alone.
        draw: for choices that a schedule leaves open.
        in_flight: returns how many batches wait for their acks.
        redis: that has the store, if one has.

    Attributes:
        inflicted: how often, by kind and mode.
        kills_under_load: kills of a server that met batches in flight.
        owners_hit: faults of one of several servers that had the stream.
        exit_codes: of servers, where they were asked to end.
        recoveries_s: from the start of the process until it served again.
    """

    def __init__(
        self,
        servers: Mapping[str, ServerProcess],
        proxy: Proxy,
        gateways: Sequence[GatewayProcess],
        folder: Path,
        draw: random.Random,
        in_flight: Callable[[], int],
        redis: WitnessedRedis | None = None,
    ) -> None:
        self.inflicted: Counter[str] = Counter()
        self.kills_under_load = 0
        self.owners_hit = 0
        self.exit_codes: list[int] = []
        self.recoveries_s: list[float] = []
        self._servers = servers
        self._proxy = proxy
        self._gateways = gateways
        self._folder = folder
        self._draw = draw
        self._in_flight = in_flight
        self._redis = redis

    async def run(
        self, faults: Sequence[Fault], tell: Callable[[Fault], object]
    ) -> None:
        """Inflict the faults of a schedule."""
        for fault in faults:
            await asyncio.sleep(fault.wait_s)
            tell(fault)
            await self._inflict(fault)
            self.inflicted[" ".join(filter(None, (fault.kind, fault.mode)))] += 1

    async def restart(self, server: ServerProcess) -> None:
        """Start a server after a kill."""
        began = time.perf_counter()
        await start_watched(server)
        self.recoveries_s.append(time.perf_counter() - began)

    async def _inflict(self, fault: Fault) -> None:
        server = await self._victim(fault)
        match fault.kind:
            case "kill":
                await self._kill(server, fault)
            case "drain":
                self.exit_codes.append(await server.stop())
                await self.restart(server)
            case "stop":
                await self._put_to_sleep(server, fault.lasts_s)
            case "proxy":
                await self._spoil_the_line(fault)
            case "gateway":
                await self._draw.choice(self._gateways).kill_at_work()
            case "disk":
                await self._fill_the_disk(server, fault)
            case "redis":
                await self._trouble_redis(fault)
            case "lock":
                await asyncio.to_thread(hold_lock, self._folder, fault.lasts_s)

    async def _victim(self, fault: Fault) -> ServerProcess:
        """Return who is met: of several, as often the owner as anyone."""
        names, owner = sorted(self._servers), ""
        if len(names) > 1 and self._redis is not None:
            owner = await self._redis.owner()
        is_meant = owner in names and self._draw.random() < _OWNER_S_SHARE
        name = owner if is_meant else self._draw.choice(names)
        self.owners_hit += name == owner and fault.kind in _OF_A_SERVER
        return self._servers[name]

    async def _kill(self, server: ServerProcess, fault: Fault) -> None:
        self.kills_under_load += self._in_flight() > 0
        await server.kill()
        await asyncio.sleep(fault.lasts_s)
        if fault.mode == "starting":
            with contextlib.suppress(TimeoutError):
                # Cancelled, it kills the process, wherever that is by then.
                await asyncio.wait_for(server.start(), self._draw.random())
            await server.kill()
        await self.restart(server)

    async def _put_to_sleep(self, server: ServerProcess, seconds: float) -> None:
        if len(self._servers) > 1:
            seconds *= _ASLEEP
        server.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        server.process.send_signal(signal.SIGCONT)

    async def _fill_the_disk(self, server: ServerProcess, fault: Fault) -> None:
        with full_disk(server.process.pid):
            await asyncio.sleep(fault.lasts_s)
            if fault.mode == "deadly":
                await server.kill()
        if fault.mode == "deadly":
            await self.restart(server)

    async def _trouble_redis(self, fault: Fault) -> None:
        redis = self._redis
        assert redis is not None, "only where the store is in Redis"
        match fault.mode:
            case "deadly":
                await redis.kill()
                await asyncio.sleep(fault.lasts_s)
                await redis.start()
            case "hang":
                redis.pause()
                await asyncio.sleep(fault.lasts_s)
                redis.pause(is_over=True)
            case "scripts":
                await redis.forget_scripts()

    async def _spoil_the_line(self, fault: Fault) -> None:
        proxy = self._proxy
        match fault.mode:
            case "delay":
                proxy.delay_s = fault.lasts_s / 5
            case "half-open":
                proxy.half_open()
            case "truncate":
                proxy.truncating = True
            case "blackhole":
                proxy.swallow()
        if fault.mode != "cut":
            await asyncio.sleep(fault.lasts_s)
        proxy.heal()
        if fault.mode in ("cut", "half-open"):
            proxy.cut()


async def start_watched(server: ServerProcess) -> None:
    """Start a server, as somebody who watches it does: once more if it gives up.

    It does where its Redis is too slow when it starts, as on a machine that stalls. Why
    it gave up is said on standard error.

    Raises:
        StartError: it gives up every time.
    """
    for _ in range(_STARTS - 1):
        try:
            await server.start()
            return
        except StartError as error:
            print(f"ncs verify: started once more: {error}", file=sys.stderr)
    await server.start()


@contextlib.contextmanager
def full_disk(process: int) -> Iterator[None]:
    """Let no write of a process make a file longer, or reach beyond its first byte.

    This is the limit on the size of a file, which everybody may lower: a write fails
    as one on a full disk does, in part or at all, at whatever place it happens.
    """
    limited = psutil.Process(process)
    before = limited.rlimit(psutil.RLIMIT_FSIZE)
    limited.rlimit(psutil.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            limited.rlimit(psutil.RLIMIT_FSIZE, before)
