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
    from ncs_protocol import ScaledArray
    from ncs_protocol.messages import CaughtUp, Epsilon, EventFilter, Lagging, Sample

    from .blocking import NCSClient
    from .breaker import CircuitBreaker
    from .callbacks import CallbackStream, StreamingOptions
    from .calls import ProcessOptions
    from .client import AsyncNCSClient
    from .errors import (
        AuthenticationError,
        BatchesLostError,
        CircuitBreakerOpenException,
        ConnectionEndedError,
        GapError,
        NCSAPIException,
        NcsClientError,
        RateLimitError,
        RefusedError,
        RequestTimeoutError,
        SpoolError,
        SpoolFullError,
        UnavailableError,
        UnreachableError,
        ValidationError,
    )
    from .gateway import GatewayClient
    from .metrics import MetricsCollector
    from .pool import PoolOptions
    from .presets import PRESETS
    from .processor import BatchProcessor
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
    from .service import ClusteringService, ServiceHealth
    from .spool_options import SpoolOptions
    from .stream import StreamSession
    from .subscription import Subscription
    from .tuner import AlgorithmTuner
    from .view import ClusterView
    from .workers import ParallelBatchProcessor

__all__ = [
    "PRESETS",
    "AlgorithmStatus",
    "AlgorithmTuner",
    "ApiKey",
    "AsyncNCSClient",
    "AuthenticationError",
    "BatchProcessor",
    "BatchesLostError",
    "CallbackStream",
    "CaughtUp",
    "CircuitBreaker",
    "CircuitBreakerOpenException",
    "Cluster",
    "ClusterView",
    "ClusteringService",
    "ConnectionEndedError",
    "Epsilon",
    "EventFilter",
    "GapError",
    "GatewayClient",
    "Health",
    "Lagging",
    "MetricsCollector",
    "NCSAPIException",
    "NCSClient",
    "NcsClientError",
    "ParallelBatchProcessor",
    "PointOutcome",
    "PoolOptions",
    "ProcessOptions",
    "ProcessResult",
    "RateLimitError",
    "RefusedError",
    "RequestTimeoutError",
    "Sample",
    "ScaledArray",
    "ServiceHealth",
    "ShadowOutcome",
    "ShadowResult",
    "SpoolError",
    "SpoolFullError",
    "SpoolOptions",
    "StreamSession",
    "StreamingOptions",
    "Subscription",
    "UnavailableError",
    "UnreachableError",
    "ValidationError",
]

__version__ = "0.1.0"

_MODULES = {
    "ncs_protocol": ("ScaledArray",),
    "ncs_protocol.messages": (
        "CaughtUp",
        "Epsilon",
        "EventFilter",
        "Lagging",
        "Sample",
    ),
    ".blocking": ("NCSClient",),
    ".breaker": ("CircuitBreaker",),
    ".callbacks": (
        "CallbackStream",
        "StreamingOptions",
    ),
    ".calls": ("ProcessOptions",),
    ".client": ("AsyncNCSClient",),
    ".errors": (
        "AuthenticationError",
        "BatchesLostError",
        "CircuitBreakerOpenException",
        "ConnectionEndedError",
        "GapError",
        "NCSAPIException",
        "NcsClientError",
        "RateLimitError",
        "RefusedError",
        "RequestTimeoutError",
        "SpoolError",
        "SpoolFullError",
        "UnavailableError",
        "UnreachableError",
        "ValidationError",
    ),
    ".gateway": ("GatewayClient",),
    ".metrics": ("MetricsCollector",),
    ".pool": ("PoolOptions",),
    ".presets": ("PRESETS",),
    ".processor": ("BatchProcessor",),
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
    ".service": (
        "ClusteringService",
        "ServiceHealth",
    ),
    ".spool_options": ("SpoolOptions",),
    ".stream": ("StreamSession",),
    ".subscription": ("Subscription",),
    ".tuner": ("AlgorithmTuner",),
    ".view": ("ClusterView",),
    ".workers": ("ParallelBatchProcessor",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module, __name__), name)
