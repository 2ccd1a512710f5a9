"""The documented presets: engine parameters for four kinds of use.

The server has them too (`client.shadow(preset=...)`); here they can be read and changed
without asking it. A test compares both.
"""

from __future__ import annotations

from typing import Any

__all__ = ["PRESETS"]

PRESETS: dict[str, dict[str, Any]] = {
    "real_time_low_latency": {
        "base_threshold": 0.65,
        "learning_rate": 0.08,
        "max_clusters": 20,
        "memory_limit_mb": 32,
        "batch_size": 100,
        "enable_drift_detection": False,
    },
    "high_accuracy_research": {
        "base_threshold": 0.75,
        "learning_rate": 0.04,
        "max_clusters": 50,
        "memory_limit_mb": 128,
        "batch_size": 2000,
        "enable_drift_detection": True,
        "quality_check_interval": 100,
    },
    "large_scale_production": {
        "base_threshold": 0.70,
        "learning_rate": 0.06,
        "max_clusters": 40,
        "memory_limit_mb": 64,
        "batch_size": 1000,
        "enable_drift_detection": True,
        "auto_scaling": True,
    },
    "streaming_iot": {
        "base_threshold": 0.68,
        "learning_rate": 0.10,
        "max_clusters": 25,
        "memory_limit_mb": 48,
        "drift_sensitivity": 0.3,
        "outlier_threshold": 0.85,
    },
}
