from __future__ import annotations

import asyncio

import pytest

from ncs_streamer.flag import Flag

pytestmark = pytest.mark.unit


async def a_pass() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_waits_goes_on_when_it_is_set() -> None:
    flag = Flag()
    waiting = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await a_pass()
    assert not any(task.done() for task in waiting)
    flag.set()
    await asyncio.gather(*waiting)


async def test_who_comes_later_does_not_wait() -> None:
    flag = Flag()
    flag.set()
    await asyncio.wait_for(flag.wait(), 1.0)


async def test_after_clear_one_waits_again() -> None:
    flag = Flag()
    flag.set()
    flag.clear()
    waiting = asyncio.create_task(flag.wait())
    await a_pass()
    assert not waiting.done()
    flag.set()
    await waiting


async def test_one_that_gives_up_takes_nobody_along() -> None:
    flag = Flag()
    leaver, stayer = (asyncio.create_task(flag.wait()) for _ in range(2))
    await a_pass()
    leaver.cancel()
    await a_pass()
    assert not stayer.done()
    flag.set()
    await stayer


async def test_setting_it_when_all_have_given_up_does_no_harm() -> None:
    flag = Flag()
    leaver = asyncio.create_task(flag.wait())
    await a_pass()
    leaver.cancel()
    await a_pass()
    flag.set()
    flag.set()
    await flag.wait()
