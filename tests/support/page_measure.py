"""How long a picture of the dashboard takes, and how its memory grows.

`make bench-page`. A real server, a producer that pushes as fast as it is told, and a
real Chromium. After a while to warm up, the heap is measured after forced collections,
again and again; and the time from one picture to the next, with how many points each
shows. Where Chromium draws in software the figures are those of software.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page, async_playwright
from real_server import Socket, server_on, token

from ncs_protocol import MSGPACK
from ncs_protocol.messages import Ack, Points
from ncs_streamer.processes import ServerProcess

__all__ = ["ARGUMENTS", "CHROMIUM", "Growth", "growth", "push"]

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
]
_BATCH = 500
_FRAMES = """(ms) => new Promise((done) => {
  const began = performance.now();
  const times = [];
  const step = (now) => {
    times.push(now);
    if (now - began < ms) requestAnimationFrame(step);
    else done(times.slice(1).map((time, k) => time - times[k]));
  };
  requestAnimationFrame(step);
})"""


@dataclasses.dataclass(frozen=True, slots=True)
class Growth:
    """Bytes in use after collections, at so many seconds."""

    seconds: list[float]
    heap: list[int]
    nodes: list[int]


async def push(server: ServerProcess, stream: str, rate: float) -> None:
    """Push points of 24 clusters in ten dimensions for ever, so many a second."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 40, (24, 10))
    async with Socket.to(
        server, codec=MSGPACK, credential=token("default"), producer="measure"
    ) as socket:
        began, seq = time.monotonic(), 0
        while True:
            seq += 1
            blobs = rng.integers(0, len(centres), _BATCH)
            array = centres[blobs] + rng.normal(0, 1, (_BATCH, 10))
            points = Points(seq=seq, stream=stream, array=array.astype(np.float32))
            await socket.send(points)
            ack = await socket.receive()
            assert isinstance(ack, Ack)
            await asyncio.sleep(
                max(0.0, began + seq * _BATCH / rate - time.monotonic())
            )


async def growth(page: Page, seconds: float, times: int) -> Growth:
    """Measure the page's heap and its nodes, so many times over so many seconds."""
    session = await page.context.new_cdp_session(page)
    found = Growth([], [], [])
    began = time.monotonic()
    for k in range(times):
        await asyncio.sleep(
            max(0.0, began + k * seconds / (times - 1) - time.monotonic())
        )
        for _ in range(2):
            await session.send("HeapProfiler.collectGarbage")
        usage = await session.send("Runtime.getHeapUsage")
        counters = await session.send("Memory.getDOMCounters")
        found.seconds.append(round(time.monotonic() - began, 1))
        found.heap.append(int(usage["usedSize"]))
        found.nodes.append(int(counters["nodes"]))
    await session.detach()
    return found


async def measure(rate: float, seconds: float, warm_s: float) -> dict[str, Any]:
    """Run all of it; return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with server_on(Path(folder)) as server, async_playwright() as playwright:
            pushing = asyncio.create_task(push(server, "measured", rate))
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=ARGUMENTS
            )
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            key = token("default", "read")
            await page.goto(f"{server.url}/#key={key}&stream=measured")
            await page.locator("#clusters tbody tr").nth(20).wait_for(timeout=60_000)
            await asyncio.sleep(warm_s)
            found = await growth(page, seconds, 9)
            frames = sorted(await page.evaluate(_FRAMES, 10_000))
            share = page.locator("#share")
            throughput = page.locator(".tile b").first
            told = {
                "points": await share.inner_text(),
                "drawn_by": await share.get_attribute("title"),
                "throughput": await throughput.inner_text(),
            }
            await browser.close()
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)
    return {
        **told,
        "frame_ms": {
            "median": round(frames[len(frames) // 2], 1),
            "p95": round(frames[int(0.95 * len(frames))], 1),
            "frames": len(frames),
        },
        "heap_mb": [round(size / 1e6, 1) for size in found.heap],
        "nodes": found.nodes,
        "seconds": found.seconds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50_000, help="points a second")
    parser.add_argument("--seconds", type=float, default=300, help="of the heap")
    parser.add_argument("--warm", type=float, default=30, help="seconds before")
    args = parser.parse_args()
    figures = asyncio.run(measure(args.rate, args.seconds, args.warm))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
