"""The Python client of NeuroCluster Streamer.

async with AsyncNCSClient("http://127.0.0.1:8000", api_key="nck_...") as client:
    async with client.stream(producer="gateway-1") as session:
        ack = await session.send([[1.0, 2.0, 3.0]])
"""

from .client import AsyncNCSClient
from .errors import (
    ConnectionEndedError,
    LaggingError,
    NCSAPIException,
    NcsClientError,
    RefusedError,
    UnreachableError,
)
from .results import (
    AlgorithmStatus,
    ApiKey,
    Cluster,
    Health,
    PointOutcome,
    ProcessResult,
)
from .stream import StreamSession
from .subscription import Subscription
from .view import ClusterView

__all__ = [
    "AlgorithmStatus",
    "ApiKey",
    "AsyncNCSClient",
    "Cluster",
    "ClusterView",
    "ConnectionEndedError",
    "Health",
    "LaggingError",
    "NCSAPIException",
    "NcsClientError",
    "PointOutcome",
    "ProcessResult",
    "RefusedError",
    "StreamSession",
    "Subscription",
    "UnreachableError",
]

__version__ = "0.1.0"
