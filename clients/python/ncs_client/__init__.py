"""The Python client of NeuroCluster Streamer.

async with AsyncNCSClient("http://127.0.0.1:8000", api_key="nck_...") as client:
    async with client.stream(producer="gateway-1") as session:
        ack = await session.send([[1.0, 2.0, 3.0]])

Each name is loaded when it is first used (PEP 562): a gateway of 40 MB has no room for
the HTTP client and NumPy, which it does not need.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncs_protocol.messages import CaughtUp, Epsilon, EventFilter, Lagging, Sample

    from .client import AsyncNCSClient
    from .errors import (
        ConnectionEndedError,
        GapError,
        LaggingError,
        NCSAPIException,
        NcsClientError,
        RefusedError,
        SpoolError,
        SpoolFullError,
        UnreachableError,
    )
    from .gateway import GatewayClient
    from .results import (
        AlgorithmStatus,
        ApiKey,
        Cluster,
        Health,
        PointOutcome,
        ProcessResult,
        ShadowOutcome,
        ShadowResult,
    )
    from .spool_options import SpoolOptions
    from .stream import StreamSession
    from .subscription import Subscription
    from .view import ClusterView

__all__ = [
    "AlgorithmStatus",
    "ApiKey",
    "AsyncNCSClient",
    "CaughtUp",
    "Cluster",
    "ClusterView",
    "ConnectionEndedError",
    "Epsilon",
    "EventFilter",
    "GapError",
    "GatewayClient",
    "Health",
    "Lagging",
    "LaggingError",
    "NCSAPIException",
    "NcsClientError",
    "PointOutcome",
    "ProcessResult",
    "RefusedError",
    "Sample",
    "ShadowOutcome",
    "ShadowResult",
    "SpoolError",
    "SpoolFullError",
    "SpoolOptions",
    "StreamSession",
    "Subscription",
    "UnreachableError",
]

__version__ = "0.1.0"

_MODULES = {
    ".client": ("AsyncNCSClient",),
    "ncs_protocol.messages": (
        "CaughtUp",
        "Epsilon",
        "EventFilter",
        "Lagging",
        "Sample",
    ),
    ".errors": (
        "ConnectionEndedError",
        "GapError",
        "LaggingError",
        "NCSAPIException",
        "NcsClientError",
        "RefusedError",
        "SpoolError",
        "SpoolFullError",
        "UnreachableError",
    ),
    ".gateway": ("GatewayClient",),
    ".results": (
        "AlgorithmStatus",
        "ApiKey",
        "Cluster",
        "Health",
        "PointOutcome",
        "ProcessResult",
        "ShadowOutcome",
        "ShadowResult",
    ),
    ".spool_options": ("SpoolOptions",),
    ".stream": ("StreamSession",),
    ".subscription": ("Subscription",),
    ".view": ("ClusterView",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module, __name__), name)
