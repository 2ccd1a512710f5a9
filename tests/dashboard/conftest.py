"""The dashboard in a real Chromium, on a real server that real producers push to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from page_build import build_page
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    async_playwright,
    expect,
)
from real_server import server_on, token

from ncs_streamer.processes import ServerProcess

CHROMIUM = Path("/usr/bin/chromium")
HAS_CHROMIUM = CHROMIUM.exists()
ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=20_000)


class Dashboard:
    """A page of the dashboard, and the server behind it.

    Attributes:
        troubles: what the page complained of; a test that wants none asserts so.
        addresses: everything that it asked for.
    """

    def __init__(self, page: Page, server: ServerProcess) -> None:
        self.page = page
        self.server = server
        self.troubles: list[str] = []
        self.addresses: list[str] = []
        page.on("console", lambda message: self.troubles.append(message.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("requestfailed", lambda request: self.troubles.append(request.url))
        page.on("request", lambda request: self.addresses.append(request.url))
        page.on("websocket", lambda socket: self.addresses.append(socket.url))

    async def open(self, stream: str, more: str = "", scope: str = "admin") -> None:
        """Open the page with a key of its own, and wait until it is live."""
        key = await key_for(self.server, *{"read", scope})
        await self.page.goto(f"{self.server.url}/#key={key}&stream={stream}{more}")
        await expect(self.page.locator("#state")).to_have_text("live")

    async def agrees(self, stream: str) -> None:
        """Wait until the table has the ids and sizes that the server has."""
        clusters = await clusters_of(self.server, stream)
        ids = [str(cluster["cluster_id"]) for cluster in clusters]
        await expect(self.page.locator(IDS)).to_have_text(ids)
        sizes = [f"{cluster['size']:,}" for cluster in clusters]
        await expect(self.page.locator(SIZES)).to_have_text(sizes)
        assert ids

    async def choose(self, id: int | str) -> None:
        """Choose a cluster in the table."""
        await self.page.locator("#clusters tbody th button", has_text=str(id)).click()


IDS = "#clusters tbody th .name"
SIZES = "#clusters tbody td:nth-child(2)"


async def key_for(server: ServerProcess, *scopes: str) -> str:
    """Return a new API key of the tenant that `admin` belongs to."""
    asked = {"name": "page", "permissions": scopes}
    reply = await call(server, "POST", "/api/v1/auth/api-keys", json=asked)
    return str(reply["api_key"])


async def clusters_of(server: ServerProcess, stream: str) -> list[dict[str, Any]]:
    """Return what the server knows, as the table has to order it."""
    path = f"/api/v1/clusters_summary?stream={stream}"
    found: list[dict[str, Any]] = await call(server, "GET", path)
    return sorted(found, key=lambda c: (-c["size"], c["cluster_id"]))


async def call(server: ServerProcess, method: str, path: str, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {token('default')}"}
    async with (
        aiohttp.ClientSession(raise_for_status=True, headers=headers) as session,
        session.request(method, server.url + path, **more) as response,
    ):
        return await response.json()


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    build_page()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    built: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServerProcess]:
    async with server_on(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    if not HAS_CHROMIUM:
        pytest.fail(f"{CHROMIUM} is missing: apt-get install chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS
        )
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def dashboard(context: BrowserContext, server: ServerProcess) -> Dashboard:
    return Dashboard(await context.new_page(), server)
