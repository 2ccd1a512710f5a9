from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ncs_engine import (
    Engine,
    NCSProcessingError,
    NeuroClusterStreamer,
    ProcessingError,
)

from .streams import blobs, gaussian

pytestmark = pytest.mark.unit

THREADS = 4
POINTS_EACH = 250


def test_near_points_fall_into_the_same_cluster() -> None:
    streamer = NeuroClusterStreamer()
    first, _, _ = streamer.process_data_point(np.array([1.0, 2.0, 3.0]))
    second, _, _ = streamer.process_data_point(np.array([1.1, 2.1, 3.1]))
    assert first == second


def test_far_points_fall_into_different_clusters() -> None:
    streamer = NeuroClusterStreamer()
    first, _, _ = streamer.process_data_point(np.array([1.0, 2.0, 3.0]))
    second, _, _ = streamer.process_data_point(np.array([10.0, 20.0, 30.0]))
    assert first != second


def test_two_far_points_make_two_clusters() -> None:
    streamer = NeuroClusterStreamer()
    streamer.process_data_point(np.array([1.0, 2.0, 3.0]))
    streamer.process_data_point(np.array([10.0, 20.0, 30.0]))
    assert len(streamer.clusters) == 2


def test_points_at_middling_distance_fall_into_different_clusters() -> None:
    streamer = NeuroClusterStreamer()
    first, _, _ = streamer.process_data_point(np.array([1.0, 2.0, 3.0]))
    second, _, _ = streamer.process_data_point(np.array([5.0, 6.0, 7.0]))
    assert first != second


def test_the_first_point_falls_into_cluster_0() -> None:
    cluster, _, _ = NeuroClusterStreamer().process_data_point([1.0, 2.0, 3.0])
    assert cluster == 0


def test_the_first_point_is_no_outlier() -> None:
    _, is_outlier, _ = NeuroClusterStreamer().process_data_point([1.0, 2.0, 3.0])
    assert is_outlier is False


def test_the_first_point_has_a_score_between_0_and_1() -> None:
    _, _, score = NeuroClusterStreamer().process_data_point([1.0, 2.0, 3.0])
    assert 0.0 <= score <= 1.0


def test_the_first_point_makes_exactly_one_cluster() -> None:
    streamer = NeuroClusterStreamer()
    streamer.process_data_point([1.0, 2.0, 3.0])
    assert len(streamer.clusters) == streamer.cluster_count == 1


def test_the_verdict_is_made_of_plain_python_values() -> None:
    verdict = NeuroClusterStreamer().process_data_point(np.ones(3))
    assert [int, bool, float] == [type(part) for part in verdict]


def test_a_fresh_streamer_has_no_clusters() -> None:
    assert NeuroClusterStreamer().clusters == []


def test_a_fresh_streamer_is_at_time_step_0() -> None:
    assert NeuroClusterStreamer().time_step == 0


def test_a_fresh_streamer_is_not_ready() -> None:
    assert not NeuroClusterStreamer().is_ready


def test_a_streamer_is_ready_after_a_point() -> None:
    streamer = NeuroClusterStreamer()
    streamer.process_data_point([1.0])
    assert streamer.is_ready


def test_the_time_step_counts_points() -> None:
    streamer = NeuroClusterStreamer()
    for point in gaussian(0, 40, 2):
        streamer.process_data_point(point)
    assert streamer.time_step == 40


@pytest.mark.parametrize("point", [[[1.0, 2.0]], 1.0, np.zeros((2, 2, 2))])
def test_a_point_that_is_not_1_dimensional_is_refused(point: object) -> None:
    with pytest.raises(ValueError, match=r"^Point must be 1-dimensional array$"):
        NeuroClusterStreamer().process_data_point(point)  # type: ignore[arg-type]


def test_a_refused_point_is_not_counted() -> None:
    streamer = NeuroClusterStreamer()
    with pytest.raises(ValueError, match="1-dimensional"):
        streamer.process_data_point([[1.0, 2.0]])
    assert streamer.time_step == 0


def test_a_point_of_another_dimension_is_refused() -> None:
    streamer = NeuroClusterStreamer()
    streamer.process_data_point([1.0, 2.0])
    with pytest.raises(ValueError, match="3 dimensions, expected 2"):
        streamer.process_data_point([1.0, 2.0, 3.0])


def test_a_point_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        NeuroClusterStreamer().process_data_point([1.0, float("nan")])


def test_fresh_streamers_give_equal_results() -> None:
    points = gaussian(1, 100, 3)
    one, other = NeuroClusterStreamer(), NeuroClusterStreamer()
    first = [one.process_data_point(point) for point in points]
    assert first == [other.process_data_point(point) for point in points]


def test_a_streamer_gives_the_results_of_an_engine() -> None:
    points, _ = blobs(2, 150)
    streamer = NeuroClusterStreamer()
    ids = [streamer.process_data_point(point)[0] for point in points]
    assert ids == Engine().learn(points).cluster_ids.tolist()


def test_a_block_gives_the_results_of_its_points() -> None:
    points, _ = blobs(3, 150)
    one_by_one, at_once = NeuroClusterStreamer(), NeuroClusterStreamer()
    ids = [one_by_one.process_data_point(point)[0] for point in points]
    assert ids == at_once.learn(points).cluster_ids.tolist()


def test_the_origin_as_first_point_divides_nothing_by_zero() -> None:
    streamer = NeuroClusterStreamer()
    points = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    ids = [streamer.process_data_point(point)[0] for point in points]
    assert ids == [0, 0, 1, 0]


def test_statistics_tell_clusters_quality_and_points() -> None:
    streamer = NeuroClusterStreamer()
    streamer.process_data_point([1.0, 2.0, 3.0])
    statistics = streamer.get_statistics()
    assert (1, 0.5, 1) == (
        statistics["num_clusters"],
        statistics["clustering_quality"],
        statistics["total_points_processed"],
    )


def test_the_documented_constants_have_their_values() -> None:
    constants = (
        NeuroClusterStreamer.DEFAULT_THRESHOLD,
        NeuroClusterStreamer.MAX_CLUSTERS,
    )
    assert constants == (0.71, 1000)


def test_the_default_threshold_is_the_one_in_force() -> None:
    statistics = NeuroClusterStreamer().get_statistics()
    assert statistics["current_dynamic_threshold"] == 0.71


def test_performance_mode_changes_no_result() -> None:
    points, _ = blobs(4, 100)
    fast = NeuroClusterStreamer(performance_mode=True).learn(points)
    other = NeuroClusterStreamer(performance_mode=False).learn(points)
    assert fast.cluster_ids.tolist() == other.cluster_ids.tolist()


def test_further_engine_parameters_are_taken() -> None:
    streamer = NeuroClusterStreamer(metric="cosine")
    ids = streamer.learn([[1.0, 1.0], [900.0, 900.0]]).cluster_ids
    assert ids.tolist() == [0, 0]


def test_a_parameter_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="base_threshold"):
        NeuroClusterStreamer(base_threshold=2.0)


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown parameter 'vigor'"):
        NeuroClusterStreamer(vigor=1)


def test_every_result_of_four_threads_with_batches_comes_back() -> None:
    streamer = NeuroClusterStreamer()

    def feed(seed: int) -> list[int]:
        blocks = np.array_split(gaussian(seed, POINTS_EACH, 3), 5)
        return [i for block in blocks for i in streamer.learn(block).cluster_ids]

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(feed, range(THREADS)))
    assert [len(ids) for ids in results] == [POINTS_EACH] * THREADS


def test_without_a_clock_nothing_is_measured() -> None:
    streamer = NeuroClusterStreamer()
    streamer.process_data_point([1.0])
    assert list(streamer.processing_times) == []


def test_a_clock_measures_every_point() -> None:
    ticks = itertools.count(0.0, 0.5)
    streamer = NeuroClusterStreamer(clock=lambda: next(ticks))
    for point in gaussian(0, 3, 2):
        streamer.process_data_point(point)
    assert list(streamer.processing_times) == [0.5, 0.5, 0.5]


def test_the_times_are_bounded() -> None:
    streamer = NeuroClusterStreamer(clock=lambda: 0.0)
    for _ in range(1001):
        streamer.process_data_point([1.0])
    assert len(streamer.processing_times) == 1000


def test_a_refused_point_is_not_measured() -> None:
    streamer = NeuroClusterStreamer(clock=lambda: 0.0)
    with pytest.raises(NCSProcessingError):
        streamer.process_data_point([float("nan")])
    assert len(streamer.processing_times) == 0


def test_a_clock_changes_no_result() -> None:
    points, _ = blobs(4, 100)
    timed, other = NeuroClusterStreamer(clock=lambda: 0.0), NeuroClusterStreamer()
    assert [timed.process_data_point(point) for point in points] == [
        other.process_data_point(point) for point in points
    ]


def test_clearing_the_cache_forgets_the_times() -> None:
    streamer = NeuroClusterStreamer(clock=lambda: 0.0)
    streamer.process_data_point([1.0])
    streamer.clear_cache()
    assert len(streamer.processing_times) == 0


def test_clearing_the_cache_changes_no_result() -> None:
    points, _ = blobs(4, 200)
    cleared, other = NeuroClusterStreamer(), NeuroClusterStreamer()
    ids = []
    for point in points:
        ids.append(cleared.process_data_point(point)[0])
        cleared.clear_cache()
    assert ids == other.learn(points).cluster_ids.tolist()


def test_quality_and_stability_are_those_of_the_statistics() -> None:
    streamer = NeuroClusterStreamer()
    streamer.learn(blobs(4, 600)[0])
    statistics = streamer.get_statistics()
    assert (streamer.clustering_quality, streamer.global_stability) == (
        statistics["clustering_quality"],
        statistics["global_stability"],
    )


@pytest.mark.parametrize("name", ["clustering_quality", "global_stability"])
def test_quality_and_stability_are_shares(name: str) -> None:
    streamer = NeuroClusterStreamer()
    streamer.learn(blobs(4, 600)[0])
    assert 0.0 < getattr(streamer, name) <= 1.0


def test_parameters_change_while_it_runs() -> None:
    streamer = NeuroClusterStreamer()
    streamer.learn(blobs(4, 300)[0])
    streamer.configure(max_clusters=2)
    assert (streamer.params.max_clusters, streamer.cluster_count) == (2, 5)


def test_at_most_max_clusters_are_reported_from_the_next_point_on() -> None:
    streamer = NeuroClusterStreamer()
    points, _ = blobs(4, 300)
    streamer.learn(points)
    streamer.configure(max_clusters=2)
    streamer.process_data_point(points[0])
    assert streamer.cluster_count == 2


def test_predict_learns_nothing() -> None:
    streamer = NeuroClusterStreamer()
    points, _ = blobs(4, 300)
    streamer.learn(points)
    streamer.predict(points)
    assert streamer.time_step == 300


@pytest.mark.parametrize("point", [["a", "b"], [[1.0], [1.0, 2.0]], [None, "x"]])
def test_what_is_no_number_is_refused(point: object) -> None:
    with pytest.raises(NCSProcessingError, match=r"^point is no array of numbers: "):
        NeuroClusterStreamer().process_data_point(point)  # type: ignore[arg-type]


@pytest.mark.parametrize("points", [[["a"]], [[1.0], [1.0, 2.0]], [{}]])
def test_a_block_of_what_is_no_number_is_refused(points: list[object]) -> None:
    with pytest.raises(NCSProcessingError, match=r"^points are no array of numbers: "):
        NeuroClusterStreamer().learn(points)


def test_the_documented_names_of_the_error_are_one_class() -> None:
    assert ProcessingError is NCSProcessingError


def test_a_refusal_is_a_value_error() -> None:
    assert issubclass(NCSProcessingError, ValueError)


def test_no_point_of_four_threads_is_lost() -> None:
    streamer = NeuroClusterStreamer()
    start = threading.Barrier(THREADS)

    def feed(seed: int) -> None:
        points = gaussian(seed, POINTS_EACH, 3)
        start.wait()
        for point in points:
            streamer.process_data_point(point)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(feed, seed) for seed in range(THREADS)]:
            done.result()
    assert streamer.get_statistics()["total_points_processed"] == 1000


def test_threads_that_only_look_do_not_disturb() -> None:
    streamer, quiet = NeuroClusterStreamer(), NeuroClusterStreamer()
    points = gaussian(9, 300, 3)
    learned = threading.Event()

    def look() -> None:
        while not learned.is_set():
            _ = streamer.clusters, streamer.get_statistics(), streamer.time_step

    with ThreadPoolExecutor(2) as pool:
        watching = [pool.submit(look) for _ in range(2)]
        try:
            ids = [streamer.process_data_point(point)[0] for point in points]
        finally:
            learned.set()
        for watcher in watching:
            watcher.result()
    assert ids == quiet.learn(points).cluster_ids.tolist()
