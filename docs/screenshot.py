"""Take the picture of the dashboard in the README, of the demo: `make screenshot`."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import tempfile
from pathlib import Path

from page_measure import ARGUMENTS, CHROMIUM
from playwright.async_api import async_playwright

FILE = Path(__file__).resolve().parent / "dashboard.png"
AFTER_S = 75.0  # the plant's new regime comes at 45 s


async def main() -> None:
    """Run the demo, look at it, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ncs_streamer", "demo", "--port", "0"),
            *("--data-dir", folder),
            stdout=asyncio.subprocess.PIPE,
        )
        assert demo.stdout is not None
        try:
            while not (link := re.search(rb"http\S+#key=\S+", await line(demo.stdout))):
                pass
            await take(link[0].decode())
        finally:
            demo.send_signal(signal.SIGINT)
            await demo.communicate()


async def line(output: asyncio.StreamReader) -> bytes:
    """Return the next line of the demo.

    Raises:
        EOFError: it has ended.
    """
    if not (found := await output.readline()):
        raise EOFError("the demo has ended")
    return found


async def take(link: str) -> None:
    """Follow the demo for a while, and take the picture."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS
        )
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(link)
        await asyncio.sleep(AFTER_S)
        await page.screenshot(path=FILE)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
