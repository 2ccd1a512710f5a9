"""Looks for better parameters of the engine, without disturbing a stream.

Everything is tried in shadow engines on the server, beside one with the parameters in
force, on points that are given or on the stream's own last ones. Nothing changes before
`apply`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from .blocking import NCSClient
from .errors import ValidationError
from .points import as_points, count_of, dimensions_of, slice_of
from .presets import PRESETS
from .scoring import CLEARLY, Metrics, best_of, check_targets, metrics_of, score
from .sizing import largest

__all__ = ["GRID", "AlgorithmTuner"]

GRID: Mapping[str, Sequence[Any]] = {
    "base_threshold": (0.60, 0.65, 0.70, 0.75, 0.80),
    "learning_rate": (0.02, 0.04, 0.06, 0.08, 0.10),
    "max_clusters": (15, 20, 25, 30, 35, 40),
}
"""What `adaptive_tuning` tries, every combination of it."""

_AT_A_TIME = 16  # configurations in a question, of 1,000 points
_FEW_AT_A_TIME = 4  # of 10,000
_FINALISTS = 16
_SOME, _ALL = 1000, 10_000  # points

Report = Callable[[float], object]
"""Called with the share of the work, [0, 1], that is done."""


class Tried(TypedDict):
    """A configuration and what it gave."""

    configuration: dict[str, Any]
    metrics: NotRequired[Metrics]
    error: NotRequired[str]
    """Instead: why the server does not take it."""


class Benchmark(TypedDict):
    """What `benchmark_configurations` returns."""

    all_results: dict[str, Tried]
    """`config_0` and so on, in the order in which they were given."""
    best_configuration: dict[str, Any] | None
    """None if the server takes none of them."""
    recommendation: str
    in_force: Metrics
    """Of the parameters in force, on the same points."""


class Tuning(TypedDict):
    """What `adaptive_tuning` returns."""

    best_configuration: dict[str, Any]
    score: float
    """At least 0 if all targets are met; see `scoring`."""
    target_metrics: dict[str, float]
    metrics: Metrics
    recommendation: str
    in_force: Metrics


class AlgorithmTuner:
    """Looks for better parameters; see the module.

    Args:
        client: asks; its credential needs the scope `read`, and `admin` for `apply`.
        stream: whose parameters are tuned.

    Attributes:
        default_config: the parameters in force when this was made.

    Raises:
        TypeError: for a client that is not an `NCSClient`.
    """

    def __init__(self, client: NCSClient, stream: str = "default") -> None:
        if not isinstance(client, NCSClient):
            raise TypeError(f"client must be an NCSClient, not {type(client).__name__}")
        self.client = client
        self.stream = stream
        self.default_config = client.get_algorithm_config(stream)

    def optimize_for_use_case(self, use_case: str) -> dict[str, Any]:
        """Return the documented preset for a kind of use.

        Raises:
            ValueError: ``Unknown use case: <name>``.
        """
        if use_case not in PRESETS:
            raise ValueError(f"Unknown use case: {use_case}")
        return dict(PRESETS[use_case])

    def benchmark_configurations(
        self,
        test_dataset: Any,
        configurations: Sequence[Mapping[str, Any]],
        *,
        progress_callback: Report | None = None,
    ) -> Benchmark:
        """Try configurations on the same points.

        Args:
            test_dataset: see `process_points`; the last 10,000 of them count, fewer in
                more than ten dimensions. None for the last ones of the stream.
            configurations: parameters to try in place of those in force.
            progress_callback: see `Report`.
        """
        source = _source(test_dataset, _ALL)
        tried, in_force = self._try(source, configurations, progress_callback)
        scores = [score(t["metrics"], {}) if "metrics" in t else -1.0 for t in tried]
        best = tried[best_of(scores)] if max(scores, default=-1.0) >= 0.0 else None
        return Benchmark(
            all_results={f"config_{i}": result for i, result in enumerate(tried)},
            best_configuration=None if best is None else best["configuration"],
            recommendation=_advice(best, in_force, {}),
            in_force=in_force,
        )

    def adaptive_tuning(
        self,
        dataset: Any,
        target_metrics: Mapping[str, float],
        *,
        grid: Mapping[str, Sequence[Any]] = GRID,
        progress_callback: Report | None = None,
    ) -> Tuning:
        """Look for the parameters that meet targets best.

        Every combination of the grid is tried on 1,000 points, and the best sixteen on
        all of them.

        Args:
            dataset: see `benchmark_configurations`.
            target_metrics: `min_quality`, `max_processing_time` (seconds for all the
                points), `min_throughput` (points a second); any of them.
            grid: parameter -> values to try.
            progress_callback: see `Report`.

        Raises:
            TypeError: for a target that there is not.
            ValidationError: if the server takes nothing of the grid.
        """
        check_targets(target_metrics)
        if dataset is not None:
            dataset = as_points(dataset)
        every = [
            dict(zip(grid, values, strict=True))
            for values in itertools.product(*grid.values())
        ]
        tell = progress_callback or (lambda share: None)
        first, _ = self._try(
            _source(dataset, _SOME), every, lambda share: tell(0.5 * share)
        )
        taken = [t for t in first if "metrics" in t]
        if not taken:
            raise ValidationError("invalid_parameter", first[0]["error"])
        # How long all of the points take is only known once all were learned.
        early = {k: v for k, v in target_metrics.items() if k != "max_processing_time"}
        taken.sort(key=lambda t: -round(score(t["metrics"], early), 2))
        finalists = [t["configuration"] for t in taken[:_FINALISTS]]
        last, in_force = self._try(
            _source(dataset, _ALL),
            finalists,
            lambda share: tell(0.5 + 0.5 * share),
            _FEW_AT_A_TIME,
        )
        scores = [score(t["metrics"], target_metrics) for t in last]
        best = last[best_of(scores)]
        return Tuning(
            best_configuration=best["configuration"],
            score=score(best["metrics"], target_metrics),
            target_metrics=dict(target_metrics),
            metrics=best["metrics"],
            recommendation=_advice(best, in_force, target_metrics),
            in_force=in_force,
        )

    def apply(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Put parameters in force for the live stream, and return all."""
        return self.client.configure(self.stream, **configuration)

    # Trying

    def _try(
        self,
        source: Mapping[str, Any],
        configurations: Sequence[Mapping[str, Any]],
        report: Report | None,
        at_a_time: int = _AT_A_TIME,
    ) -> tuple[list[Tried], Metrics]:
        """Return what each gave, and what those in force did."""
        tried: list[Tried] = []
        in_force: Metrics | None = None
        for start in range(0, max(1, len(configurations)), at_a_time):
            part = configurations[start : start + at_a_time]
            found, in_force = self._ask(source, part or [{}])
            tried += found[: len(part)]
            if report is not None:
                report(len(tried) / max(1, len(configurations)))
        assert in_force is not None
        return tried, in_force

    def _ask(
        self, source: Mapping[str, Any], part: Sequence[Mapping[str, Any]]
    ) -> tuple[list[Tried], Metrics]:
        try:
            told = self.client.shadow(
                self.stream,
                configurations=[{"params": dict(params)} for params in part],
                start="empty",
                **source,
            )
        except ValidationError as error:
            if error.code != "invalid_parameter" or not any(part):
                raise
            return self._ask_apart(source, part, error)
        tried = [
            Tried(configuration=dict(params), metrics=metrics_of(side, told.points))
            for params, side in zip(part, told.configurations, strict=True)
        ]
        return tried, metrics_of(told.live, told.points)

    def _ask_apart(
        self,
        source: Mapping[str, Any],
        part: Sequence[Mapping[str, Any]],
        error: ValidationError,
    ) -> tuple[list[Tried], Metrics]:
        """Ask by halves, so that only what the server does not take is left out."""
        if len(part) == 1:
            _, in_force = self._ask(source, [{}])
            refused = Tried(configuration=dict(part[0]), error=error.detail)
            return [refused], in_force
        middle = len(part) // 2
        first, in_force = self._ask(source, part[:middle])
        second, _ = self._ask(source, part[middle:])
        return first + second, in_force


def _source(dataset: Any, most: int) -> dict[str, Any]:
    """Return on which points a shadow engine tries something: the last of the data set,
    or None for those of the stream itself."""
    if dataset is None:
        return {"last_points": most}
    points = as_points(dataset)
    count = count_of(points)
    if count:
        most = min(most, largest(dimensions_of(points)))
    return {"points": slice_of(points, max(0, count - most), count)}


def _advice(best: Tried | None, in_force: Metrics, targets: Mapping[str, float]) -> str:
    """Return one sentence: what to do."""
    if best is None:
        return "The server takes none of them."
    gain = score(best["metrics"], targets) - score(in_force, targets)
    if gain < CLEARLY:
        return "Keep what is in force: nothing that was tried is clearly better."
    changed = ", ".join(f"{k}={v}" for k, v in best["configuration"].items())
    missed = score(best["metrics"], targets) < 0.0
    return f"Use {changed}." + (
        " No configuration meets all targets." if missed else ""
    )
