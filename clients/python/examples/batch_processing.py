"""Push a large array in batches, several on their way, with progress.

Each batch counts once, however often it has to be sent.
"""

import asyncio
import os

import numpy as np

from ncs_client import AsyncNCSClient, BatchProcessor

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
POINTS = int(os.environ.get("NCS_POINTS", "20000"))


async def main() -> None:
    """Push `POINTS` points of five dimensions; all are in the model at the end."""
    rng = np.random.default_rng(2)
    centres = rng.uniform(-50, 50, size=(8, 5))
    data = centres[rng.integers(8, size=POINTS)] + rng.normal(size=(POINTS, 5))

    async with AsyncNCSClient(URL) as client:
        await client.login("admin", "admin123")
        config = {"batch_size": "auto", "max_concurrent": 1, "stream": "batch"}
        processor = BatchProcessor(client, config)
        result = await processor.process_large_dataset(
            data,
            progress_callback=lambda share, batch: print(
                f"{share:4.0%}  {batch['point_count']} points"
                f" in {1000 * batch['processing_time']:.0f} ms"
            ),
        )
        for failed in result["failed"]:
            print("not counted:", failed["start"], failed["error"])
        clusters = await client.get_clusters("batch")
    print(f"{result['total_points']} points, {len(clusters)} clusters")


if __name__ == "__main__":
    asyncio.run(main())
