"""Push points over a WebSocket and follow what they do to the model.

The gateway and the dashboard of one program: the first pushes, the second watches.
"""

import asyncio
import os

import numpy as np

from ncs_client import AsyncNCSClient, ClusterView, StreamSession
from ncs_protocol.messages import ClusterUpdateEvent, DriftDetectionEvent

URL = os.environ.get("NCS_URL", "http://127.0.0.1:8000")
BATCHES = int(os.environ.get("NCS_BATCHES", "50"))


async def gateway(session: StreamSession) -> None:
    """Push three moving crowds; every ack means "on disk and in the model"."""
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    for _ in range(BATCHES):
        centres += 0.01
        points = centres[rng.integers(3, size=40)] + rng.normal(size=(40, 2))
        ack = await session.send(points.astype(np.float32), stream="crowds")
        assert ack.accepted == 40 or ack.duplicate


async def dashboard(session: StreamSession, view: ClusterView) -> None:
    """Keep a copy of the model and print what happens to clusters."""
    async for message in await session.subscribe("crowds"):
        view.apply(message)
        if isinstance(message, ClusterUpdateEvent) and message.delivery == "lossless":
            print(f"cluster {message.data.cluster_id} {message.data.change}")
        elif isinstance(message, DriftDetectionEvent):
            print(f"drift: {message.data.severity}; {message.data.recommendation}")


async def main() -> None:
    """Run both until the gateway has pushed everything."""
    async with AsyncNCSClient(URL) as client:
        await client.login("admin", "admin123")
        view = ClusterView()
        async with (
            client.stream(producer="example-gateway", streams=["crowds"]) as pushing,
            client.stream() as reading,
        ):
            watching = asyncio.create_task(dashboard(reading, view))
            await gateway(pushing)
            await asyncio.sleep(0.5)  # let the last events arrive
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        print(f"{len(view.clusters)} clusters:")
        for cluster in view.clusters.values():
            x, y = cluster.centroid
            print(
                f"  {cluster.cluster_id}: {cluster.size} points at ({x:.1f}, {y:.1f})"
            )


if __name__ == "__main__":
    asyncio.run(main())
