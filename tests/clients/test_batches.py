"""How a data set is cut, how large its batches are, how results are put together."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_client import BatchProcessor, NCSClient
from ncs_client.batches import Run, settings
from ncs_client.results import Cluster, PointOutcome, ProcessResult
from ncs_client.sizing import Fixed, Measured, formula, largest
from ncs_protocol import ScaledArray

pytestmark = pytest.mark.unit

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def result(
    offset: int, clusters: dict[int, float], outliers: list[int]
) -> ProcessResult:
    """Return an answer with the quality of its clusters."""
    return ProcessResult(
        request_id="r", stream="s", offset=offset, assignments=[], duplicate=False,
        clusters=[
            Cluster(
                cluster_id=id, centroid=[0.0], size=offset, confidence=1.0, age=0,
                last_updated=NOW, quality=quality, health=1.0, radius=1.0,
                drift_coefficient=0.0,
            )
            for id, quality in clusters.items()
        ],
        outliers=[
            PointOutcome(
                index=index, input_point=[0.0], cluster_id=-1, is_outlier=True,
                outlier_score=1.0,
            )
            for index in outliers
        ],
        algorithm_quality=1.0, processing_time_ms=1.0, points_processed=1,
        clusters_found=len(clusters), timestamp=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("points", "dimensions", "batch_size", "memory_mb", "size"),
    [
        (50_000, 5, 2000, 256, 2000),  # what is asked for
        (500, 5, 2000, 256, 500),  # no more than there is
        (30, 5, 2000, 256, 100),  # but never fewer than 100
        (50_000, 5, 9000, 0.5, 5041),  # what fits: 0.5 MiB / (5 * 8 + 64)
        (50_000, 20, 9000, 1.0, 2340),  # and half of it at 20 dimensions
        (50_000, 100, 9000, 512, 1000),  # a request has 100,000 numbers at most
        (50_000, 1, 90_000, 512, 10_000),  # and 10,000 points
    ],
)
def test_the_documented_formula_and_the_limits_of_a_server(
    points: int, dimensions: int, batch_size: int, memory_mb: float, size: int
) -> None:
    assert size == formula(points, dimensions, batch_size, memory_mb)


def settle(sizes: Measured, seconds: Any) -> list[int]:
    """Return the sizes that were tried."""
    tried = [sizes.size]
    for _ in range(100):
        sizes.add(sizes.size, seconds(sizes.size))
        if tried[-1] != sizes.size:
            tried.append(sizes.size)
    assert sizes.is_settled
    return tried


def test_batches_grow_while_that_is_faster_and_then_stay() -> None:
    # 10 ms a request, 10 us a point, and beyond 1,600 points much worse
    tried = settle(
        Measured(10_000), lambda n: 0.01 + 1e-5 * n + (1e-4 * n if n > 1600 else 0)
    )
    assert [100, 200, 400, 800, 1600, 3200, 1600] == tried


def test_batches_do_not_grow_for_a_gain_that_is_none() -> None:
    assert [100, 200, 100] == settle(Measured(10_000), lambda n: 1e-5 * n)


def test_batches_grow_up_to_what_they_may_have() -> None:
    assert [100, 200, 400, 700] == settle(Measured(700), lambda n: 1.0)
    assert [50] == settle(Measured(50), lambda n: 1.0)


def test_one_slow_batch_among_three_does_not_decide() -> None:
    sizes = Measured(10_000)
    for seconds in (9.0, 0.001, 9.0):
        assert 100 == sizes.size
        sizes.add(100, seconds)
    assert 200 == sizes.size


@given(st.integers(1, 2000), st.lists(st.floats(1e-6, 1e3), max_size=60))
def test_a_measured_size_keeps_its_bounds_whatever_is_measured(
    most: int, seconds: list[float]
) -> None:
    sizes = Measured(most)
    for value in seconds:
        assert 1 <= sizes.size <= most
        sizes.add(sizes.size, value)


@given(st.integers(0, 3000), st.integers(1, 1500))
def test_every_point_is_in_one_batch(points: int, size: int) -> None:
    data = np.arange(points, dtype=float).reshape(-1, 1)
    run = Run(data, settings({"batch_size": size}))
    batches = list(iter(run.next, None))
    assert data.tolist() == [row for b in batches for row in b.points.tolist()]
    assert len(batches) == len({b.key for b in batches})
    assert [*range(len(batches))] == [b.id for b in batches]


@pytest.mark.parametrize(
    "data",
    [
        [[float(i), 1.0] for i in range(250)],
        np.ones((250, 2)),
        pd.DataFrame({"a": np.ones(250), "b": np.ones(250)}),
        ScaledArray(np.ones((250, 2), np.int16), 0.5),
    ],
    ids=["list", "array", "frame", "scaled"],
)
def test_data_of_any_kind_is_cut(data: Any) -> None:
    run = Run(data, settings({"batch_size": 100}))
    assert [100, 100, 50] == [batch.count for batch in iter(run.next, None)]


def test_a_run_with_a_name_has_the_same_keys_again() -> None:
    data, config = np.ones((250, 1)), settings({"batch_size": 100, "run_id": "job-7"})
    first, second = ([b.key for b in iter(Run(data, config).next, None)] for _ in "ab")
    assert ["job-7:0:100", "job-7:100:100", "job-7:200:50"] == first == second
    unnamed = Run(data, settings({"batch_size": 100})).next()
    assert unnamed is not None
    assert unnamed.key not in first


def test_results_are_put_together() -> None:
    run = Run(np.ones((300, 1)), settings({"batch_size": 100}))
    one, two, three = iter(run.next, None)
    run.done(two, result(5, {0: 0.5, 1: 0.9}, [7]), 2.0)
    assert 1 / 3 == run.progress
    run.done(one, result(4, {0: 0.1, 2: 0.1}, [3]), 1.0)
    run.fail(three, OSError("gone"))
    combined = run.combined()
    assert [0, 1, 2] == [c.cluster_id for c in combined["clusters"]]
    assert [0.5, 0.9, 0.1] == [c.quality for c in combined["clusters"]]
    assert pytest.approx(0.5) == combined["average_quality"]
    assert [3, 107] == [outlier.index for outlier in combined["outliers"]]
    assert (3.0, 200, 2) == (
        combined["total_processing_time"],
        combined["total_points"],
        combined["batch_count"],
    )
    (failed,) = combined["failed"]
    assert (2, 200, 100) == (
        failed["batch_id"],
        failed["start"],
        failed["point_count"],
    )
    assert three.key == failed["idempotency_key"]
    assert 1.0 == run.progress


def test_nothing_comes_of_nothing() -> None:
    for data in ([], np.empty((0, 3))):
        run = Run(data, settings(None))
        assert run.next() is None
        assert (1.0, 0, 0.0) == (
            run.progress,
            run.combined()["total_points"],
            run.combined()["average_quality"],
        )


def test_a_config_is_checked() -> None:
    assert 1000 == settings(None)["batch_size"]
    with pytest.raises(TypeError, match="no option 'batchsize'"):
        settings({"batchsize": 1})
    for name in ("max_concurrent", "retry_attempts", "batch_size"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1"):
            settings({name: 0})
    for name in ("memory_limit_mb", "timeout_per_batch"):
        with pytest.raises(ValueError, match=f"{name} must be above 0"):
            settings({name: 0})
    with pytest.raises(ValueError, match="batches of one size"):
        settings({"batch_size": "auto", "run_id": "x"})


def test_sizes_that_are_fixed_stay() -> None:
    sizes = Fixed(7)
    sizes.add(7, 1e9)
    assert 7 == sizes.size
    assert (10_000, 100) == (largest(1), largest(1000))


def test_a_client_that_a_processor_cannot_use_is_refused_at_once() -> None:
    with NCSClient("http://127.0.0.1:9", "key") as client:
        with pytest.raises(TypeError, match="AsyncNCSClient, not NCSClient"):
            BatchProcessor(client)  # type: ignore[arg-type]
