"""What one can do with the dashboard."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from blobs import CENTRES, feed, feeding
from playwright.async_api import BrowserContext, Page, Route, expect

from ncs_streamer.processes import ServerProcess

from .conftest import IDS, SIZES, Dashboard, call, clusters_of, key_for

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fed(server: ServerProcess) -> AsyncIterator[ServerProcess]:
    """A server with a stream `fed` that goes on for as long as the tests do."""
    async with feeding(server, "fed", producer="gw-1"):
        yield server


async def waits(page: Page) -> int:
    """Return how many points wait, as the button says."""
    text = await page.locator("#jump").inner_text()
    found = re.search(r"([\d,]+) points wait", text)
    assert found, text
    return int(found[1].replace(",", ""))


async def test_a_pause_holds_the_picture_and_counts_what_waits(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed")
    await page.locator(SIZES).first.wait_for()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#then")).to_have_text(re.compile("as it was at"))
    held = await page.locator(SIZES).all_inner_texts()
    jump = page.locator("#jump")
    await expect(jump).to_have_text(re.compile("[1-9][0-9,]* points wait"))
    first = await waits(page)
    await expect(jump).not_to_have_text(re.compile(f" {first:,} points"))
    assert await waits(page) > first
    assert held == await page.locator(SIZES).all_inner_texts()
    await jump.click()
    await expect(jump).to_be_hidden()
    await expect(page.locator("#then")).to_be_hidden()
    await expect(page.locator(SIZES).first).not_to_have_text(held[0])


# Pauses as soon as a cluster is in the table, and notes what the table says then.
PAUSE_AT_ONCE = """new MutationObserver((changes, observer) => {
  const cells = document.querySelectorAll('#clusters tbody td:nth-child(2)');
  if (!cells[0]?.textContent) return;
  observer.disconnect();
  document.getElementById('pause').click();
  window.held = [...cells].map((cell) => cell.innerText);
}).observe(document, { subtree: true, childList: true, characterData: true })"""


async def test_what_is_held_is_what_one_saw(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await page.add_init_script(PAUSE_AT_ONCE)
    await dashboard.open("fed")
    await expect(page.locator("#then")).to_have_text(re.compile("as it was at"))
    await expect(page.locator("#jump")).to_have_text(re.compile("[1-9].* points wait"))
    held = await page.evaluate("held")
    assert held and held == await page.locator(SIZES).all_inner_texts()


async def test_one_goes_back_in_time_and_returns(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("past")
    scrub = page.get_by_role("slider", name="Time that is shown")
    async with feeding(server, "past", seed=3):
        await expect(page.locator(IDS)).to_have_count(4)
        size = int((await page.locator(SIZES).first.inner_text()).replace(",", ""))
        await page.wait_for_function(
            """() => {
              const slider = document.getElementById('scrub');
              const at = (name) => Number(slider.getAttribute(`aria-value${name}`));
              return at('max') - at('min') > 8;
            }"""
        )
        await scrub.focus()
        await page.keyboard.press("ArrowLeft")
        await expect(scrub).to_have_attribute("aria-valuetext", re.compile(r"\d\d:"))
        await expect(page.locator("#when")).to_have_text(re.compile("shown: "))
        then = int((await page.locator(SIZES).first.inner_text()).replace(",", ""))
        assert then > 0 and size > 0
        await page.keyboard.press("End")
        await expect(scrub).to_have_attribute("aria-valuetext", "now")
        await expect(page.locator(SIZES).first).not_to_have_text(f"{then:,}")
        now = int((await page.locator(SIZES).first.inner_text()).replace(",", ""))
        assert now > then


async def test_a_cluster_tells_its_centroid_and_what_sets_it_apart(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    centres = [[0, 0, 5], [0, 30, 5], [40, 0, 5], [40, 30, 90]]
    await feed(server, "apart", seed=4, batches=20, centres=centres)
    await dashboard.open("apart")
    await dashboard.agrees("apart")
    known = await clusters_of(server, "apart")
    odd = next(c for c in known if c["centroid"][2] > 50)
    name = page.locator(".name", has_text=re.compile(f"^{odd['cluster_id']}$"))
    await name.click()
    rows = page.locator("#inspector tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.first.locator("th")).to_have_text("2")
    value = float(await rows.first.locator("td").first.inner_text())
    assert abs(value - odd["centroid"][2]) < 0.1
    apart = page.locator("#inspector > .hint").nth(1)
    await expect(apart).to_contain_text("Set apart most by")
    await page.keyboard.press("Escape")
    await expect(page.locator("#inspector")).to_be_hidden()


async def test_names_and_pins_stay_in_this_browser_for_the_epoch(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await feed(server, "named", seed=5, batches=20)
    await dashboard.open("named")
    await dashboard.agrees("named")
    last = await page.locator(IDS).last.inner_text()
    await page.locator("#clusters tbody th button").last.click()
    await page.get_by_label("Name", exact=True).fill("the odd one")
    await page.keyboard.press("Tab")
    await page.get_by_role("button", name="Pin").click()
    await expect(page.locator(IDS).first).to_have_text("the odd one")
    await page.reload()
    await expect(page.locator(IDS).first).to_have_text("the odd one")
    assert page.url.endswith(f"&cluster={last}")
    kept = await page.evaluate("Object.keys(localStorage).join()")
    assert re.search(r"ncs-clusters:named:.+", kept)


async def test_a_lasso_picks_points_and_exports_them(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("lasso", "&axes=0,1")
    async with feeding(server, "lasso", seed=6):
        await expect(page.locator("#share")).to_have_text(re.compile("points"))
        await expect(page.locator(IDS)).to_have_count(4)
    await page.keyboard.press("s")
    box = await page.locator("canvas.over").bounding_box()
    assert box is not None
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.1)]
    for k, (x, y) in enumerate(corners):
        place = box["x"] + x * box["width"], box["y"] + y * box["height"]
        await page.mouse.move(*place, steps=4)
        if k == 0:
            await page.mouse.down()
    await page.mouse.up()
    selection = page.get_by_label("Points in the lasso")
    title = await selection.locator("h3").inner_text()
    many = int(title.split()[0].replace(",", ""))
    assert many > 100
    rows = await saved(page, "CSV")
    table = list(csv.DictReader(rows.splitlines()))
    assert many == len(table)
    assert {"time", "cluster_id", "dimension 0", "dimension 1"} == table[0].keys()
    nearest = [
        min(
            abs(float(r["dimension 0"]) - x) + abs(float(r["dimension 1"]) - y)
            for x, y in CENTRES
        )
        for r in table
    ]
    assert sum(far < 8 for far in nearest) > 0.98 * many
    described: dict[str, Any] = json.loads(await saved(page, "JSON"))
    assert ("lasso", many) == (described["stream"], len(described["points"]))
    await page.keyboard.press("Escape")
    await expect(selection).to_be_hidden()
    assert [] == dashboard.troubles


async def saved(page: Page, name: str) -> str:
    """Return the file that a button gives."""
    async with page.expect_download() as download:
        await page.get_by_role("button", name=name, exact=True).click()
    path = await (await download.value).path()
    return await asyncio.to_thread(path.read_text)


async def test_one_source_is_looked_at_alone(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("two", "&tab=sources")
    first = {"centres": CENTRES[:2], "producer": "left"}
    second = {"centres": CENTRES[2:], "producer": "right"}
    async with feeding(server, "two", 7, **first):
        async with feeding(server, "two", 8, **second):
            await page.get_by_role("button", name="left").click()
            await expect(page.locator("#source-chip")).to_contain_text("only left")
            await page.get_by_role("tab", name="Clusters").click()
            await expect(page.locator("#clusters tr.faint")).to_have_count(2)
            await expect(page.locator(IDS)).to_have_count(4)
    await page.get_by_role("tab", name="Log").click()
    sources = page.locator("#log li small")
    await expect(sources.first).to_have_text("left")
    assert {"left"} == set(await sources.all_inner_texts())
    await page.get_by_role("button", name="All sources").click()
    await expect(sources.filter(has_text="right")).not_to_have_count(0)


async def test_a_threshold_is_tried_on_a_shadow_before_it_is_applied(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await feed(server, "tuned", seed=9, batches=20)
    await dashboard.open("tuned", "&tab=tune")
    path = "/api/v1/algorithm/config?stream=tuned"
    before = (await call(server, "GET", path))["params"]["base_threshold"]
    slider = page.get_by_label("Base threshold")
    await slider.fill("0.9")
    await page.get_by_role("button", name="Try on a shadow").click()
    await expect(page.locator("#tune tbody tr")).to_have_count(6)
    await expect(page.locator("#tune")).to_contain_text("On the last 2,000 points")
    assert before == (await call(server, "GET", path))["params"]["base_threshold"]
    await page.get_by_role("button", name="Apply").click()
    await expect(page.locator("#tune [role=status]")).to_contain_text("Applied")
    assert 0.9 == (await call(server, "GET", path))["params"]["base_threshold"]


async def test_what_one_chooses_stays_when_the_parameters_come_late(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await feed(server, "late", seed=14, batches=5)
    may_answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_answer.wait()
        await route.continue_()

    await page.context.route("**/api/v1/algorithm/config*", hold)
    await dashboard.open("late", "&tab=tune")
    slider = page.get_by_label("Base threshold")
    await slider.fill("0.9")
    await expect(page.locator("#tune output")).to_have_text("0.90")
    await expect(page.locator("#tune")).not_to_contain_text("In force:")
    may_answer.set()
    await expect(page.locator("#tune")).to_contain_text("In force: 0.")
    await expect(slider).to_have_value("0.9")
    await page.get_by_role("button", name="Apply").click()
    await expect(page.locator("#tune [role=status]")).to_contain_text("Applied")
    await expect(page.locator("#tune")).to_contain_text("In force: 0.90")


async def test_what_is_in_force_is_asked_again_after_a_refusal(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await feed(server, "asked", seed=15, batches=5)
    address = "**/api/v1/algorithm/config*"
    await page.context.route(address, lambda route: route.fulfill(status=404))
    await dashboard.open("asked", "&tab=tune")
    await expect(page.locator("#tune")).to_contain_text("in force is not known")
    await expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    await page.context.unroute(address)
    await page.get_by_role("tab", name="Log").click()
    await page.get_by_role("tab", name="Tune").click()
    await expect(page.locator("#tune")).to_contain_text("In force: 0.")


async def test_a_reset_is_asked_about_first(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await feed(server, "reset", seed=10, batches=20)
    await dashboard.open("reset", "&tab=tune")
    await page.get_by_role("button", name="Reset the model…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("cannot be undone")
    await dialog.get_by_role("button", name="Cancel").click()
    assert await clusters_of(server, "reset")
    await page.get_by_role("button", name="Reset the model…").click()
    await dialog.get_by_role("button", name="Reset the model").click()
    await expect(page.locator("#tune [role=status]")).to_contain_text("are gone")
    await page.get_by_role("tab", name="Clusters").click()
    await expect(page.locator("#more")).to_have_text("0 clusters")
    assert [] == await clusters_of(server, "reset")


async def test_a_reader_is_told_that_it_may_not_change_anything(
    context: BrowserContext, server: ServerProcess
) -> None:
    page = await context.new_page()
    await feed(server, "readonly", seed=11, batches=5)
    await page.goto(
        f"{server.url}/#key={await key_for(server, 'read')}&stream=readonly&tab=tune"
    )
    await page.get_by_label("Base threshold").fill("0.9")
    await page.get_by_role("button", name="Apply").click()
    said = page.locator("#tune [role=status]")
    await expect(said).to_contain_text(re.compile("scope|admin|permission"))
    await page.close()


async def test_an_address_leads_back_to_cluster_axes_and_tab(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed", "&cluster=0&view=3d&tab=log")
    await expect(page.locator("#inspector")).to_be_visible()
    await expect(page.get_by_role("button", name="3D")).to_have_attribute(
        "aria-pressed", "true"
    )
    await expect(page.get_by_role("tab", name="Log")).to_have_attribute(
        "aria-selected", "true"
    )
    assert page.url.endswith("#stream=fed&cluster=0&view=3d&tab=log")
    await page.evaluate("location.hash = '#stream=other'")
    await expect(page.locator("#inspector")).to_be_hidden()
    await expect(page.get_by_label("Stream", exact=True)).to_have_value("other")


async def test_the_keys_do_what_the_help_says(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("fed")
    await expect(page.locator(IDS)).not_to_have_count(0)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("jump to live")
    await page.keyboard.press("Escape")
    await page.keyboard.press("]")
    await expect(page.locator("#inspector")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#inspector")).to_be_hidden()
    await page.keyboard.press("p")
    await expect(page.locator("#jump")).to_be_visible()
    await page.keyboard.press("l")
    await expect(page.locator("#jump")).to_be_hidden()
    await page.keyboard.press("3")
    await expect(page.locator("#space")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("2")
    await expect(page.locator("#plane")).to_have_attribute("aria-pressed", "true")


async def test_a_hidden_page_draws_nothing_and_lets_its_subscription_rest(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("hidden")
    await feed(server, "hidden", seed=12, batches=5)
    await dashboard.agrees("hidden")
    path = "/api/v1/presence?stream=hidden"

    async def readers() -> int:
        return int((await call(server, "GET", path))["subscribers"])

    assert await readers() == 1
    await page.evaluate(SET_HIDDEN, True)
    while await readers() > 0:
        await asyncio.sleep(0.2)  # a token may ask a hundred times a minute
    sizes = await page.locator(SIZES).all_inner_texts()
    await feed(server, "hidden", seed=13, batches=5)
    assert sizes == await page.locator(SIZES).all_inner_texts()
    await page.evaluate(SET_HIDDEN, False)
    await dashboard.agrees("hidden")
    await expect(page.locator("#gaps")).to_be_empty()


SET_HIDDEN = """(hidden) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""


async def test_who_wants_no_movement_gets_none(
    dashboard: Dashboard, fed: ServerProcess
) -> None:
    page = dashboard.page
    await page.emulate_media(reduced_motion="reduce")
    await dashboard.open("fed")
    await expect(page.locator("#share")).to_have_text(re.compile("points"))
    running = "document.getAnimations().length"
    assert 0 == await page.evaluate(running)
    assert [] == dashboard.troubles
