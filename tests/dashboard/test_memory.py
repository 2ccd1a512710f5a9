"""A page that is left open does not grow: its heap and its nodes stay within bounds.

A timing decides nothing here: what is measured are bytes after forced collections, once
what is kept has filled its bounds. `make bench-page` does the same for minutes.
"""

from __future__ import annotations

import asyncio

import pytest
from page_measure import growth, push
from playwright.async_api import expect

from ncs_streamer.processes import ServerProcess

from .conftest import Dashboard

pytestmark = [
    pytest.mark.integration,
    pytest.mark.performance,
    pytest.mark.asyncio(loop_scope="module"),
]

MOST_BYTES = 12_000_000  # of the heap, typed arrays not counted
MOST_GROWN = 1_500_000  # one picture of the past a second is some kilobytes


async def test_heap_and_nodes_stay_bounded(
    dashboard: Dashboard, server: ServerProcess
) -> None:
    page = dashboard.page
    await dashboard.open("kept")
    pushing = asyncio.create_task(push(server, "kept", rate=5000))
    try:
        await expect(page.locator("#clusters tbody tr")).not_to_have_count(0)
        await growth(page, 6, 2)  # what is made once is made by then
        found = await growth(page, 20, 5)
    finally:
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)
    assert max(found.heap) < MOST_BYTES, found
    assert found.heap[-1] - found.heap[0] < MOST_GROWN, found
    assert max(found.nodes) - min(found.nodes) < 2000, found
    assert [] == dashboard.troubles
