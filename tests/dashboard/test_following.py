"""The dashboard agrees with the server, whatever becomes of the connection."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from blobs import feed, feeding
from playwright.async_api import BrowserContext, expect
from real_server import server_on

from ncs_streamer.processes import ServerProcess

from .conftest import IDS, SIZES, Dashboard, key_for

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


async def test_it_agrees_with_the_server_while_and_after_points_flow(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("blobs")
    assert page.url == f"{server.url}/#stream=blobs"
    await expect(page).to_have_title(re.compile("blobs"))
    async with feeding(server, "blobs"):
        largest = page.locator(SIZES).first
        for _ in range(3):
            size = await largest.inner_text()
            await expect(largest).not_to_have_text(size)
        rate = page.locator(".tile", has_text="Throughput").locator("b")
        await expect(rate).to_have_text(re.compile(r"^[1-9]"))
        await expect(page.locator("#age")).to_have_text(re.compile("data .* s old"))
    await dashboard.agrees("blobs")
    await expect(rate).to_have_text("0 /s")
    await expect(page.locator("#gaps")).to_be_empty()
    await page.get_by_role("tab", name="Log").click()
    await expect(page.locator("#log li", has_text="created").first).to_be_visible()
    assert [] == dashboard.troubles
    host = server.url.partition("://")[2]
    assert len(dashboard.addresses) > 5
    assert {host} == {address.split("/")[2] for address in dashboard.addresses}


async def test_it_comes_back_after_a_crash_of_the_server(
    context: BrowserContext, tmp_path: Path
) -> None:
    page = await context.new_page()
    async with server_on(tmp_path) as server:
        dashboard = Dashboard(page, server)
        await dashboard.open("crash")
        await feed(server, "crash", seed=3, batches=20)
        await dashboard.agrees("crash")
        await server.kill()
    await expect(page.locator("#state")).to_have_text("reconnecting")
    await expect(page.locator("#age")).to_have_class(re.compile("old"))
    await expect(page.locator(IDS)).not_to_have_count(0)

    port = int(server.url.rpartition(":")[2])
    async with server_on(tmp_path, port=port) as again:
        dashboard.server = again
        await page.evaluate("document.getElementById('retry').click()")
        await expect(page.locator("#state")).to_have_text("live")
        await dashboard.agrees("crash")
        await feed(again, "crash", seed=4, batches=20)
        await dashboard.agrees("crash")
        await expect(page.locator("#gaps")).to_be_empty()
        await page.close()


async def test_a_wrong_key_leads_to_the_form_and_says_why(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await page.goto(f"{server.url}/#key=nck_dev_wrong")
    message = page.locator("#login-message")
    await expect(message).to_contain_text("The server refused the credential")
    await expect(page.get_by_label("Password")).to_be_visible()
    await expect(page.locator("#live")).to_be_hidden()
    assert "wrong" not in page.url
    assert "wrong" not in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_one_can_log_in_stay_over_a_reload_and_log_out(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
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
    assert "eyJ" not in await page.evaluate("JSON.stringify(localStorage)")

    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Password")).to_be_visible()


async def test_a_key_can_be_typed_in(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await page.goto(server.url)
    await page.get_by_label("API key or token").fill(await key_for(server, "read"))
    await page.get_by_role("button", name="Log in").click()
    await expect(page.locator("#state")).to_have_text("live")


async def test_another_stream_can_be_chosen_and_stays_chosen(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("one")
    await feed(server, "another", seed=5, batches=5)
    select = page.get_by_label("Stream", exact=True)
    await select.focus()
    await expect(select.locator("option", has_text="another")).to_be_attached()
    await select.select_option("another")
    await dashboard.agrees("another")
    await expect(page).to_have_title(re.compile("another"))
    await page.reload()
    await expect(select).to_have_value("another")
    await dashboard.agrees("another")


async def test_a_session_that_ends_is_announced_and_goes_on_with_a_new_login(
    context: BrowserContext, tmp_path: Path
) -> None:
    page = await context.new_page()
    flags = ("--access-token-expire-minutes", "0.15")
    async with server_on(tmp_path, *flags) as server:
        await page.goto(server.url)
        await page.get_by_label("User").fill("admin")
        await page.get_by_label("Password").fill("admin123")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("#notice")).to_contain_text("Your session ends at")
        message = page.locator("#login-message")
        await expect(message).to_contain_text("Your session has ended")
        await page.get_by_label("User").fill("admin")
        await page.get_by_label("Password").fill("admin123")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("#state")).to_have_text("live")
        await page.close()
