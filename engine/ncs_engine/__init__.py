"""The streaming clusterer of NeuroCluster Streamer, usable without any server.

    from ncs_engine import Engine
    result = Engine().learn([[1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [10.0, 20.0, 30.0]])
    result.cluster_ids  # array([0, 0, 1])

It depends on numpy only, reads no clock and does no I/O.
"""

from .bounded import BoundedCollection
from .engine import Engine
from .errors import NCSProcessingError, ProcessingError
from .kernel import KERNEL_ENV, KernelInfo, kernel_info
from .neuro import NeuroClusterStreamer
from .params import MAX_CLUSTERS, EngineParams
from .presets import PRESETS, preset
from .result import OUTLIER, Change, ChangeKind, Cluster, Drift, LearnResult

__all__ = [
    "KERNEL_ENV",
    "MAX_CLUSTERS",
    "OUTLIER",
    "PRESETS",
    "BoundedCollection",
    "Change",
    "ChangeKind",
    "Cluster",
    "Drift",
    "Engine",
    "EngineParams",
    "KernelInfo",
    "LearnResult",
    "NCSProcessingError",
    "NeuroClusterStreamer",
    "ProcessingError",
    "kernel_info",
    "preset",
]

__version__ = "0.1.0"
