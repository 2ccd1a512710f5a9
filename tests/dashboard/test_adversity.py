"""What the dashboard does where something is missing, slow, or not allowed."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from blobs import feed, feeding
from playwright.async_api import Browser, BrowserContext, Page, expect
from real_server import UNLIMITED, server_on, token

from ncs_streamer.processes import ServerProcess
from ncs_streamer.verify.proxy import Proxy

from .conftest import ARGUMENTS, CHROMIUM, IDS, Dashboard, key_for

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

# Runs of grey on the timeline, between two lanes, as shares of its width: times of
# which nothing is known.
GREY = """() => {
  const canvas = document.querySelector('#scrub canvas');
  const { width, height } = canvas;
  const y = Math.round(((height - 18 * devicePixelRatio) / 5) * 4);
  const { data } = canvas.getContext('2d').getImageData(0, y, width, 1);
  const runs = [];
  for (let x = 0, from = -1; x <= width; x += 1) {
    const isGrey = x < width && data[4 * x + 3] > 0;
    if (isGrey && from < 0) from = x;
    if (isGrey || from < 0) continue;
    if (x - from > 4) runs.push([from / width, x / width]);
    from = -1;
  }
  return runs;
}"""


async def grey(page: Page) -> list[list[float]]:
    found: list[list[float]] = await page.evaluate(GREY)
    return found


def said_by(page: Page) -> list[str]:
    """Return what the browser says of a page, now and later."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    return said


async def test_a_time_without_a_connection_is_a_gap_for_good(
    context: BrowserContext, tmp_path: Path
) -> None:
    page = await context.new_page()
    async with server_on(tmp_path) as server:
        dashboard = Dashboard(page, server)
        await dashboard.open("gap")
        await feed(server, "gap", seed=8, batches=10)
        await dashboard.agrees("gap")
        assert 1 == len(await grey(page)), "nothing is known of before"
    await expect(page.locator("#state")).to_have_text("reconnecting")
    await expect(page.locator("#age")).to_have_text(re.compile("last event"))
    await page.wait_for_function(f"() => ({GREY})().length === 2")
    lasting = await grey(page)
    assert lasting[1][1] > 0.97, "it lasts until now"

    port = int(server.url.rpartition(":")[2])
    async with server_on(tmp_path, port=port) as again:
        await page.evaluate("document.getElementById('retry').click()")
        await expect(page.locator("#state")).to_have_text("live")
        await feed(again, "gap", seed=9, batches=10)
        await page.wait_for_function(f"() => ({GREY})()[1]?.[1] < 0.97")
        assert 2 == len(await grey(page)), "it is over, and still there"
        await page.close()


async def test_a_snapshot_is_as_old_as_what_it_tells(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    await feed(server, "before", seed=2, batches=10)
    await dashboard.open("before")
    await dashboard.agrees("before")
    age = dashboard.page.locator("#age")
    await expect(age).to_have_text(re.compile(r"last event \d+ s ago"))


async def slow_readers(server: ServerProcess) -> int:
    headers = {"Authorization": f"Bearer {token('default')}"}
    async with (
        aiohttp.ClientSession(raise_for_status=True, headers=headers) as session,
        session.get(f"{server.url}/metrics") as response,
    ):
        found = re.search(r"^ncs_slow_readers (\d+)", await response.text(), re.M)
    assert found
    return int(found[1])


async def test_a_page_that_is_too_slow_is_told_what_was_left_out(
    context: BrowserContext, tmp_path: Path
) -> None:
    page = await context.new_page()
    flags = (*UNLIMITED, "--lagging-s", "0.2", "--skipping-s", "0.5")
    wide = np.random.default_rng(0).normal(0, 40, (24, 400))
    async with (
        server_on(tmp_path, *flags) as server,
        Proxy(lambda: server.url, random.Random(1)) as line,
    ):
        key = await key_for(server, "read")
        await page.goto(f"{line.url}/#key={key}&stream=wide")
        await expect(page.locator("#state")).to_have_text("live")
        async with feeding(server, "wide", centres=wide):
            await expect(page.locator(IDS)).not_to_have_count(0)
            line.swallow()
            waits = 0
            while waits < 10:  # in a row: by then its updates are dropped
                waits = waits + 1 if await slow_readers(server) else 0
                await asyncio.sleep(0.2)
            line.heal()
            skipped = page.locator("#skipped")
            told = re.compile(r"[1-9][\d,]* updates skipped")
            await expect(skipped).to_have_text(told)
        await expect(skipped).to_have_text(re.compile(r"^[1-9][\d,]* updates skipped$"))
        await expect(page.locator("#gaps")).to_be_empty()
        await page.close()


async def test_without_webgl_points_are_drawn_all_the_same(
    browser: Browser, server: ServerProcess
) -> None:
    bare = await browser.browser_type.launch(
        executable_path=CHROMIUM,
        args=[one for one in ARGUMENTS if "swiftshader" not in one]
        + ["--disable-3d-apis"],
    )
    page = await bare.new_page()
    assert not await page.evaluate(
        "document.createElement('canvas').getContext('webgl2')"
    )
    dashboard = Dashboard(page, server)
    await dashboard.open("bare")
    async with feeding(server, "bare", seed=3):
        await expect(page.locator("#share")).to_have_text(re.compile("points"))
        await expect(page.locator(IDS)).to_have_count(4)
    title = re.compile("drawn by none")
    await expect(page.locator("#share")).to_have_attribute("title", title)
    drawn = await page.evaluate(
        """() => {
          const canvas = document.querySelector('canvas.points');
          const { data } = canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height);
          return data.filter((value, k) => k % 4 === 3 && value > 0).length;
        }"""
    )
    assert drawn > 200
    assert [] == dashboard.troubles
    await bare.close()


@pytest_asyncio.fixture(loop_scope="module")
async def board() -> AsyncIterator[int]:
    """A page of another site, with a frame of what `?of=` asks for; yields its port."""

    async def answer(request: web.Request) -> web.Response:
        text = f'<iframe src="{escape(request.query["of"])}" width=900 height=600>'
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield int(runner.addresses[0][1])
    await runner.cleanup()


@pytest.mark.security
async def test_only_a_page_that_is_allowed_to_can_have_it_in_a_frame(
    context: BrowserContext, tmp_path: Path, board: int
) -> None:
    allowed, other = f"http://localhost:{board}", f"http://127.0.0.1:{board}"
    async with server_on(tmp_path, "--cors-origins", allowed) as server:
        await feed(server, "framed", seed=4, batches=10)
        key = await key_for(server, "read")
        inner = f"{server.url}/%s#key={key}&stream=framed"
        for outer, query, is_shown in (
            (allowed, "?embed", True),
            (other, "?embed", False),
            (allowed, "", False),
        ):
            page = await context.new_page()
            said = said_by(page)
            of = (inner % query).replace("#", "%23").replace("&", "%26")
            await page.goto(f"{outer}/?of={of}")
            state = page.frame_locator("iframe").locator("#state")
            if is_shown:
                await expect(state).to_have_text("live")
                await expect(
                    page.frame_locator("iframe").locator("#lasso")
                ).to_be_hidden()
            else:
                await expect(state).to_have_count(0)
                assert any("frame-ancestors" in text for text in said), said
            await page.close()
