"""Playing scenarios: each with each SDK, several at a time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import time
from collections.abc import Callable, Iterable

from .bell import WITHIN_S, Bell, Failure
from .driver import Sdk, driving
from .judge import judge
from .line import FaultyLine
from .run import Run
from .scenario import Scenario
from .servers import Servers, running
from .steps import Step
from .wire import Wire

__all__ = ["Verdict", "play", "play_all"]

_AT_A_TIME = 8  # most of them wait, most of the time


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one scenario with one SDK.

    Attributes:
        scenario: its name.
        sdk: its name.
        faults: what was wrong; empty if it passed.
        seconds: that it took.
    """

    scenario: str
    sdk: str
    faults: tuple[str, ...]
    seconds: float


async def play_all(
    pairs: Iterable[tuple[Scenario, Sdk]],
    tell: Callable[[Verdict], object] = lambda verdict: None,
    within_s: float = WITHIN_S,
) -> list[Verdict]:
    """Play scenarios, and call `tell` with each verdict as it is there.

    What has to happen within a scenario has `within_s` for it.
    """
    turns = asyncio.Semaphore(_AT_A_TIME)

    async def one(scenario: Scenario, sdk: Sdk) -> Verdict:
        async with turns:
            verdict = await play(scenario, sdk, servers, within_s)
        tell(verdict)
        return verdict

    async with Servers() as servers:
        return list(await asyncio.gather(*(one(*pair) for pair in pairs)))


async def play(
    scenario: Scenario, sdk: Sdk, servers: Servers, within_s: float = WITHIN_S
) -> Verdict:
    """Play one scenario with one SDK."""
    began = time.monotonic()
    faults: list[str] = []
    bell = Bell(within_s)
    wire = Wire(bell)
    async with contextlib.AsyncExitStack() as stack:
        if scenario.own_server:
            server = await stack.enter_async_context(running(scenario.flags))
        else:
            server = await servers.shared(scenario.flags)
        line = FaultyLine(lambda: server.url, wire)
        await stack.enter_async_context(line)
        driver = await stack.enter_async_context(driving(sdk.command, bell))
        name = re.sub("[^a-z0-9]+", "-", f"{scenario.name} {sdk.name}".lower())
        run = Run(name, scenario.codec, driver, line, wire, server, bell)
        try:
            for number, step in enumerate(scenario.play(), 1):
                await _take(number, step, run)
            await _finish(run)
        except Failure as failure:
            faults.append(str(failure))
        faults += judge(run)
    return Verdict(
        scenario.name, sdk.name, tuple(faults), round(time.monotonic() - began, 1)
    )


async def _take(number: int, step: Step, run: Run) -> None:
    try:
        await step.take(run)
    except Failure as failure:
        raise Failure(f"step {number}, {step}: {failure}") from None


async def _finish(run: Run) -> None:
    """Let everything settle, compare, and end the session unless it has ended."""
    if not run.has_ended:
        await run.settled()
        if run.follows:
            await run.agrees()
        run.driver.tell("stop")
        await run.driver.until(tell="stopped")
    await run.driver.end()
