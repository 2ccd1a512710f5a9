"""`ncs bench fanout`, with servers and crowds of its own."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from commands import ncs

from ncs_streamer.bench.crowd import crowd
from ncs_streamer.bench.fanout import fit
from ncs_streamer.bench.light_reader import LostError, Wanted
from ncs_streamer.cli import main
from ncs_streamer.door import room_for_sockets

pytestmark = [pytest.mark.integration, pytest.mark.performance]


async def rows(*words: str) -> list[dict[str, Any]]:
    """Run the bench and return its rows."""
    code, out, err = await ncs("bench", "fanout", "--json", *words)
    assert (0, "") == (code, err)
    report = orjson.loads(out)
    assert report["machine"]["cores"] >= 1
    return list(report["rows"])


async def test_it_counts_deliveries_by_number_of_subscribers() -> None:
    one, many = await rows("--subscribers", "1,30", "--seconds", "0.5")
    assert [1, 30] == [one["subscribers"], many["subscribers"]]
    for row in (one, many):
        assert row["deliveries_per_second"] > row["subscribers"]
        assert row["bytes_per_delivery"] >= 200
        assert 0 < row["half_p50_ms"] <= row["half_p99_ms"]
        assert row["server_cpu"] > 0
        assert row["lost"] == 0
    assert many["idle_kb_per_connection"] > 0


async def test_whoever_is_cut_off_comes_back_to_everything() -> None:
    (row,) = await rows("--storm", "40", "--seconds", "0.5")
    assert 40 == row["subscribers"] == row["recovered"]
    assert (0, 0) == (row["gaps"], row["lost"])
    assert row["seconds"] > 0
    assert row["p99_ms_before"] > 0
    assert row["p99_ms_meanwhile"] > 0


async def test_it_compares_the_others_with_and_without_slow_readers() -> None:
    words = ("--stuck", "--rounds", "1", "--subscribers", "5", "--seconds", "0.5")
    without, beside = await rows(*words)
    assert (0, 2) == (without["slow_readers"], beside["slow_readers"])
    assert 1.0 == without["p99_ratio"]
    assert beside["p99_ratio"] == pytest.approx(
        beside["p99_ms"] / without["p99_ms"], abs=0.01
    )


async def test_it_tells_how_late_events_are_at_a_rate() -> None:
    words = ("--rate", "2000", "--subscribers", "5", "--seconds", "0.5")
    (row,) = await rows(*words)
    assert 20 == row["points_per_frame"]
    assert row["points_per_second"] > 0
    assert 0 < row["p50_ms"] <= row["p99_ms"]


def test_more_subscribers_than_files_may_be_open_are_left_out_and_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    too_many = room_for_sockets() + 1
    assert (5,) == fit((5, too_many))
    assert 1 == main(["bench", "fanout", "--subscribers", "999999999", "--json"])
    said = capsys.readouterr()
    assert "left out: 999999999 subscribers" in said.err
    assert [] == orjson.loads(said.out)["rows"]


async def test_a_server_that_is_not_there_is_told_of() -> None:
    async with crowd("http://127.0.0.1:9", Wanted("token", "bench")) as nobody:
        with pytest.raises((LostError, OSError)):
            await nobody.open(1)
