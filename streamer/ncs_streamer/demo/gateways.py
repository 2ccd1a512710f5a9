"""The demo's gateways: they read a source at its own pace and push what it gives."""

from __future__ import annotations

import asyncio
import time

from ncs_client import StreamSession

from .machine import Machine
from .plant import POINTS_PER_SECOND, Plant

__all__ = ["push_machine", "push_plant"]

_MACHINE_HZ = 10.0
_PLANT_BATCH = 100


async def push_machine(session: StreamSession, stream: str) -> None:
    """Push this machine's own telemetry, one point a frame, for ever."""
    machine = Machine()
    async for _ in _paced(1.0 / _MACHINE_HZ):
        sample = machine.sample(time.monotonic())
        await session.submit(sample[None], stream=stream, timestamps=[time.time()])


async def push_plant(
    session: StreamSession,
    stream: str,
    seed: int = 0,
    points_per_second: float = POINTS_PER_SECOND,
) -> None:
    """Push the simulated plant in packed frames of 100 points, for ever."""
    plant = Plant(seed)
    async for _ in _paced(_PLANT_BATCH / points_per_second):
        await session.submit(plant.block(_PLANT_BATCH).points, stream=stream)


class _paced:
    """Ticks at a steady pace; late ones come at once, so the rate holds on average."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due = time.monotonic()

    def __aiter__(self) -> _paced:
        return self

    async def __anext__(self) -> None:
        self._due += self._interval_s
        wait = self._due - time.monotonic()
        if wait < -1.0:  # the machine slept, or the server was away: do not catch up
            self._due = time.monotonic()
        await asyncio.sleep(max(0.0, wait))
