"""The documented presets: engine parameters for four kinds of use.

    engine = Engine(preset("streaming_iot"))

A preset says what the guides print and leaves everything else at its default. Which one
suits is a matter of memory and reaction and not of the data: the defaults do well on
all of them, and `ncs tune` measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .params import EngineParams

__all__ = ["PRESETS", "preset"]

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "real_time_low_latency": MappingProxyType(
            {
                "base_threshold": 0.65,
                "learning_rate": 0.08,
                "max_clusters": 20,
                "memory_limit_mb": 32,
                "batch_size": 100,
                "enable_drift_detection": False,
            }
        ),
        "high_accuracy_research": MappingProxyType(
            {
                "base_threshold": 0.75,
                "learning_rate": 0.04,
                "max_clusters": 50,
                "memory_limit_mb": 128,
                "batch_size": 2000,
                "enable_drift_detection": True,
                "quality_check_interval": 100,
            }
        ),
        "large_scale_production": MappingProxyType(
            {
                "base_threshold": 0.70,
                "learning_rate": 0.06,
                "max_clusters": 40,
                "memory_limit_mb": 64,
                "batch_size": 1000,
                "enable_drift_detection": True,
                "auto_scaling": True,
            }
        ),
        "streaming_iot": MappingProxyType(
            {
                "base_threshold": 0.68,
                "learning_rate": 0.10,
                "max_clusters": 25,
                "memory_limit_mb": 48,
                "drift_sensitivity": 0.3,
                "outlier_threshold": 0.85,
            }
        ),
    }
)
"""Name -> what it sets, as documented."""


def preset(name: str) -> EngineParams:
    """Return the parameters of a preset.

    Raises:
        ValueError: for a name that is not in `PRESETS`: ``Unknown use case: <name>``.
    """
    if name not in PRESETS:
        raise ValueError(f"Unknown use case: {name}")
    return EngineParams(**PRESETS[name])
