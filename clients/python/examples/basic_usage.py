"""Cluster a few points over REST and look at what came of them.

Start a server first (`make demo`, or `ncs serve`), then run this file.
"""

import asyncio
import os

from ncs_client import AsyncNCSClient

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")


async def main() -> None:
    """Log in, push three points, print clusters and status."""
    async with AsyncNCSClient(URL) as client:
        await client.login("admin", "admin123")  # a development server on this machine
        print("server is", (await client.health_check()).status)

        result = await client.process_points(
            [[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [10.0, 20.0, 30.0]], stream="basic"
        )
        for point in result:
            print(point["input_point"], "-> cluster", point["cluster_id"])
        for cluster in result.clusters:
            print(f"cluster {cluster.cluster_id}: quality {cluster.quality:.2f}")

        status = await client.get_algorithm_status("basic")
        print(f"threshold in force: {status.current_dynamic_threshold:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
