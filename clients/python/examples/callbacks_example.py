"""Push points and be called back when clusters change: the documented way to stream."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from typing import Any

from ncs_client import NCSClient

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
POINTS = int(os.environ.get("NCS_POINTS", "60"))


async def sensor() -> AsyncIterator[list[float]]:
    """Give readings of a machine that has two speeds."""
    for number in range(POINTS):
        speed = 10.0 if number % 20 < 10 else 50.0
        yield [random.gauss(speed, 0.5), random.gauss(2 * speed, 0.5)]
        await asyncio.sleep(0.001)


class Processor:
    """Keeps what it was told of every cluster."""

    def __init__(self) -> None:
        self.clusters: dict[int, dict[str, Any]] = {}

    def on_message(self, event: dict[str, Any]) -> None:
        """Take an event."""
        if event["type"] == "snapshot":
            self.clusters = {c["cluster_id"]: c for c in event["data"]["clusters"]}
        elif event["type"] == "cluster_update":
            self.clusters[event["data"]["cluster_id"]] = event["data"]
        elif event["type"] == "drift_detection":
            print("drift:", event["data"]["severity"], event["data"]["recommendation"])


async def main() -> None:
    """Push until the sensor ends; every point is in the model then."""
    processor = Processor()
    client = NCSClient(URL)
    client.login("admin", "admin123")
    stream = await client.start_streaming(
        {
            "onMessage": processor.on_message,
            "onError": lambda error: print("error:", error),
            "onReconnect": lambda attempt: print("attempt", attempt),
            "onClose": lambda: print("closed"),
            "reconnectAttempts": 5,
            "stream": "callbacks",
        }
    )
    async for point in sensor():
        await stream.send_point(point, metadata={"source": "sensor_001"})
    await asyncio.sleep(0.5)  # let the last events arrive
    await stream.stop()
    for id, cluster in sorted(processor.clusters.items()):
        print(f"cluster {id}: {cluster['size']} points, {cluster['quality']:.2f}")
    status = client.get_algorithm_status("callbacks")
    print(status.total_points_processed, "points are in the model")


if __name__ == "__main__":
    asyncio.run(main())
