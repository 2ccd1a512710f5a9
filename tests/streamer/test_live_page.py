"""The live page, in a real browser: against a real server, and against a scripted one.

The real server shows that the page agrees with it; the scripted one says what a real
one says only when something goes wrong.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    WebSocketRoute,
    async_playwright,
    expect,
)
from real_server import Socket, server_on, token

from ncs_protocol import MSGPACK, pack
from ncs_protocol.messages import Ack, Points
from ncs_streamer.cli.child import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CHROMIUM = Path("/usr/bin/chromium")
HAS_CHROMIUM = CHROMIUM.exists()
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CENTRES = np.array([[0.0, 0.0], [30.0, 10.0], [8.0, 45.0], [50.0, 70.0]])
WEIGHTS = [0.4, 0.3, 0.2, 0.1]
BATCH = 100
EPOCH = "e1"
expect.set_options(timeout=15_000)

IDS = "#clusters tbody th"
SIZES = "#clusters tbody td:nth-child(2)"


# A real server


async def key_for(server: ServerProcess, *scopes: str) -> str:
    """Return a new API key of the tenant that `admin` belongs to."""
    asked = {"name": "page", "permissions": scopes}
    path = "/api/v1/auth/api-keys"
    reply = await call(server, "POST", path, token("default"), json=asked)
    return str(reply["api_key"])


async def clusters_of(server: ServerProcess, stream: str) -> list[dict[str, Any]]:
    """Return what the server knows, as the table has to order it."""
    path = f"/api/v1/clusters_summary?stream={stream}"
    found: list[dict[str, Any]] = await call(server, "GET", path, token("default"))
    return sorted(found, key=lambda c: (-c["size"], c["cluster_id"]))


async def call(
    server: ServerProcess, method: str, path: str, credential: str, **more: Any
) -> Any:
    headers = {"Authorization": f"Bearer {credential}"}
    async with (
        aiohttp.ClientSession(raise_for_status=True, headers=headers) as session,
        session.request(method, server.url + path, **more) as response,
    ):
        return await response.json()


async def feed(
    server: ServerProcess,
    stream: str,
    *,
    seed: int,
    batches: int | None = None,
    enough: asyncio.Event | None = None,
) -> None:
    """Send points of four blobs, each batch after the ack of the last.

    Returns after so many batches, or once `enough` is set; by then the server has all.
    """
    rng = np.random.default_rng(seed)
    async with Socket.to(
        server, codec=MSGPACK, credential=token("default"), producer=f"feeder-{seed}"
    ) as socket:
        seq = 0
        while seq != batches and not (enough and enough.is_set()):
            seq += 1
            blobs = rng.choice(len(CENTRES), BATCH, p=WEIGHTS)
            array = CENTRES[blobs] + rng.normal(0, 0.8, (BATCH, 2))
            points = Points(seq=seq, stream=stream, array=array.astype(np.float32))
            await socket.send(points)
            ack = await socket.receive()
            assert isinstance(ack, Ack) and ack.seq == seq


@contextlib.asynccontextmanager
async def feeding(server: ServerProcess, stream: str) -> AsyncIterator[None]:
    """Feed while the body runs."""
    enough = asyncio.Event()
    task = asyncio.create_task(feed(server, stream, seed=1, enough=enough))
    try:
        yield
    finally:
        enough.set()
        await task


async def agree(page: Page, server: ServerProcess, stream: str) -> None:
    """Wait until the table has the ids and sizes that the server has."""
    clusters = await clusters_of(server, stream)
    assert len(clusters) >= 3
    ids = [str(cluster["cluster_id"]) for cluster in clusters]
    await expect(page.locator(IDS)).to_have_text(ids)
    sizes = [f"{cluster['size']:,}" for cluster in clusters]
    await expect(page.locator(SIZES)).to_have_text(sizes)


# A scripted server


class Script:
    """Plays the server on a page's WebSocket, message by message."""

    def __init__(self) -> None:
        self.sockets: asyncio.Queue[WebSocketRoute] = asyncio.Queue()
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._socket: WebSocketRoute | None = None
        self.costs: list[int] = []  # bytes of the messages that use up credit
        self.credit = 0

    def connected(self, socket: WebSocketRoute) -> None:
        socket.on_message(lambda text: self._heard.put_nowait(json.loads(text)))
        self.sockets.put_nowait(socket)

    async def welcome(self) -> dict[str, Any]:
        """Take the next connection up to its `subscribe`, and return that."""
        self._socket = await asyncio.wait_for(self.sockets.get(), 10)
        assert (await self.hear())["type"] == "hello"
        self.costs = []
        self.say(type="welcome", server_time=0.0)
        self.credit = (await self.hear())["bytes"]
        return await self.hear()

    async def begin(self, *clusters: dict[str, Any]) -> None:
        subscribe = await self.welcome()
        assert "since" not in subscribe
        self.snapshot(subscribe["id"], *clusters)

    async def hear(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._heard.get(), 10)

    def snapshot(self, id: str, *clusters: dict[str, Any]) -> None:
        snapshot = {"clusters": clusters, "status": {"total_points_processed": 7}}
        self.subscribed(id, snapshot=snapshot)

    def subscribed(self, id: str, **more: Any) -> None:
        offsets = {"lossless": 10, "keyed": 20, "latest": 30, "sampled": 40}
        message = {"epoch": EPOCH, "offsets": offsets, "recovered": not more}
        self.say(type="subscribed", id=id, stream="s", **message | more)

    def event(self, type: str, delivery: str, offset: int, data: Any) -> None:
        place = {"stream": "s", "epoch": EPOCH, "class": delivery, "offset": offset}
        self.say(type=type, data=data, **place)

    def change(self, delivery: str, offset: int, **data: Any) -> None:
        self.event("cluster_update", delivery, offset, {"quality": 0.5} | data)

    def say(self, **message: Any) -> None:
        assert self._socket is not None
        text = json.dumps(message, ensure_ascii=False)
        if "class" in message or message["type"] == "subscribed":
            self.costs.append(len(text.encode()))
        self._socket.send(text)

    async def close(self, code: int, reason: str) -> None:
        assert self._socket is not None
        await self._socket.close(code=code, reason=reason)


def cluster(id: int, size: int) -> dict[str, Any]:
    return {
        "cluster_id": id,
        "size": size,
        "centroid": [float(id), float(size)],
        "radius": 1.0,
        "quality": 0.5,
        "confidence": 0.5,
        "health": 0.5,
        "drift_coefficient": 0.5,
        "age": size,
        "last_updated": 0.0,
    }


# Fixtures


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
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
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


@pytest_asyncio.fixture(loop_scope="module")
async def script(page: Page, server: ServerProcess) -> Script:
    """A page that follows the stream `s` of a scripted server."""
    script = Script()
    await page.route_web_socket(re.compile(r"/ws$"), script.connected)
    await page.goto(f"{server.url}/#key=k&stream=s")
    return script


# Against a real server


async def test_the_page_agrees_with_the_server_while_and_after_points_flow(
    page: Page, server: ServerProcess
) -> None:
    troubles: list[str] = []
    addresses: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(request.url))
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    key = await key_for(server, "read")

    await page.goto(f"{server.url}/#key={key}&stream=blobs")
    await expect(page.locator("#state")).to_have_text("live")
    await expect(page.locator("#map")).to_be_visible()
    assert page.url == f"{server.url}/"
    await expect(page).to_have_title(re.compile("blobs"))

    async with feeding(server, "blobs"):
        created = page.locator("#log li", has_text="created")
        await expect(created.first).to_be_visible()
        largest = page.locator(SIZES).first
        for _ in range(3):
            size = await largest.inner_text()
            await expect(largest).not_to_have_text(size)
        await expect(page.locator("#tiles")).to_contain_text(
            re.compile(r"points/s[1-9]")
        )

    await agree(page, server, "blobs")
    ids = [int(id) for id in await page.locator(IDS).all_inner_texts()]
    rings = await page.evaluate(FIND_RINGS, ids)
    assert all(x > 0 and y > 0 for x, y in rings)
    await expect(page.locator("#tiles")).to_contain_text("points/s0")
    await expect(page.locator("#gaps")).to_be_empty()
    assert troubles == []
    icon = "fetch(document.querySelector('link[rel=icon]').href).then((r) => r.ok)"
    assert await page.evaluate(icon)
    host = server.url.partition("://")[2]
    assert len(addresses) > 5
    assert {address.split("/")[2] for address in addresses} == {host}


async def test_the_page_comes_back_after_a_crash_of_the_server(
    page: Page, tmp_path: Path
) -> None:
    await page.add_init_script("Math.random = () => 0.2")  # short waits, for the test
    async with server_on(tmp_path) as server:
        key = await key_for(server, "read")
        await page.goto(f"{server.url}/#key={key}&stream=crash")
        await feed(server, "crash", seed=3, batches=20)
        await agree(page, server, "crash")
        await server.kill()
    await expect(page.locator("#state")).to_have_text(re.compile("connecting"))
    await expect(page.locator("#clusters tbody tr")).not_to_have_count(0)

    port = int(server.url.rpartition(":")[2])
    async with server_on(tmp_path, port=port) as again:
        await expect(page.locator("#state")).to_have_text("live")
        await agree(page, again, "crash")
        await feed(again, "crash", seed=4, batches=20)
        await agree(page, again, "crash")
        await expect(page.locator("#gaps")).to_be_empty()
        await page.close()


async def test_a_wrong_key_leads_to_the_form_and_says_why(
    page: Page, server: ServerProcess
) -> None:
    await page.goto(f"{server.url}/#key=nck_dev_wrong")
    message = page.locator("#login-message")
    await expect(message).to_contain_text("API key is unknown")
    await expect(page.get_by_label("Password")).to_be_visible()
    await expect(page.locator("#live")).to_be_hidden()
    assert page.url == f"{server.url}/"


async def test_one_can_log_in_stay_over_a_reload_and_log_out(
    page: Page, server: ServerProcess
) -> None:
    await page.goto(server.url)
    await page.get_by_label("User").fill("admin")
    await page.get_by_label("Password").fill("not it")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("#login-message")).to_contain_text("password is wrong")

    await page.get_by_label("Password").fill("admin123")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("#state")).to_have_text("live")
    await expect(page.locator("#login")).to_be_hidden()
    await page.reload()
    await expect(page.locator("#state")).to_have_text("live")

    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_another_stream_can_be_chosen_and_stays_chosen(
    page: Page, server: ServerProcess
) -> None:
    key = await key_for(server, "read")
    await page.goto(f"{server.url}/#key={key}&stream=one")
    await expect(page.locator("#state")).to_have_text("live")
    await feed(server, "another", seed=5, batches=5)
    select = page.get_by_label("Stream", exact=True)
    await select.focus()
    await select.select_option("another")
    await agree(page, server, "another")
    await expect(page).to_have_title(re.compile("another"))
    await page.reload()
    await expect(select).to_have_value("another")
    await agree(page, server, "another")


# Against a scripted server


async def test_a_lost_event_is_shown_and_mended_by_a_fresh_snapshot(
    page: Page, script: Script
) -> None:
    await script.begin(cluster(1, 5))
    script.change("keyed", 21, **cluster(1, 6), change="updated")
    await expect(page.locator(SIZES)).to_have_text("6")
    script.change("keyed", 23, **cluster(1, 8), change="updated")

    assert (await script.hear())["type"] == "unsubscribe"
    again = await script.hear()
    assert again["type"] == "subscribe" and "since" not in again
    script.change("keyed", 24, **cluster(1, 9), change="updated")  # of the old one
    script.snapshot(again["id"], cluster(1, 9), cluster(2, 3))
    await expect(page.locator(SIZES)).to_have_text(["9", "3"])
    await expect(page.locator("#gaps")).to_contain_text("1 gap")


async def test_ranges_and_skips_close_gaps(page: Page, script: Script) -> None:
    await script.begin(cluster(1, 5))
    place = {"stream": "s", "epoch": EPOCH, "class": "keyed"}
    script.say(type="skip", **place, **{"from": 21, "to": 25})
    data = cluster(1, 6) | {"change": "updated"}
    script.say(type="cluster_update", data=data, **place, **{"from": 26, "to": 30})
    script.change("keyed", 31, **cluster(1, 7), change="updated")
    await expect(page.locator(SIZES)).to_have_text("7")
    await expect(page.locator("#gaps")).to_be_empty()


async def test_an_update_does_not_bring_a_removed_cluster_back(
    page: Page, script: Script
) -> None:
    await script.begin(cluster(1, 5), cluster(2, 4))
    script.change("lossless", 11, cluster_id=1, change="merged", size=5, merged_into=2)
    script.change("keyed", 21, **cluster(1, 6), change="updated")
    script.change("keyed", 22, **cluster(2, 9), change="updated")
    await expect(page.locator(SIZES)).to_have_text(["9"])
    await expect(page.locator("#log li").first).to_contain_text("cluster 1 into 2")


async def test_after_a_lost_connection_the_page_goes_on_where_it_was(
    page: Page, script: Script
) -> None:
    await script.begin(cluster(1, 5))
    script.change("lossless", 11, **cluster(2, 2), change="created")
    script.change("keyed", 21, **cluster(1, 6), change="updated")
    await expect(page.locator(SIZES)).to_have_text(["6", "2"])
    await script.close(4003, "too slow")

    subscribe = await script.welcome()
    assert subscribe["since"] == {
        "epoch": EPOCH,
        "offsets": {"lossless": 11, "keyed": 21},
    }
    offsets = {"lossless": 11, "keyed": 21, "latest": 90}
    script.subscribed(subscribe["id"], offsets=offsets, recovered=True)
    script.change("lossless", 12, cluster_id=2, change="removed", size=2)
    script.change("keyed", 22, **cluster(1, 7), change="updated")
    await expect(page.locator(SIZES)).to_have_text(["7"])
    await expect(page.locator("#gaps")).to_be_empty()


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (1009, "ended: because"),
        (4999, "ended: because"),
        (1011, "reconnecting"),
        (4499, "reconnecting"),
    ],
)
async def test_the_close_code_says_whether_the_page_comes_back(
    page: Page, script: Script, code: int, state: str
) -> None:
    await script.begin()
    script.say(type="draining", reconnect_after_ms=50_000)
    await script.close(code, "because")
    await expect(page.locator("#state")).to_have_text(state)
    retry = page.get_by_role("button", name="Connect now")
    await expect(retry).to_be_visible()
    if state == "reconnecting":
        await expect(page.locator("#wait")).to_have_text(re.compile("in (50|49) s"))
    await retry.click()
    await script.welcome()
    await expect(page.locator("#state")).to_have_text("live")


async def test_an_expiring_session_is_announced_and_ends_at_the_form(
    page: Page, script: Script
) -> None:
    await script.begin()
    script.say(type="token_expiring", expires_at=3600.0)
    await expect(page.locator("#notice")).to_contain_text("Your session ends at")
    await script.close(4401, "The token has expired.")
    message = page.locator("#login-message")
    await expect(message).to_contain_text("Your session has ended")


async def test_the_map_has_every_cluster_at_its_centroid_in_its_colour(
    page: Page, script: Script
) -> None:
    await page.emulate_media(reduced_motion="reduce")
    centroids = np.array([[1, 9, 5], [400, 3, 5], [150, -7, 5], [-80, 8, 5]], float)
    await script.begin(
        *(
            cluster(id, 10 + id) | {"centroid": c}
            for id, c in enumerate(centroids.tolist())
        )
    )
    await expect(page.locator(IDS)).to_have_text(["3", "2", "1", "0"])
    await page.get_by_label("Across", exact=True).select_option("1")
    await page.get_by_label("Up", exact=True).select_option("0")

    rings = np.array(await page.evaluate(FIND_RINGS, list(range(4))))

    for pixels, values, sign in (
        (rings[:, 0], centroids[:, 1], 1),
        (rings[:, 1], centroids[:, 0], -1),
    ):
        slope, start = np.polyfit(values, pixels, 1)
        assert slope * sign > 0
        assert np.abs(start + slope * values - pixels).max() < 2
    for id, (x, y) in enumerate(rings.tolist()):
        await page.mouse.move(x, y)
        await expect(page.locator("#tip")).to_contain_text(f"cluster {id}")
        await expect(page.locator("#clusters tr.focus th")).to_have_text(str(id))


async def test_the_map_chooses_features_that_differ_and_not_in_the_same_way(
    page: Page, script: Script
) -> None:
    centroids = [[7, 0, 0, 1], [7, 10, 10, 1], [7, 10, 10, 100], [7, 0, 0.5, 100]]
    await script.begin(
        *(cluster(id, 10) | {"centroid": c} for id, c in enumerate(centroids))
    )
    across = page.get_by_label("Across", exact=True).locator("option").first
    up = page.get_by_label("Up", exact=True).locator("option").first
    await expect(across).to_have_text("auto (3)")
    await expect(up).to_have_text(re.compile("auto .[12]."))


# Waits for two frames; returns for each id the middle of the pixels in its colour.
FIND_RINGS = """async (ids) => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const { look } = await import('/assets/palette.js');
  const canvas = document.querySelector('canvas');
  const { width, height } = canvas;
  const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const box = canvas.getBoundingClientRect();
  return ids.map((id) => {
    const colour = parseInt(look(id).colour.slice(1), 16);
    const [xs, ys] = [[], []];
    for (let at = 0; at < data.length; at += 4) {
      const off = [16, 8, 0].map((bits, k) => ((colour >> bits) & 255) - data[at + k]);
      if (data[at + 3] < 128 || off.some((o) => Math.abs(o) > 6)) continue;
      xs.push((at / 4) % width);
      ys.push(Math.floor(at / 4 / width));
    }
    const middle = (v) => (Math.min(...v) + Math.max(...v)) / 2;
    return [box.x + middle(xs), box.y + middle(ys)];
  });
}"""


async def test_text_from_the_server_is_never_markup(page: Page, script: Script) -> None:
    await script.begin()
    markup = "<img src=x onerror=alert(1)>"
    drift = {"severity": "high", "affected_clusters": [3], "recommendation": markup}
    script.event("drift_detection", "lossless", 11, drift)
    entry = page.locator("#log li").first
    await expect(entry).to_contain_text("drift")
    await expect(entry).to_contain_text(f"high: clusters 3: {markup}")
    await expect(page.locator("#log img")).to_have_count(0)


async def test_many_events_neither_pile_up_nor_are_drawn_more_than_once_a_frame(
    page: Page, script: Script
) -> None:
    await page.evaluate(COUNT_DRAWINGS)
    await script.begin()
    for ids in (range(150), range(150, 300)):
        for id in ids:
            data = cluster(id, 1000 - id) | {"change": "created"}
            script.event("cluster_update", "lossless", 11 + id, data)
        await expect(page.locator("#log li").first).to_contain_text(f"cluster {id}")
    await expect(page.locator("#log li")).to_have_count(200)
    await expect(page.locator("#clusters tbody tr")).to_have_count(40)
    await expect(page.locator("#more")).to_contain_text("260 more")
    frames = await page.evaluate("window.frames_drawn")
    assert len(frames) == len(set(frames)) > 0


COUNT_DRAWINGS = """() => {
  window.frames_drawn = [];
  const context = CanvasRenderingContext2D.prototype;
  const clear = context.clearRect;
  context.clearRect = function (...box) {
    window.frames_drawn.push(document.timeline.currentTime);
    clear.apply(this, box);
  };
}"""


async def test_a_page_gives_as_much_credit_as_it_has_worked_off(
    page: Page, script: Script
) -> None:
    await script.begin()
    assert script.credit == 2**20
    long = "€" * 50_000
    for offset in range(11, 16):
        data = cluster(offset, 5) | {"change": "created", "note": long}
        script.event("cluster_update", "lossless", offset, data)
    message = await script.hear()
    assert message["type"] == "credit"
    assert message["bytes"] >= 2**19
    assert message["bytes"] in itertools.accumulate(script.costs)


async def test_a_hidden_page_hears_nothing_and_goes_on_when_it_is_seen(
    page: Page, script: Script
) -> None:
    await script.begin(cluster(1, 5))
    await expect(page.locator(SIZES)).to_have_text("5")
    await page.evaluate(SET_HIDDEN, True)
    assert (await script.hear())["type"] == "unsubscribe"
    await page.evaluate(SET_HIDDEN, False)
    subscribe = await script.hear()
    assert subscribe["since"]["offsets"] == {"lossless": 10, "keyed": 20}
    script.subscribed(subscribe["id"])
    script.change("keyed", 21, **cluster(1, 6), change="updated")
    await expect(page.locator(SIZES)).to_have_text("6")


SET_HIDDEN = """(hidden) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


PAINTED = """([x, y]) => {
  const canvas = document.querySelector('canvas');
  const box = canvas.getBoundingClientRect();
  const dense = window.devicePixelRatio;
  const pixel = (at) => Math.round(dense * at) - 3;
  const [left, top] = [pixel(x - box.left), pixel(y - box.top)];
  const { data } = canvas.getContext('2d').getImageData(left, top, 6, 6);
  return data.some((value, k) => k % 4 === 3 && value > 0);
}"""


def packed(values: Any, dtype: str) -> str:
    return base64.b64encode(pack(np.array(values, dtype))).decode()


def sampled(script: Script, offset: int, points: list[list[float]]) -> None:
    data = {
        "points": packed(points, "<f4"),
        "cluster_ids": packed([0] * len(points), "<i4"),
        "is_outlier": packed([0] * len(points), "u1"),
        "learned": 9,
        "ratio": 0.1,
        "projection_version": 1,
    }
    script.event("points_sample", "sampled", offset, data)


async def test_the_map_shows_points_in_the_features_that_it_asked_for(
    page: Page, script: Script
) -> None:
    await page.emulate_media(reduced_motion="reduce")
    subscribe = await script.welcome()
    assert [0, 1] == subscribe["sample"]["dimensions"]
    corners = [[0.0, 0.0, 5.0], [100.0, 0.0, 5.0], [0.0, 60.0, 5.0], [100.0, 60.0, 5.0]]
    clusters = [cluster(id, 10) | {"centroid": c} for id, c in enumerate(corners)]
    script.snapshot(subscribe["id"], *clusters)
    await expect(page.locator(IDS)).to_have_text(["0", "1", "2", "3"])
    rings = np.array(await page.evaluate(FIND_RINGS, list(range(4))))
    middle = ((rings[0] + rings[3]) / 2).tolist()
    off_grid = [middle[0] + 13.0, middle[1] + 11.0]
    slope = (rings[3] - rings[0]) / [100.0, 60.0]
    point = ((np.array(off_grid) - rings[0]) / slope).tolist()
    assert not await page.evaluate(PAINTED, off_grid)
    sampled(script, 41, [point])
    await page.wait_for_function(PAINTED, arg=off_grid)

    await page.get_by_label("Across", exact=True).select_option("1")
    assert "unsubscribe" == (await script.hear())["type"]
    again = await script.hear()
    assert 1 == again["sample"]["dimensions"][0]
    assert {"epoch": EPOCH, "offsets": {"lossless": 10, "keyed": 20}} == again["since"]
    await expect(page.locator("#gaps")).to_be_empty()
