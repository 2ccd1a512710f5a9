"""`ncs tune`, as a user calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from commands import ncs

pytestmark = pytest.mark.integration

BLOBS = np.random.default_rng(0).normal(size=(400, 2))
BLOBS[::2] += 30.0


def saved(folder: Path, suffix: str) -> str:
    path = folder / f"points{suffix}"
    if suffix == ".csv":
        np.savetxt(path, BLOBS, delimiter=",", header="x,y", comments="")
    elif suffix == ".npy":
        np.save(path, BLOBS)
    else:
        np.savez(path, X=BLOBS, y=np.zeros(400, int))
    return str(path)


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz"])
async def test_it_reads_files(suffix: str, tmp_path: Path) -> None:
    words = (saved(tmp_path, suffix), "--quick", "--json")
    code, out, err = await ncs("tune", *words)
    report = orjson.loads(out)
    assert (0, "", 400, 2) == (code, err, report["points"], report["dimension"])
    assert {trial["clusters"] for trial in report["trials"]} == {2}


async def test_it_reports_every_configuration_and_a_best_one() -> None:
    words = ("blobs_k5_d2", "--points", "800", "--quick", "--json")
    _, out, _ = await ncs("tune", *words)
    report = orjson.loads(out)
    assert len(report["trials"]) == report["meeting"] == 22
    assert report["best"]["name"] in ("defaults", "grid")
    assert report["recommendation"]


async def test_a_target_that_none_meets_is_exit_code_1() -> None:
    words = ("blobs_k5_d2", "--points", "300", "--quick", "--min-throughput", "1e12")
    code, out, _ = await ncs("tune", *words)
    assert (1, True) == (code, "No configuration meets the targets" in out)


async def test_the_table_names_defaults_and_presets() -> None:
    words = ("blobs_k5_d2", "--points", "300", "--quick", "--min-quality", "0.1")
    code, out, _ = await ncs("tune", *words, "--max-processing-time", "1000")
    assert 0 == code
    for name in ("defaults", "streaming_iot", "22 meet the targets"):
        assert name in out


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "is neither a file nor a stream"),
        ("x,y\n1,2\n", "has 1 points, needs 10"),
        ("x,y\n1,2\n3,cold\n", "line 3: could not convert string to float: 'cold'"),
    ],
)
async def test_what_cannot_be_learned_is_one_sentence(
    content: str | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "points.csv"
    if content is not None:
        path.write_text(content)
    code, _, err = await ncs("tune", str(path), "--quick")
    assert (1, True, 1) == (code, why in err, err.count("\n"))


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros(20), "has shape (20,), needs (points, d)"),
        (np.full((20, 2), np.nan), "finite"),
        (np.array([["a"]] * 20), "is no readable array"),
    ],
)
async def test_an_array_that_cannot_be_learned_is_one_sentence(
    array: np.ndarray, why: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "points.npy", array)
    code, _, err = await ncs("tune", str(tmp_path / "points.npy"), "--quick")
    assert (1, True, 1) == (code, why in err, err.count("\n"))
