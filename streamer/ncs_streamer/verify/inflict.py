"""Doing to a server and its surroundings what a schedule says."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from ..processes import ServerProcess
from .faults import Fault
from .gateway import GatewayProcess
from .proxy import Proxy
from .witness import hold_lock
from .witnessed_redis import WitnessedRedis

__all__ = ["Inflictor", "full_disk"]


class Inflictor:
    """Inflicts one fault after the other and heals each.

    Args:
        server: running; is running again when a fault has healed.
        proxy: before the server.
        gateways: with their spools, in processes of their own.
        folder: the server's data folder.
        draw: for choices that a schedule leaves open.
        in_flight: returns how many batches wait for their acks.
        redis: that has the store, if one has.

    Attributes:
        inflicted: how often, by kind and mode.
        kills_under_load: kills of the server that met batches in flight.
        exit_codes: of the server, where it was asked to end.
        recoveries_s: from the start of the process until it served again.
    """

    def __init__(
        self,
        server: ServerProcess,
        proxy: Proxy,
        gateways: Sequence[GatewayProcess],
        folder: Path,
        draw: random.Random,
        in_flight: Callable[[], int],
        redis: WitnessedRedis | None = None,
    ) -> None:
        self.inflicted: Counter[str] = Counter()
        self.kills_under_load = 0
        self.exit_codes: list[int] = []
        self.recoveries_s: list[float] = []
        self._server = server
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

    async def restart(self) -> None:
        """Start the server after a kill."""
        began = time.perf_counter()
        await self._server.start()
        self.recoveries_s.append(time.perf_counter() - began)

    async def _inflict(self, fault: Fault) -> None:
        match fault.kind:
            case "kill":
                await self._kill(fault)
            case "drain":
                self.exit_codes.append(await self._server.stop())
                await self.restart()
            case "stop":
                self._server.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(fault.lasts_s)
                self._server.process.send_signal(signal.SIGCONT)
            case "proxy":
                await self._spoil_the_line(fault)
            case "gateway":
                await self._draw.choice(self._gateways).kill_at_work()
            case "disk":
                await self._fill_the_disk(fault)
            case "redis":
                await self._trouble_redis(fault)
            case "lock":
                await asyncio.to_thread(hold_lock, self._folder, fault.lasts_s)

    async def _kill(self, fault: Fault) -> None:
        self.kills_under_load += self._in_flight() > 0
        await self._server.kill()
        await asyncio.sleep(fault.lasts_s)
        if fault.mode == "starting":
            with contextlib.suppress(TimeoutError):
                # Cancelled, it kills the process, wherever that is by then.
                await asyncio.wait_for(self._server.start(), self._draw.random())
            await self._server.kill()
        await self.restart()

    async def _fill_the_disk(self, fault: Fault) -> None:
        with full_disk(self._server.process.pid):
            await asyncio.sleep(fault.lasts_s)
            if fault.mode == "deadly":
                await self._server.kill()
        if fault.mode == "deadly":
            await self.restart()

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
