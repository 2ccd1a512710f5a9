from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ncs_engine import Engine, NeuroClusterStreamer

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
