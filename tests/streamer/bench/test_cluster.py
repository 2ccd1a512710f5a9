"""`ncs bench cluster`, with nodes and a Redis of its own."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from commands import ncs

from ncs_streamer.bench.cluster_cost import extrapolate
from ncs_streamer.cli import bench_cluster

TINY = ("--nodes", "1,2", "--seconds", "0.3", "--kills", "2", "--lease", "1")
FRAMES = 30


@pytest.mark.integration
@pytest.mark.performance
async def test_it_reports_costs_takeovers_latency_and_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = (*TINY, "--rate", "1000", "--frames", str(FRAMES), "--json")
    code, out, err = await ncs("bench", "cluster", *words, within_s=110)
    assert (0, "") == (code, err)
    report = orjson.loads(out)
    _check_cost(report["cost"])
    _check_takeover(report["takeover"])
    _check_latency(report["latency"])
    _check_commands(report["commands"])
    assert report["extrapolation"] == extrapolate(report["cost"])
    bench_cluster._show(report)
    shown = capsys.readouterr().out
    for word in ("local share", "p95 s", "producer at", "commands per 1000 points"):
        assert word in shown


def _check_cost(rows: list[dict[str, Any]]) -> None:
    ways = [(1, "owner"), (2, "owner"), (2, "any node")]
    assert ways == [(row["nodes"], row["clients_at"]) for row in rows]
    assert [1.0, 1.0] == [row["local_share"] for row in rows[:2]]
    assert 0 < rows[2]["local_share"] < 1
    for row in rows:
        assert row["points_acked"] == row["points_applied"] > 0
        for part in ("node", "client", "redis"):
            assert row[f"{part}_cpu_s_per_million"] > 0
        assert 0 < row["redis_share"] < 1


def _check_takeover(figures: dict[str, Any]) -> None:
    assert (2, 1.0) == (figures["kills"], figures["lease_s"])
    assert figures["streams_lost"] >= 1
    assert 0 < figures["p50_s"] <= figures["p95_s"] <= figures["max_s"]
    assert figures["points_acked"] == figures["points_applied"] > 0


def _check_latency(rows: list[dict[str, Any]]) -> None:
    ways = [("owner", "owner"), ("owner", "another node"), ("another node",) * 2]
    assert ways == [(row["producer_at"], row["reader_at"]) for row in rows]
    for row in rows:
        assert row["events"] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]


def _check_commands(rows: list[dict[str, Any]]) -> None:
    assert [0, 1] == [row["readers_elsewhere"] for row in rows]
    for row in rows:
        assert 1000 * FRAMES == row["points"]
        assert row["by_command"]["evalsha"] >= FRAMES
        assert 1 <= row["commands_per_1000_points"] <= 10, row


def test_an_extrapolation_counts_what_is_sent_on_and_ends_where_redis_is_full() -> None:
    def row(nodes: int, route: str, share: float, cpu: float) -> dict[str, Any]:
        return {
            "nodes": nodes,
            "clients_at": route,
            "local_share": share,
            "node_cpu_s_per_million": cpu,
            "redis_cpu_s_per_million": 0.25,
        }

    rows = [row(1, "owner", 1.0, 9.0)]
    rows += [row(2, "owner", 1.0, 1.0), row(2, "any node", 0.5, 1.5)]
    found = extrapolate(rows)
    assert 1.0 == found["forwarding_cpu_s_per_million"]
    sizes = {size["nodes"]: size for size in found["sizes"]}
    assert 1_000_000 == sizes[1]["points_per_second"]
    assert 1_800_000 == sizes[3]["points_per_second"]
    assert 4_000_000 == sizes[12]["points_per_second"]
    assert ("nodes", "redis") == (sizes[6]["bound_by"], sizes[12]["bound_by"])


def test_one_size_alone_is_extrapolated_without_a_price_of_sending_on() -> None:
    alone = {
        "nodes": 1,
        "clients_at": "owner",
        "local_share": 1.0,
        "node_cpu_s_per_million": 2.0,
        "redis_cpu_s_per_million": 0.1,
    }
    found = extrapolate([alone])
    assert 0.0 == found["forwarding_cpu_s_per_million"]
    assert 500_000 == found["sizes"][0]["points_per_second"]
