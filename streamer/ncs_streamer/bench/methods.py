"""What is scored: a method takes a whole stream and says what it said at each arrival.

NCS and its peers have one face, so that all are run, timed and scored by the same lines
of code. A method that needs a package which is not installed says which.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncs_engine import Engine, EngineParams

__all__ = [
    "INSTALL",
    "NCS",
    "Method",
    "Verdicts",
    "is_installed",
    "missing_line",
    "run_engine",
]

INSTALL = 'pip install ".[bench]"  (in a clone)'
"""Command that installs every package that a peer needs."""

_MODULES = {
    "river": ("river.cluster", "river.anomaly", "river.drift"),
    "scikit-learn": ("sklearn.cluster", "threadpoolctl"),
}
_BLOCK = 100  # the ids do not depend on it


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What a method said of n points, each at its arrival; None for what it cannot."""

    ids: NDArray[np.int64] | None = None
    """int64 (n,): the cluster, -1 for an outlier."""
    scores: NDArray[np.float64] | None = None
    """float64 (n,): the higher, the more an outlier."""
    flags: NDArray[np.bool_] | None = None
    """bool (n,): called an outlier."""
    drift: tuple[int, ...] | None = None
    """Ascending: numbers of points learned when drift was reported."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A way to cluster, to score outliers or to find drift, with one setting for all.

    `run` takes float (n, d) in the order of arrival. What it says of a point must not
    depend on points after it.
    """

    name: str
    tasks: frozenset[str]
    """Some of `cluster`, `outlier`, `drift`."""
    run: Callable[[NDArray[Any]], Verdicts]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    package: str | None = None
    """Distribution that it needs, besides this one."""

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return self.package is None or is_installed(self.package)

    def load(self) -> None:
        """Import its package, so that a run is timed without that."""
        for module in _MODULES[self.package] if self.package else ():
            importlib.import_module(module)


def is_installed(package: str) -> bool:
    """Return whether the distribution of a peer is there."""
    tops = {module.partition(".")[0] for module in _MODULES[package]}
    return all(importlib.util.find_spec(top) is not None for top in tops)


def missing_line(missing: Iterable[Method]) -> str:
    """Return one sentence about the peers that are not installed."""
    names = ", ".join(f"{peer.name} ({peer.package})" for peer in missing)
    return f"Not installed, so not compared: {names}. To have them: {INSTALL}"


def run_engine(points: NDArray[Any]) -> Verdicts:
    """Let an engine with default parameters learn float (n, d) points."""
    engine = Engine()
    cuts = range(_BLOCK, len(points), _BLOCK)
    results = [engine.learn(block) for block in np.split(points, cuts)]
    return Verdicts(
        ids=np.concatenate([result.cluster_ids for result in results]),
        scores=np.concatenate([r.outlier_scores for r in results]).astype(np.float64),
        flags=np.concatenate([result.is_outlier for result in results]),
        drift=tuple(drift.at for result in results for drift in result.drift),
    )


NCS = Method(
    name="NCS",
    tasks=frozenset(("cluster", "outlier", "drift")),
    run=run_engine,
    settings=EngineParams().as_dict(),
)
