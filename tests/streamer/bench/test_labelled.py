"""Folders of labelled streams, and files in them that are not as they have to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncs_streamer.bench.labelled import LabelledStream, StreamFileError, read_folder

pytestmark = pytest.mark.unit

X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
Y = np.repeat(np.array([0, 1, 2, -1], np.int32), 50)
TABLE = """# Data

| name | split | kind | tasks | n |
|---|---|---|---|---|
| pumps | public | iot | outlier_label | 200 |
| other | public | drift | cluster,drift | 200 |

| name | unit |
|---|---|
| pumps | m |
"""


def write(folder: Path, name: str = "pumps", **arrays: Any) -> Path:
    path = folder / f"{name}.npz"
    np.savez(path, **({"X": X, "y": Y} | arrays))
    return path


def read_one(folder: Path) -> LabelledStream:
    (stream,) = read_folder(folder)
    return stream


def test_a_file_gives_its_points_and_truth(tmp_path: Path) -> None:
    write(tmp_path)
    stream = read_one(tmp_path)
    assert ("data/pumps", "unknown") == (stream.path, stream.kind)
    assert np.array_equal(stream.points, X) and stream.points.dtype == np.float32
    assert np.array_equal(stream.truth, Y) and stream.truth.dtype == np.int64


def test_the_tasks_follow_from_what_there_is(tmp_path: Path) -> None:
    write(tmp_path, "clusters", y=abs(Y))
    write(tmp_path, "drifts", y=abs(Y), drift_points=np.array([100, 50]))
    write(tmp_path, "outliers")
    clusters, drifts, outliers = read_folder(tmp_path)
    assert clusters.tasks == {"cluster"}
    assert (drifts.tasks, drifts.drift_points) == ({"cluster", "drift"}, (50, 100))
    assert outliers.tasks == {"cluster", "outlier"}


@pytest.mark.parametrize("above", [True, False])
def test_a_table_names_kind_and_tasks(tmp_path: Path, above: bool) -> None:
    folder = tmp_path / "public"
    folder.mkdir()
    (tmp_path if above else folder).joinpath("README.md").write_text(TABLE)
    write(folder)
    stream = read_one(folder)
    assert ("iot", {"outlier_label"}) == (stream.kind, stream.tasks)
    assert np.array_equal(stream.positive, Y == 1)


def test_what_the_file_says_goes_before_the_table(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(TABLE)
    write(tmp_path, kind="lab", tasks="cluster, outlier")
    stream = read_one(tmp_path)
    assert ("lab", {"cluster", "outlier"}) == (stream.kind, stream.tasks)
    assert np.array_equal(stream.positive, Y == -1)


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "broken.npz").write_bytes(b"no")
    assert ["pumps"] == [s.name for s in read_folder(tmp_path, lambda n: n == "pumps")]


def test_the_head_has_the_drift_points_within_it(tmp_path: Path) -> None:
    write(tmp_path, drift_points=np.array([50, 150]))
    head = read_one(tmp_path).head(120)
    assert (120, 120, (50,)) == (len(head.points), len(head.truth), head.drift_points)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"X": X[:, 0]}, "X must be numbers (n, d), it is float32 (200,)"),
        ({"X": X.astype(str)}, "X must be numbers (n, d), it is <U32 (200, 3)"),
        ({"X": X[:, :0]}, "X must be numbers (n, d), it is float32 (200, 0)"),
        ({"X": X[:99], "y": Y[:99]}, "it has 99 points, at least 100 are needed"),
        ({"X": np.where(X > 2, np.nan, X)}, "X has values that are not finite"),
        ({"X": X.astype(float) * 1e39}, "X has values that are not finite"),
        ({"y": Y[1:]}, "y must be whole numbers (200,), it is int32 (199,)"),
        ({"y": Y / 2}, "y must be whole numbers (200,), it is float64 (200,)"),
        ({"drift_points": np.array([200])}, "drift_points must be in [0, 200)"),
        ({"drift_points": np.array([0.5])}, "drift_points must be whole numbers (m,)"),
        ({"tasks": "cluster,sorting"}, "task 'sorting' is none of ['cluster', "),
        ({"X": np.array([[None]] * 200)}, "it is no readable .npz file: Object arrays"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(
    tmp_path: Path, arrays: dict[str, Any], reason: str
) -> None:
    path = write(tmp_path, **arrays)
    with pytest.raises(StreamFileError) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_a_file_without_truth_is_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "bare.npz", X=X)
    with pytest.raises(StreamFileError, match=r"bare\.npz: it has no array y"):
        read_folder(tmp_path)


def test_a_file_that_is_no_archive_is_an_error(tmp_path: Path) -> None:
    good = write(tmp_path).read_bytes()
    for damaged in (b"", b"text", good[:200], good[:400] + b"!!" + good[402:]):
        (tmp_path / "pumps.npz").write_bytes(damaged)
        with pytest.raises(StreamFileError, match="it is no readable"):
            read_folder(tmp_path)


def test_one_array_by_itself_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(StreamFileError, match=r"one\.npz: it is no readable"):
        read_folder(tmp_path)


def test_a_folder_without_streams_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StreamFileError, match=r"there is no \.npz file in it"):
        read_folder(tmp_path / "nowhere")
