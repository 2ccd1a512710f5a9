"""A quality run from streams to rows and means, with methods that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ncs_streamer.bench.generators import SEPARATED, generate
from ncs_streamer.bench.labelled import LabelledStream
from ncs_streamer.bench.methods import NCS, Method, Verdicts
from ncs_streamer.bench.quality import Row, run_quality, runs_of
from ncs_streamer.bench.summary import summarize

pytestmark = pytest.mark.unit


def stream(
    kind: str = "stationary", tasks: str = "cluster", n: int = 4000, **fields: Any
) -> LabelledStream:
    """Return two far blobs in turn; every tenth point is an outlier."""
    rng = np.random.default_rng(0)
    truth = np.arange(n, dtype=np.int64) % 2
    points = (truth[:, None] * 40 + rng.normal(size=(n, 3))).astype(np.float32)
    truth[9::10] = -1
    made = {"name": "two", "origin": "generated", "points": points, "truth": truth}
    return LabelledStream(
        kind=kind, tasks=frozenset(tasks.split(",")), **(made | fields)
    )


def method(*tasks: str, name: str = "known", **said: Any) -> Method:
    """Return a method that says the first of what is given of as many points."""

    def run(points: NDArray[Any]) -> Verdicts:
        asked.append(len(points))
        n = len(points)
        arrays = {k: v if k == "drift" else v[:n] for k, v in said.items()}
        return Verdicts(**arrays)

    return Method(name, frozenset(tasks), run)


asked: list[int] = []


def one_row(given: LabelledStream, by: Method, points: int = 2000) -> Row:
    (row,) = run_quality([given], [by], points=points)
    return row


def test_the_true_labels_have_the_best_of_all_scores() -> None:
    given = stream()
    row = one_row(given, method("cluster", ids=given.truth))
    assert (1.0, 1.0, 1.0) == pytest.approx((row["ari"], row["ami"], row["purity"]))
    assert row["silhouette"] == row["true_silhouette"] > 0.95
    assert (2, 2) == (row["clusters"], row["true_clusters"])


def test_only_the_first_points_are_given_and_scored() -> None:
    given = stream()
    ids = np.where(np.arange(4000) < 2000, given.truth, 0)
    asked.clear()
    row = one_row(given, method("cluster", ids=ids))
    assert (1.0, 2000, [2000]) == (row["ari"], row["points"], asked)


def test_labelled_outliers_are_left_out_of_the_ari() -> None:
    given = stream()
    ids = np.where(given.truth == -1, 7, given.truth)
    assert 1.0 == one_row(given, method("cluster", ids=ids))["ari"]


def renamed_half_way(given: LabelledStream) -> Method:
    """Return a method that calls the clusters otherwise from point 1000 on."""
    later = np.arange(len(given.truth)) >= 1000
    return method("cluster", ids=np.where(later, given.truth + 10, given.truth))


def test_ids_that_change_cost_ari() -> None:
    given = stream()
    assert one_row(given, renamed_half_way(given))["ari"] < 0.8


def test_on_drift_streams_the_windows_are_averaged() -> None:
    given = stream("drift")
    assert 1.0 == one_row(given, renamed_half_way(given))["ari"]


def test_the_silhouette_leaves_the_start_out_and_says_what_it_costs() -> None:
    given = stream()
    ids = given.truth.copy()
    ids[:1000] = np.arange(1000) % 7
    row = one_row(given, method("cluster", ids=ids))
    assert row["silhouette"] == pytest.approx(row["true_silhouette"])
    assert row["silhouette_with_start"] < row["silhouette"] / 2


def test_outliers_are_scored_by_area_and_by_flags() -> None:
    given = stream(tasks="cluster,outlier")
    positive = given.truth == -1
    flags = positive.copy()
    flags[0] = True
    row = one_row(given, method("outlier", scores=positive.astype(float), flags=flags))
    assert (1.0, 200 / 201, 1.0) == (row["auc"], row["precision"], row["recall"])
    assert row["f1"] == pytest.approx(400 / 401)
    assert row["false_flag_rate"] == pytest.approx(1 / 1800)
    assert "ari" not in row


def test_a_labelled_anomaly_is_the_class_1() -> None:
    given = stream(tasks="outlier_label")
    row = one_row(given, method("outlier", scores=(given.truth == 1).astype(float)))
    assert 1.0 == row["auc"]


def test_drift_is_scored_on_the_whole_stream() -> None:
    given = stream("drift", "cluster,drift", drift_points=(3000,))
    asked.clear()
    row = one_row(given, method("drift", drift=(500, 3050)))
    assert ([50], 1) == (row["drift_delays"], row["drift_false_alarms"])
    assert ([4000], 4000, 2000) == (asked, row["drift_points_seen"], row["points"])


def test_births_are_scored_where_drift_is() -> None:
    given = stream("drift", "cluster,drift", drift_points=(3000,))
    truth = np.where((np.arange(4000) >= 3000) & (given.truth == 0), 2, given.truth)
    given = stream("drift", "cluster,drift", truth=truth)
    row = one_row(given, method("cluster", "drift", ids=truth, drift=()))
    assert [1] == row["birth_delays"]


def test_a_method_runs_only_where_it_has_a_task() -> None:
    streams = [stream(), stream(tasks="outlier_label"), stream(tasks="drift")]
    methods = [method("cluster", name="c"), method("outlier", "drift", name="o")]
    runs = [(s.tasks, m.name) for s, m in runs_of(streams, methods)]
    assert [
        ({"cluster"}, "c"),
        ({"outlier_label"}, "o"),
        ({"drift"}, "o"),
    ] == runs


def test_the_engine_is_scored_on_a_generated_stream() -> None:
    row = one_row(generate("separated_k8_d3"), NCS, points=1500)
    assert "NCS" == row["method"] and row["points_per_second"] > 0
    assert row["ari"] > 0.5


def test_the_summary_has_means_per_kind_and_the_figures_of_the_promises() -> None:
    one = stream(SEPARATED, "cluster,outlier", name="one")
    other = stream("clean", "outlier,drift", name="other", truth=np.zeros(4000, int))
    flags = np.zeros(4000, bool)
    flags[:20] = True
    said = {"ids": one.truth, "scores": flags.astype(float), "flags": flags}
    ours = method("cluster", "outlier", "drift", name="NCS", drift=(3900,), **said)
    peer = method("cluster", name="peer", ids=np.zeros(4000, int))
    summary = summarize(list(run_quality([one, other], [ours, peer], points=2000)))
    assert 1.0 == summary["by_kind"][SEPARATED]["NCS"]["ari"]
    assert 0.0 == summary["by_origin"]["generated"]["peer"]["ari"]
    assert {"peer": {"higher": 1, "streams": 1}} == summary["wins"]
    assert 1.0 == pytest.approx(summary["silhouette"]["NCS"]["ratio_to_truth"])
    assert summary["silhouette"]["NCS"]["separated_worst"] > 0.95
    assert 0.01 == summary["outliers"]["NCS"]["clean_false_flag_rate"]
    assert 2.5 == summary["drift"]["NCS"]["clean_false_per_10k"]


def test_a_summary_of_nothing_has_no_figures() -> None:
    assert not any(summarize([]).values())
