"""What the measurements of the engine return; how fast it is decides no test."""

import pytest

from ncs_streamer.bench import engine_speed
from ncs_streamer.bench.engine_speed import (
    BLOCKS,
    measure_latency,
    measure_memory,
    measure_peers,
    measure_rates,
    measure_threads,
)
from ncs_streamer.bench.methods import NCS

pytestmark = pytest.mark.unit

BRIEF_S = 0.005


@pytest.fixture(autouse=True)
def brief_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_speed, "_WARM_UP_POINTS", 1000)
    monkeypatch.setattr(engine_speed, "_PEER_POINTS", 1000)


def test_there_is_a_rate_for_every_block_and_dimension() -> None:
    rows = measure_rates(BRIEF_S, dimensions=(2,))
    assert [(2, block) for block in BLOCKS] == [
        (row["dimension"], row["block"]) for row in rows
    ]
    assert all(row["points_per_second"] > 0 for row in rows)


def test_latencies_ascend_to_the_worst_single_point() -> None:
    latency = measure_latency(BRIEF_S)
    assert latency["points"] > 0
    values = [latency[name] for name in ("p50_us", "p99_us", "p99.9_us", "max_us")]
    assert 0 < values[0] and values == sorted(values)


def test_the_memory_is_that_of_the_state_and_of_the_process() -> None:
    memory = measure_memory(BRIEF_S)
    assert memory["points"] > 1000 and memory["state_bytes"] > 1000
    assert memory["resident_growth_bytes"] <= memory["resident_bytes"]


def test_the_two_threads_are_set_against_one() -> None:
    threads = measure_threads(BRIEF_S)
    ratio = threads["two_points_per_second"] / threads["one_points_per_second"]
    assert threads["ratio"] == pytest.approx(ratio)


def test_a_method_is_measured_under_its_name() -> None:
    (row,) = measure_peers([NCS])
    assert "NCS" == row["method"] and row["points_per_second"] > 0
