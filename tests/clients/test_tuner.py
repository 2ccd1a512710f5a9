"""Presets, scores, and the tuner on shadow engines of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from real_server import server_on, token

from ncs_client import (
    PRESETS,
    AlgorithmTuner,
    AsyncNCSClient,
    NCSClient,
    ValidationError,
)
from ncs_client.scoring import Metrics, best_of, merit, score
from ncs_client.tuner import GRID
from ncs_engine import PRESETS as OF_THE_ENGINE
from ncs_streamer.processes import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

RNG = np.random.default_rng(0)
CENTRES = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])
POINTS = CENTRES[RNG.integers(3, size=3000)] + RNG.normal(size=(3000, 2))


def metrics(**values: float) -> Metrics:
    base: dict[str, Any] = {
        "processing_time": 1.0, "cluster_count": 3, "outlier_count": 0,
        "algorithm_quality": 0.8, "average_cluster_quality": 0.8,
        "throughput": 1000.0, "silhouette": 0.6,
    }  # fmt: skip
    return Metrics(**{**base, **values})  # type: ignore[typeddict-item]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("data")
    async with server_on(folder, "--shadow-cpu-s", "60") as server:
        yield server


@pytest.fixture
def tuner(server: ServerProcess) -> AlgorithmTuner:
    client = NCSClient(server.url, token(), max_retries=20)
    client.process_points(POINTS, stream="tuned", idempotency_key="once")
    return AlgorithmTuner(client, "tuned")


async def test_the_presets_are_those_of_the_engine() -> None:
    assert PRESETS == {name: dict(values) for name, values in OF_THE_ENGINE.items()}


async def test_a_use_case_is_a_preset_and_an_unknown_one_an_error(
    tuner: AlgorithmTuner,
) -> None:
    config = tuner.optimize_for_use_case("streaming_iot")
    assert {
        "base_threshold": 0.68, "learning_rate": 0.10, "max_clusters": 25,
        "memory_limit_mb": 48, "drift_sensitivity": 0.3, "outlier_threshold": 0.85,
    } == config  # fmt: skip
    config.clear()
    assert tuner.optimize_for_use_case("streaming_iot")
    with pytest.raises(ValueError, match="Unknown use case: nonsense"):
        tuner.optimize_for_use_case("nonsense")
    names = {"base_threshold", "learning_rate", "max_clusters", "memory_limit_mb"}
    assert names <= tuner.default_config.keys()


async def test_what_meets_the_targets_beats_what_does_not() -> None:
    targets = {"min_quality": 0.7, "max_processing_time": 2.0, "min_throughput": 500}
    assert 0.7 == score(metrics(), targets) == merit(metrics())
    bad = metrics(silhouette=-1.0, algorithm_quality=0.7)
    best = metrics(silhouette=1.0, algorithm_quality=1.0, throughput=400)
    assert score(bad, targets) == 0.0 > score(best, targets)
    assert -0.2 == pytest.approx(score(best, targets))
    slow = metrics(processing_time=4.0, algorithm_quality=0.35)
    assert -1.5 == pytest.approx(score(slow, targets))
    assert 1 == best_of([0.1, 0.805, 0.8, -3.0])


async def test_configurations_are_compared_in_the_documented_shape(
    tuner: AlgorithmTuner,
) -> None:
    configurations = [
        tuner.optimize_for_use_case("real_time_low_latency"),
        tuner.optimize_for_use_case("high_accuracy_research"),
        {"max_clusters": 1},
        {"base_threshold": 7},
    ]
    shares: list[float] = []
    before = tuner.client.get_algorithm_status("tuned")
    results = await asyncio.to_thread(
        tuner.benchmark_configurations,
        POINTS[:1500].tolist(),
        configurations,
        progress_callback=shares.append,
    )
    assert {"all_results", "best_configuration", "recommendation"} <= results.keys()
    every = results["all_results"]
    assert ["config_0", "config_1", "config_2", "config_3"] == list(every)
    assert configurations == [tried["configuration"] for tried in every.values()]
    good, one = every["config_0"]["metrics"], every["config_2"]["metrics"]
    assert {
        "processing_time", "cluster_count", "outlier_count", "algorithm_quality",
        "average_cluster_quality", "throughput",
    } <= good.keys()  # fmt: skip
    assert (3, 1) == (good["cluster_count"], one["cluster_count"])
    assert good["throughput"] == pytest.approx(1500 / good["processing_time"])
    assert "metrics" not in every["config_3"]
    assert "base_threshold" in every["config_3"]["error"]
    assert results["best_configuration"] in configurations[:2]
    assert results["recommendation"].startswith("Keep what is in force")
    assert [1.0] == shares
    after = tuner.client.get_algorithm_status("tuned")
    assert before.total_points_processed == after.total_points_processed
    assert tuner.default_config == tuner.client.get_algorithm_config("tuned")


async def test_a_client_that_it_cannot_use_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="NCSClient, not AsyncNCSClient"):
        AlgorithmTuner(AsyncNCSClient("http://127.0.0.1:9", "key"))  # type: ignore[arg-type]


async def test_the_grid_is_the_documented_one() -> None:
    assert [5, 5, 6] == [len(values) for values in GRID.values()]


@pytest.mark.parametrize("dataset", [POINTS, None], ids=["given", "of the stream"])
async def test_a_stream_that_is_badly_set_is_tuned_and_only_apply_changes_it(
    tuner: AlgorithmTuner, dataset: Any
) -> None:
    tuner.client.configure("tuned", max_clusters=2)
    shares: list[float] = []
    found = await asyncio.to_thread(
        tuner.adaptive_tuning,
        dataset,
        {"min_quality": 0.5, "max_processing_time": 60.0, "min_throughput": 10},
        progress_callback=shares.append,
    )
    assert GRID.keys() == found["best_configuration"].keys()
    assert 3 == found["metrics"]["cluster_count"]
    assert 2 == found["in_force"]["cluster_count"]
    assert found["score"] > 0.8
    assert found["recommendation"].startswith("Use base_threshold=")
    assert sorted(shares) == shares
    assert (10 + 4, 0.5, 1.0) == (len(shares), shares[9], shares[-1])
    assert 2 == tuner.client.get_algorithm_config("tuned")["max_clusters"]
    assert 15 <= tuner.apply(found["best_configuration"])["max_clusters"]
    assert 15 <= tuner.client.get_algorithm_config("tuned")["max_clusters"]


async def test_targets_that_cannot_be_met_are_said_so(tuner: AlgorithmTuner) -> None:
    grid = {"max_clusters": [20, 30]}
    found = await asyncio.to_thread(
        tuner.adaptive_tuning, POINTS[:200], {"min_throughput": 1e12}, grid=grid
    )
    assert found["score"] < 0
    with pytest.raises(TypeError, match="no target 'max_quality'"):
        tuner.adaptive_tuning(POINTS, {"max_quality": 1.0})
    with pytest.raises(ValidationError, match="max_clusters"):
        tuner.adaptive_tuning(POINTS[:50], {}, grid={"max_clusters": [-1]})
