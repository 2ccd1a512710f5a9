"""What the dashboard shows of a stream that real producers push to."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from blobs import CENTRES, feed, feeding
from playwright.async_api import BrowserContext, Page, expect

from ncs_streamer.processes import ServerProcess

from .conftest import IDS, Dashboard, clusters_of

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

POINTS = re.compile(r"^[\d,]+ points$|^shows .* points")

# Returns of an area of the page, as it is on the screen, how many pixels there are of
# each colour, those of the page behind them left out.
COLOURS = """async ([picture, x, y, width, height]) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = canvas.getContext('2d');
  pen.drawImage(bitmap, 0, 0);
  const { data } = pen.getImageData(x, y, width, height);
  const counts = {};
  for (let at = 0; at < data.length; at += 4) {
    const colour = data.slice(at, at + 3).join();
    counts[colour] = (counts[colour] ?? 0) + 1;
  }
  return counts;
}"""


async def colours(page: Page, x: float, y: float, size: float) -> dict[str, int]:
    """Return the colours around a place of the page."""
    picture = base64.b64encode(await page.screenshot()).decode()
    area = [round(x - size / 2), round(y - size / 2), round(size), round(size)]
    found: dict[str, int] = await page.evaluate(COLOURS, [picture, *area])
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fed(server: ServerProcess) -> AsyncIterator[ServerProcess]:
    """A server with a stream `fed` that goes on for as long as the tests do."""
    async with feeding(server, "fed", producer="gw-1"):
        yield server


async def test_points_are_drawn_where_their_cluster_is_in_its_colour(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("drawn", "&axes=0,1")
    async with feeding(server, "drawn", seed=2):
        await expect(page.locator("#share")).to_have_text(POINTS)
        await expect(page.locator(IDS)).to_have_count(4)
    await dashboard.agrees("drawn")
    box = await page.locator("canvas.over").bounding_box()
    assert box is not None
    clusters = await clusters_of(server, "drawn")
    places = np.array([await place_of(page, c["cluster_id"]) for c in clusters])
    centroids = np.array([c["centroid"] for c in clusters])
    for axis, sign in ((0, 1), (1, -1)):
        slope, start = np.polyfit(centroids[:, axis], places[:, axis], 1)
        assert slope * sign > 0
        away = np.abs(start + slope * centroids[:, axis] - places[:, axis])
        assert away.max() < 6
    for cluster, (x, y) in zip(clusters, places.tolist(), strict=True):
        name = page.locator(".name", has_text=re.compile(f"^{cluster['cluster_id']}$"))
        row = page.locator("#clusters tbody tr", has=name)
        colour = await row.locator(".sign > *").get_attribute("fill")
        assert colour is not None
        rgb = ",".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5))
        found = await colours(page, x, y, 40)
        assert found.get(rgb, 0) > 60, (cluster["cluster_id"], colour, found)
    assert [] == dashboard.troubles


async def test_a_cluster_out_of_the_picture_is_told_at_its_edge(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await feed(server, "edge", seed=10, batches=20)
    await dashboard.open("edge", "&axes=0,1")
    await dashboard.agrees("edge")
    ids = [c["cluster_id"] for c in await clusters_of(server, "edge")]
    before = np.array([await place_of(page, id) for id in ids])
    await page.locator("canvas.over").focus()
    for _ in range(12):
        await page.keyboard.press("+")
    await page.wait_for_function(AT_AN_EDGE, arg=ids)
    after = np.array([await place_of(page, id) for id in ids])
    middle = (before.max(0) + before.min(0)) / 2
    assert (np.sign(after - middle) == np.sign(before - middle)).all()


# Whether the tip is told of each cluster somewhere near an edge of the map.
AT_AN_EDGE = """(ids) => {
  const over = document.querySelector('canvas.over');
  const tip = document.getElementById('tip');
  const { left, top, right, bottom } = over.getBoundingClientRect();
  const found = new Set();
  for (let x = left; x < right; x += 4) {
    for (let y = top; y < bottom; y += 4) {
      const aside = Math.min(x - left - 58, right - 14 - x);
      const depth = Math.min(aside, y - top - 14, bottom - 40 - y);
      if (depth < 0 || depth > 24) continue;
      over.dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y }));
      if (!tip.hidden) found.add(Number(/^cluster (\\d+)/.exec(tip.textContent)?.[1]));
    }
  }
  return ids.every((id) => found.has(id));
}"""


async def place_of(page: Page, id: int) -> tuple[float, float]:
    """Return where the map has a cluster: the middle of where the pointer finds it."""
    box = await page.locator("canvas.over").bounding_box()
    assert box is not None
    steps = 6
    hits = await page.evaluate(FIND, [f"cluster {id}\n", steps])
    assert hits, f"cluster {id} is nowhere on the map"
    x, y = np.mean(hits, axis=0)
    return float(x), float(y)


# Goes over the map in steps; returns where the tip names a cluster.
FIND = """([text, step]) => {
  const over = document.querySelector('canvas.over');
  const tip = document.getElementById('tip');
  const { left, top, right, bottom } = over.getBoundingClientRect();
  const hits = [];
  for (let x = left; x < right; x += step) {
    for (let y = top; y < bottom; y += step) {
      over.dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y }));
      if (!tip.hidden && tip.textContent.startsWith(text)) hits.push([x, y]);
    }
  }
  return hits;
}"""


async def test_the_axes_can_be_main_ones_or_dimensions_on_a_plane_or_in_space(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed")
    over = page.locator("canvas.over")
    await expect(over).to_have_attribute("aria-label", re.compile("axes: main axis 1"))
    await page.get_by_label("Axes", exact=True).select_option("chosen")
    await page.get_by_label("Across").fill("1")
    await page.get_by_label("Up", exact=True).fill("0")
    await page.keyboard.press("Enter")
    dimensions = re.compile("axes: dimension 1, dimension 0$")
    await expect(over).to_have_attribute("aria-label", dimensions)
    assert page.url.endswith("#stream=fed&axes=1,0")
    await page.get_by_label("Axes", exact=True).select_option("main")
    await page.get_by_role("button", name="3D").click()
    await expect(over).to_have_attribute("aria-label", re.compile("main axis 1.*, .*,"))
    await expect(page.locator("#share")).to_have_text(POINTS)
    assert [] == dashboard.troubles


async def test_the_figures_are_those_of_the_stream(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed")
    for name, text in (
        ("Throughput", r"^[\d,]+ /s$"),
        ("Latency", r" ms$"),
        ("Backlog", r"^[\d,]+$"),
        ("Quality", r"^0\.\d\d$|^1\.00$"),
        ("Threshold", r"^0\.\d\d$"),
        ("Drift", r"^[01]\.\d\d$"),
        ("Outliers", r"^\d.* %$"),
    ):
        value = page.locator(".tile", has_text=name).locator("b")
        await expect(value).to_have_text(re.compile(text))
    await expect(page.get_by_label("Quality")).to_have_attribute(
        "value", re.compile(r"0\.\d|1")
    )


async def test_the_table_is_sorted_by_any_column_and_walked_with_the_keys(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await feed(server, "table", seed=5, batches=20)
    await dashboard.open("table")
    await dashboard.agrees("table")
    order = [str(c["cluster_id"]) for c in await clusters_of(server, "table")]
    size = page.get_by_role("button", name="size", exact=True)
    await size.click()
    await expect(page.locator(IDS)).to_have_text(order[::-1])
    await expect(page.locator("#clusters th", has=size)).to_have_attribute(
        "aria-sort", "ascending"
    )
    first = page.locator("#clusters tbody th button").first
    await first.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("#inspector-title")).to_have_text(f"Cluster {order[-2]}")
    assert page.url.endswith(f"&cluster={order[-2]}")


async def test_sources_are_told_with_what_they_do(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed", "&tab=sources")
    row = page.locator("#sources tbody tr", has_text="gw-1")
    await expect(row.locator("td").nth(0)).to_have_text("connected")
    await expect(row.locator("td").nth(1)).to_have_text(re.compile(r"^[1-9]"))
    await expect(row.locator("td").nth(2)).to_have_text(re.compile(r" ms$"))
    await expect(page.locator("#sources .line")).to_contain_text("1 source connected")


async def test_what_happened_is_counted_on_the_timeline_and_told_in_the_log(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("born", "&tab=log")
    await expect(page.locator("#log .none")).to_be_visible()
    await feed(server, "born", seed=6, batches=20)
    await expect(page.locator("#log li.created")).not_to_have_count(0)
    moved = CENTRES + 200
    await feed(server, "born", seed=7, batches=40, centres=moved)
    drift = page.locator("#log li.drift.high")
    await expect(drift.first).to_contain_text("high: ")
    note = page.locator(".tile", has_text="Drift").locator(".note")
    severity = await page.locator("#log li.drift").first.get_attribute("class")
    assert severity is not None
    severity = severity.split()[-1]
    await expect(note).to_have_attribute("data-severity", severity)
    await expect(note).to_have_text(re.compile(f"^{severity}, .* ago$"))


async def test_forty_clusters_have_looks_of_their_own(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    many = np.array([[60 * x, 60 * y] for x in range(8) for y in range(5)], float)
    await feed(server, "forty", seed=9, batches=60, centres=many)
    await dashboard.open("forty")
    known = await clusters_of(server, "forty")
    await expect(page.locator(IDS)).to_have_count(len(known))
    assert len(known) >= 36
    looks = await page.evaluate(
        """() => [...document.querySelectorAll('#clusters tbody .sign > *')]
          .map((sign) => [sign.getAttribute('fill'), sign.tagName,
                          sign.getAttribute('points')].join())"""
    )
    ids = [int(id) for id in await page.locator(IDS).all_inner_texts()]
    look = dict(zip(ids, looks, strict=True))
    assert all((look[a] == look[b]) == ((a - b) % 36 == 0) for a in ids for b in ids), (
        "a look follows from the id"
    )


async def test_an_empty_stream_says_that_it_waits(dashboard: Dashboard) -> None:
    await dashboard.open("nobody-pushes")
    empty = dashboard.page.locator("#empty")
    await expect(empty).to_contain_text("“nobody-pushes” has no clusters yet")
    await expect(empty.locator("code")).to_contain_text('{"stream":"nobody-pushes"')
    await expect(dashboard.page.locator("#clusters table")).to_be_hidden()
    await expect(dashboard.page.locator("#more")).to_have_text("0 clusters")


async def test_text_is_never_markup(dashboard: Dashboard, fed: ServerProcess) -> None:
    page = dashboard.page
    await dashboard.open("fed")
    name = "<img src=x onerror=alert(1)>"
    await page.locator("#clusters tbody th button").first.click()
    await page.get_by_label("Name", exact=True).fill(name)
    await page.keyboard.press("Tab")
    await expect(page.locator("#inspector-title")).to_have_text(f"Cluster {name}")
    await expect(page.locator(IDS, has_text=name)).to_have_count(1)
    assert 0 == await page.locator("#live img").count()


async def test_who_listens_is_told_how_the_stream_is(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed")
    summary = page.locator("#summary")
    await expect(summary).to_have_attribute("aria-live", "polite")
    await expect(summary).to_have_text(re.compile(r"^Stream fed: .* points a second"))


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_it_is_dark_or_light_as_the_system_until_somebody_says_otherwise(
    dashboard: Dashboard, fed: ServerProcess, scheme: str
) -> None:
    page = dashboard.page
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await dashboard.open("fed")
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", scheme)
    await page.keyboard.press("t")
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.keyboard.press("t")
    await expect(root).to_have_attribute("data-theme", "light")


async def test_it_fits_a_phone(context: BrowserContext, fed: ServerProcess) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": 375, "height": 812})
    await Dashboard(page, fed).open("fed")
    await expect(page.locator("#share")).to_have_text(POINTS)
    wide = "document.documentElement.scrollWidth"
    assert 375 == await page.evaluate(wide)
    small = await page.evaluate(
        """() => [...document.querySelectorAll('header button, .bar button')]
          .filter((one) => one.offsetParent && one.offsetHeight < 32)
          .map((one) => one.id)"""
    )
    assert [] == small
    await page.close()


async def test_it_can_be_a_part_of_another_page(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed")
    key = await page.evaluate("JSON.parse(sessionStorage.getItem('ncs')).key")
    await page.goto(f"{fed.url}/?embed#key={key}&stream=fed")
    await expect(page.locator("#share")).to_have_text(POINTS)
    for width, height in ((1200, 500), (700, 480), (420, 600)):
        await page.set_viewport_size({"width": width, "height": height})
        await expect(page.locator("#timeline")).to_be_in_viewport(ratio=1)
        high = "document.documentElement.scrollHeight"
        assert height == await page.evaluate(high)
        box = await page.locator(".plot").bounding_box()
        assert box is not None and box["height"] > 160
    for gone in ("#tiles", "#panels", "#logout", "#stream"):
        await expect(page.locator(gone)).to_be_hidden()
