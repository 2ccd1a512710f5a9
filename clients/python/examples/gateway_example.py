"""Push through a spool on disk: it starts without the server, and nothing counts twice.

Kill it at any moment and start it again: it goes on where it was.
"""

import asyncio
import os
import tempfile
import time

from ncs_client import AsyncNCSClient, GatewayClient, SpoolOptions

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
SPOOL = os.environ.get("NCS_SPOOL") or tempfile.mkdtemp(prefix="ncs-spool-")
BATCHES = 50


async def key_for_the_gateway() -> str:
    """Return an API key; a real gateway finds it in its configuration."""
    async with AsyncNCSClient(URL) as client:
        await client.login("admin", "admin123")
        return (await client.create_key("plant-7")).api_key


def measured(number: int) -> list[list[float]]:
    """Return ten readings of three sensors."""
    regime = 10.0 * (number % 2)
    return [[regime + 0.1 * i, regime, 1.0] for i in range(10)]


async def main() -> None:
    """Push readings, and wait until they are in the model."""
    gateway = GatewayClient(
        URL,
        api_key=await key_for_the_gateway(),
        producer="plant-7",
        stream="plant",
        spool_dir=SPOOL,
        spool=SpoolOptions(max_bytes=64 * 1024 * 1024, overflow="drop_oldest"),
        on_backpressure=lambda reason, retry_after: print("held up:", reason),
        on_drop=lambda reason, batches: print(batches, "batches lost:", reason),
    )
    async with gateway:
        for number in range(BATCHES):
            points = measured(number)
            await gateway.push(points, timestamps=[time.time()] * len(points))
        print(BATCHES, "batches are on this disk")
        await gateway.flush(timeout=30)
        stats = gateway.stats()
        print(f"all {stats.acked_batches} batches are in the model")
        for producer, (epoch, seq) in stats.last_acked.items():
            print(f"  {producer}: {seq} in epoch {epoch}")


if __name__ == "__main__":
    asyncio.run(main())
