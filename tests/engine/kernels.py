"""Both kernels side by side, whichever of them the tests run on."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType
from unittest import mock

import pytest

from ncs_engine import kernel, numpy_kernel
from ncs_engine.distribution import Distribution
from ncs_engine.drift import DriftDetector
from ncs_engine.histogram import Histogram
from ncs_engine.microclusters import MicroClusters
from ncs_engine.outliers import Background
from ncs_engine.recent import RecentPoints
from ncs_engine.standardizer import Standardizer
from ncs_engine.watch import Watch


def native() -> ModuleType:
    """Return the compiled kernel; without it the tests cannot run."""
    try:
        return importlib.import_module("ncs_engine._native")
    except ImportError as error:
        pytest.fail(
            f"{error}: the tests compare with the compiled kernel. Install a C compiler"
            " and Python's headers (apt-get install gcc python3-dev), then"
            " pip install -e ./engine"
        )


@contextlib.contextmanager
def running_on(module: ModuleType) -> Iterator[None]:
    """Let engines run on that kernel."""
    with mock.patch.object(kernel, "active", module):
        yield


def both() -> list[ModuleType]:
    return [numpy_kernel, native()]


def watch_over(
    micro: MicroClusters,
    recent: RecentPoints,
    scaler: Standardizer | None = None,
    *,
    unit: bool = False,
) -> Watch:
    """Return a new watch with a column for each label of the micro-clusters."""
    dimension, drift = len(micro.centres), DriftDetector()
    drift.ledger.hold(micro.label[: micro.count].tolist())
    distribution = Distribution(Histogram(dimension, unit=unit))
    scaler = scaler or Standardizer(dimension)
    return Watch(Background(), recent, scaler, distribution, drift)
