"""The generated streams: the same every time, and with what their names promise."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from ncs_streamer.bench.generators import GENERATORS, SEPARATED, generate
from ncs_streamer.bench.labelled import TASKS, LabelledStream
from ncs_streamer.bench.packaged import PACKAGED
from ncs_streamer.bench.scores import silhouette

pytestmark = pytest.mark.unit

made = functools.cache(generate)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_stream_is_as_labelled_streams_are(name: str) -> None:
    stream = made(name)
    n, _ = stream.points.shape
    assert f"generated/{name}" == stream.path
    assert (np.float32, np.int64) == (stream.points.dtype, stream.truth.dtype)
    assert np.isfinite(stream.points).all() and stream.truth.shape == (n,)
    assert stream.tasks and stream.tasks <= TASKS
    assert list(stream.drift_points) == sorted(stream.drift_points)
    assert all(0 < at < n for at in stream.drift_points)


@pytest.mark.parametrize("name", ["blobs_k5_d2", "burst", "plant"])
def test_a_stream_is_the_same_every_time(name: str) -> None:
    assert np.array_equal(made(name).points, generate(name).points)
    assert np.array_equal(made(name).truth, generate(name).truth)


def test_names_are_unique_over_all_origins() -> None:
    assert not set(GENERATORS) & set(PACKAGED)


@pytest.mark.parametrize(
    "name", [name for name, (kind, *_) in GENERATORS.items() if kind == SEPARATED]
)
def test_the_declared_blobs_are_well_separated(name: str) -> None:
    stream = made(name).head(1000)
    assert silhouette(stream.points, stream.truth) > 0.95


@pytest.mark.parametrize(
    ("name", "k", "d"),
    [("blobs_k5_d2", 5, 2), ("blobs_k20_d10", 20, 10), ("blobs_k50_d32", 50, 32)],
)
def test_blobs_have_the_classes_and_dimensions_of_their_name(
    name: str, k: int, d: int
) -> None:
    assert (k, d) == (len(np.unique(made(name).truth)), made(name).points.shape[1])


def test_the_collinear_clusters_lie_on_one_ray() -> None:
    stream = made("collinear")
    means = np.array([stream.points[stream.truth == k].mean(axis=0) for k in range(6)])
    directions = means / np.linalg.norm(means, axis=1, keepdims=True)
    assert (directions @ directions.T).min() > 0.999


def test_the_scales_span_six_decades() -> None:
    deviations = made("scales").points.std(axis=0)
    assert 5 < np.log10(deviations.max() / deviations.min()) < 7


def test_the_imbalanced_classes_halve_from_one_to_the_next() -> None:
    counts = np.bincount(made("imbalanced").truth)
    assert counts[0] / counts[-1] > 60 and counts[-1] >= 10


@pytest.mark.parametrize(
    ("name", "share"), [("outliers_1pct", 1), ("outliers_5pct", 5)]
)
def test_outliers_are_as_many_and_as_far_as_promised(name: str, share: int) -> None:
    stream = made(name)
    points, truth = stream.points, stream.truth
    assert share == pytest.approx(100 * stream.positive[500:].mean(), rel=0.2)
    assert not stream.positive[:500].any()
    centres = np.array([points[truth == k].mean(axis=0) for k in range(6)])
    far = points[stream.positive][:, None] - centres
    assert np.linalg.norm(far, axis=2).min() > 5.8


def classes(stream: LabelledStream, start: int, end: int) -> set[int]:
    return set(stream.truth[start:end].tolist())


def test_half_of_the_clusters_are_replaced_at_every_change() -> None:
    stream = made("abrupt_half")
    before, after = classes(stream, 0, 2000), classes(stream, 2000, 4000)
    assert (6, 6, 3) == (len(before), len(after), len(before & after))
    assert (2000, 4000, 6000, 8000, 10_000) == stream.drift_points


def test_all_clusters_are_replaced_at_every_change() -> None:
    stream = made("abrupt_all")
    assert not classes(stream, 0, 3000) & classes(stream, 3000, 6000)


def test_a_cluster_is_born_or_dies_at_every_change() -> None:
    stream = made("births_and_deaths")
    cuts = [0, *stream.drift_points, len(stream.points)]
    alive = [classes(stream, *pair) for pair in itertools.pairwise(cuts)]
    differences = [
        (len(new - old), len(old - new)) for old, new in itertools.pairwise(alive)
    ]
    assert [(1, 0), (0, 1)] * 4 == differences


def test_the_burst_is_400_points_of_a_mode_that_is_nowhere_else() -> None:
    assert list(range(4000, 4400)) == np.flatnonzero(made("burst").truth == 6).tolist()


def test_the_blobs_move_further_than_they_are_wide() -> None:
    stream = made("moving")
    for label in range(5):
        own = stream.points[stream.truth == label]
        way = own[-100:].mean(axis=0) - own[:100].mean(axis=0)
        assert np.linalg.norm(way) > 10


def test_a_regime_of_the_plant_begins_within_the_stream() -> None:
    stream = made("plant")
    first = [int(np.argmax(stream.truth == label)) for label in range(6)]
    assert max(first) > 6000
