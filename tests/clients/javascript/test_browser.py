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

from ncs_streamer.processes import ServerProcess

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


async def test_a_page_of_another_origin_may_ask_what_it_may(
    server: ServerProcess, site: str, page: Page
) -> None:
    """What the guides tell to type into the console, when a page is refused."""
    await page.goto(f"{site}/examples/page.html")
    status = await page.evaluate(
        """(url) => fetch(`${url}/api/v1/process_points`, {
          method: 'OPTIONS',
          headers: {
            'Access-Control-Request-Method': 'POST',
            'Access-Control-Request-Headers': 'authorization, content-type',
          },
        }).then((response) => response.status)""",
        server.url,
    )
    assert 204 == status


async def test_requests_go_through_from_a_page_of_another_origin(
    server: ServerProcess, site: str, page: Page
) -> None:
    await page.goto(f"{site}/examples/page.html")
    found = await page.evaluate(
        """async ([source, baseUrl, apiKey]) => {
          const { NCSClient } = await import(source);
          const client = new NCSClient({ baseUrl, apiKey });
          const result = await client.processPoints([[1, 2], [40, 50]]);
          const health = await client.healthCheck();
          const error = await client.processPoints([[1], [1, 2]]).catch((e) => e);
          return [result.clusters.length, health.status, error.code, error.index];
        }""",
        [f"{site}/dist/ncs-client.js", server.url, token("acme-page")],
    )
    assert [2, "healthy", "ragged_points", 1] == found


async def test_a_page_without_a_network_says_so_and_is_back_at_once_with_it(
    server: ServerProcess, site: str, browser: Browser
) -> None:
    async with await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(f"{site}/examples/page.html")
        await page.evaluate(
            """async ([source, baseUrl, apiKey]) => {
              const { NCSClient } = await import(source);
              const client = new NCSClient({ baseUrl, apiKey });
              window.states = [];
              window.stream = await client.startStreaming({ stream: 'offline' });
              window.stream.addEventListener('state', ({ detail }) => {
                window.states.push(detail.state);
              });
            }""",
            [f"{site}/dist/ncs-client.js", server.url, token()],
        )
        await context.set_offline(True)
        await page.wait_for_function("states.includes('offline')", timeout=60_000)
        await context.set_offline(False)
        await page.wait_for_function("states.at(-1) === 'open'", timeout=60_000)
        accepted = await page.evaluate("stream.sendPoint([1]).then((r) => r.accepted)")
        assert 1 == accepted


async def test_subscriptions_of_a_hidden_page_rest_and_go_on_when_it_is_seen(
    server: ServerProcess, site: str, page: Page
) -> None:
    await page.goto(f"{site}/examples/page.html")
    await page.evaluate(
        """async ([source, baseUrl, apiKey]) => {
          const { NCSClient } = await import(source);
          const client = new NCSClient({ baseUrl, apiKey });
          const options = { stream: 'hidden', pauseWhenHidden: true };
          window.stream = await client.startStreaming(options);
          await stream.sendPoint([1, 2]);
          window.events = stream.subscribe();
          window.got = [];
          (async () => {
            for await (const { type } of events)
              if (!/status|metrics/.test(type)) got.push(type); // they come any time
          })();
          window.look = (state) => {
            Object.defineProperty(document, 'visibilityState',
              { value: state, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
          };
        }""",
        [f"{site}/dist/ncs-client.js", server.url, token()],
    )
    await page.wait_for_function("events.state === 'live'")
    await page.evaluate("look('hidden')")
    await page.wait_for_function("events.state === 'paused'")
    await page.evaluate("stream.sendPoint([90, 80])")
    assert ["snapshot"] == await page.evaluate("got")
    await page.evaluate("look('visible')")
    await page.wait_for_function("got.includes('cluster_update')")
    assert ["snapshot", "resumed"] == await page.evaluate("got.slice(0, 2)")
