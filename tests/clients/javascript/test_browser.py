"""The one-file build of the JavaScript SDK in Chromium: a page, and a worker."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio
from node_program import SDK
from playwright.async_api import Browser, Page, async_playwright, expect
from real_server import server_on, token

from ncs_streamer.cli.child import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CHROMIUM = Path("/usr/bin/chromium")
expect.set_options(timeout=15_000)
WORKER = """
import { NCSClient, ClusterView } from '/dist/ncs-client.js';
self.onmessage = async ({ data: { url, key } }) => {
  try {
    const client = new NCSClient({ baseUrl: url, apiKey: key });
    const stream = await client.startStreaming({ stream: 'worker', codec: 'msgpack' });
    const data = Float32Array.of(0, 0, 30, 30);
    await stream.sendBatch({ data, dimension: 2 });
    const view = new ClusterView();
    for await (const event of stream.subscribe()) {
      view.apply(event);
      if (view.clusters.size === 2) break;
    }
    await stream.stop();
    self.postMessage([...view.clusters.values()].map(({ centroid }) => centroid));
  } catch (error) {
    self.postMessage(String(error));
  }
};
"""


class Quiet(SimpleHTTPRequestHandler):
    """Files of the SDK, as any web server gives them."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    handler = functools.partial(Quiet, directory=SDK)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{files.server_port}"
        files.shutdown()
        thread.join()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    site: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("data")
    async with server_on(folder, "--cors-origins", site) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    await page.close()
    assert [] == errors


async def test_the_example_page_follows_and_pushes_from_another_origin(
    server: ServerProcess, site: str, page: Page
) -> None:
    await page.goto(f"{site}/examples/page.html")
    await page.get_by_label("Server").fill(server.url)
    await page.get_by_label("API key").fill(token())
    await page.get_by_role("button", name="Follow").click()
    state = page.get_by_role("status")
    await expect(state).to_have_text("open")
    await page.get_by_role("button", name="Push a point").click()
    await expect(state).to_have_text("1 point is in the model")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_the_example_page_says_why_it_is_not_let_in(
    server: ServerProcess, site: str, page: Page
) -> None:
    await page.goto(f"{site}/examples/page.html")
    await page.get_by_label("Server").fill(server.url)
    await page.get_by_label("API key").fill("nonsense")
    await page.get_by_role("button", name="Follow").click()
    await expect(page.get_by_role("status")).to_contain_text("key_invalid")


async def test_a_worker_keeps_a_session_of_its_own(
    server: ServerProcess, site: str, page: Page
) -> None:
    await page.goto(f"{site}/examples/page.html")
    centroids = await page.evaluate(
        """([source, message]) => new Promise((resolve, reject) => {
          const file = new Blob([source], { type: 'text/javascript' });
          const worker = new Worker(URL.createObjectURL(file), { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage(message);
        })""",
        [
            WORKER.replace("/dist/", f"{site}/dist/"),
            {"url": server.url, "key": token()},
        ],
    )
    assert [[0, 0], [30, 30]] == centroids
