"""`ncs bench quality` and `ncs bench engine`, as a user calls them."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import numpy as np
import orjson
import pytest
from commands import ncs

from ncs_streamer.bench import engine_speed
from ncs_streamer.bench.methods import INSTALL
from ncs_streamer.cli import bench_engine, main

pytestmark = pytest.mark.integration

FEW = ("--points", "600", "--no-peers")


async def test_quality_prints_json_for_a_program(tmp_path: Path) -> None:
    words = (*FEW, "--streams", "blobs*", "--json", "--pictures", str(tmp_path / "new"))
    code, out, err = await ncs("bench", "quality", *words)
    assert (0, "") == (code, err)
    report = orjson.loads(out)
    assert {
        "machine",
        "points",
        "methods",
        "missing",
        "missing_streams",
        "summary",
        "rows",
    } == report.keys()
    assert ["NCS"] == list(report["methods"]) and 600 == report["points"]
    names = ["blobs_k20_d10", "blobs_k50_d32", "blobs_k5_d2"]
    assert [f"generated/{n}" for n in names] == sorted(
        row["stream"] for row in report["rows"]
    )
    scores = {"ari", "ami", "purity", "silhouette", "clusters", "true_clusters"}
    assert all(scores <= row.keys() for row in report["rows"])
    assert {"all", "by_kind", "by_origin", "wins"} < report["summary"].keys()
    pictures = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert [f"generated-{name}.svg" for name in names] == pictures


async def test_quality_prints_tables_that_fit_into_100_columns() -> None:
    streams = ("--streams", "*outliers_5pct")
    code, out, _ = await ncs("bench", "quality", *FEW, *streams, COLUMNS="100")
    assert 0 == code
    for heading in ("ARI of the ids given at arrival", "NCS in detail", "Outliers"):
        assert heading in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100


async def test_quality_scores_a_folder_of_labelled_streams(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(300, 2))
    np.savez(tmp_path / "mine.npz", X=points, y=np.zeros(300, int))
    where = ("--data", str(tmp_path), "--streams", "data/*", "--json")
    code, out, _ = await ncs("bench", "quality", *FEW, *where)
    (row,) = orjson.loads(out)["rows"]
    assert (0, "data/mine", 300) == (code, row["stream"], row["points"])


def test_quality_names_a_file_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.npz").write_text("no")
    assert 1 == main(["bench", "quality", *FEW, "--data", str(tmp_path)])
    said = f"ncs: {tmp_path}/bad.npz: it is no readable .npz file"
    assert capsys.readouterr().err.startswith(said)


def test_quality_says_when_no_stream_has_the_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert 2 == main(["bench", "quality", *FEW, "--streams", "nothing*"])
    assert "ncs: no stream is named 'nothing*'\n" == capsys.readouterr().err


@pytest.mark.parametrize("points", ["99", "many", "-5"])
def test_quality_refuses_less_points_than_a_stream_has(
    points: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", "quality", f"--points={points}"])
    assert 2 == caught.value.code
    assert f"'{points}' is no whole number from 100 on" in capsys.readouterr().err


def test_what_is_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = ("--points", "100", "--streams", "*is*", "--json")
    assert 0 == main(["bench", "quality", *words])
    report = orjson.loads(capsys.readouterr().out)
    assert ["iris"] == report["missing_streams"]
    missing = {peer["method"]: peer["install"] for peer in report["missing"]}
    assert {"DBSTREAM", "Birch", "HalfSpaceTrees", "ADWIN"} < missing.keys()
    assert {INSTALL} == set(missing.values())


def test_streams_that_all_need_a_package_are_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert 1 == main(["bench", "quality", "--streams", "packaged/*"])
    assert INSTALL in capsys.readouterr().err


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every measurement take a moment, of one dimension."""
    rates = functools.partial(bench_engine.measure_rates, dimensions=(2,))
    monkeypatch.setattr(bench_engine, "measure_rates", rates)
    monkeypatch.setattr(bench_engine, "DIMENSIONS", (2,))
    monkeypatch.setattr(engine_speed, "_WARM_UP_POINTS", 500)
    monkeypatch.setattr(engine_speed, "_PEER_POINTS", 500)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_engine_prints_json_for_a_program(
    measured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["bench", "engine", "--seconds", "0.001", "--json"])
    report = orjson.loads(capsys.readouterr().out)
    assert [1, 100, 1000, 10_000] == [rate["block"] for rate in report["rates"]]
    names = {"latency", "threads", "memory", "beside", "ratio_to_dbstream", "missing"}
    assert names < report.keys()
    assert ["NCS"] == [row["method"] for row in report["beside"]]
    assert 6 == len(report["missing"])


def test_engine_prints_tables_for_a_reader(
    measured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["bench", "engine", "--seconds", "0.001"])
    out = capsys.readouterr().out
    for part in ("Points/s", "p99.9", "Two threads", "Memory after", "DBSTREAM"):
        assert part in out
