"""Counts and summaries of values, kept in constant memory."""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["MetricsCollector"]


@dataclasses.dataclass(slots=True)
class _Values:
    count: int = 0
    sum: float = 0.0
    min: float = float("inf")
    max: float = float("-inf")

    def add(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self.min = min(self.min, value)
        self.max = max(self.max, value)

    def summary(self) -> dict[str, float]:
        return {
            "count": self.count,
            "sum": self.sum,
            "avg": self.sum / self.count,
            "min": self.min,
            "max": self.max,
        }


class MetricsCollector:
    """What a program counts and measures, by name.

    Attributes:
        counters: name -> count.
    """

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self._values: dict[str, _Values] = {}

    def increment(self, metric_name: str, value: int = 1) -> None:
        """Count."""
        self.counters[metric_name] = self.counters.get(metric_name, 0) + value

    def record(self, metric_name: str, value: float) -> None:
        """Take note of a value."""
        self._values.setdefault(metric_name, _Values()).add(value)

    def get_summary(self) -> dict[str, Any]:
        """Return ``counters``, and of each value: count, sum, avg, min, max."""
        summaries = {name: values.summary() for name, values in self._values.items()}
        return {"counters": dict(self.counters), **summaries}
