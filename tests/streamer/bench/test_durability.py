"""`ncs bench durability`, with servers of its own."""

import orjson
import pytest
from commands import ncs

from ncs_streamer.cli import bench_durability

pytestmark = [pytest.mark.integration, pytest.mark.performance]


async def test_durability_compares_levels_and_times_a_recovery(
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ("--seconds", "0.3", "--rounds", "1", "--points", "20500")
    code, out, err = await ncs("bench", "durability", *flags, "--json")
    assert (0, "") == (code, err)
    report = orjson.loads(out)
    rows = report["rows"]
    assert [(1, "memory"), (1, "local"), (1000, "memory"), (1000, "local")] == [
        (row["points_per_frame"], row["durability"]) for row in rows
    ]
    assert all(row["points_per_second"] and row["commits_per_second"] for row in rows)
    assert [1.0, 1.0] == [row["to_memory"] for row in rows[::2]]
    assert all(row["to_memory"] > 0 for row in rows)
    assert all(row["server_us_per_frame"] > 1 for row in rows)
    assert all(row["client_us_per_frame"] > 1 for row in rows)
    assert all(row["frames_per_entry"] > 4 for row in rows[:2])
    assert all(0.9 < row["frames_per_entry"] <= 1 for row in rows[2:])
    assert report["disk_fsyncs_per_second"] > 0
    recovery = report["recovery"]
    assert 20_500 == recovery["points_recovered"]
    assert recovery["recovery_seconds"] > 0 and recovery["store_mb"] > 0.8
    bench_durability._show(report)
    shown = capsys.readouterr().out
    for word in ("memory", "local", "disk fsyncs per second", "recovery seconds"):
        assert word in shown
