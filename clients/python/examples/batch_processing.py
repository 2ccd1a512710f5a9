"""Push a large array in batches, several in flight, and time it."""

import asyncio
import os
import time

import numpy as np

from ncs_client import AsyncNCSClient

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
POINTS = int(os.environ.get("NCS_POINTS", "20000"))
BATCH = 1000


async def main() -> None:
    """Push `POINTS` points of five dimensions; all are in the model at the end."""
    rng = np.random.default_rng(2)
    centres = rng.uniform(-50, 50, size=(8, 5))
    data = centres[rng.integers(8, size=POINTS)] + rng.normal(size=(POINTS, 5))

    async with AsyncNCSClient(URL) as client:
        await client.login("admin", "admin123")
        began = time.perf_counter()
        async with client.stream(streams=["batch"], max_unacknowledged=8) as session:
            futures = [
                await session.submit(data[i : i + BATCH], stream="batch")
                for i in range(0, POINTS, BATCH)
            ]
            done = 0
            for future in asyncio.as_completed(futures):
                await future
                done += 1
                print(f"\r{done * 100 // len(futures)} %", end="", flush=True)
        seconds = time.perf_counter() - began
        status = await client.get_algorithm_status("batch")
        print(f"\r{POINTS / seconds:,.0f} points/s, {status.active_clusters} clusters")


if __name__ == "__main__":
    asyncio.run(main())
