from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given

from ncs_engine.drift import DriftDetector
from ncs_engine.result import Drift

from .streams import MANY, seeds

pytestmark = pytest.mark.unit

BLOCK = 256
TRUSTED = 8  # blocks until the detector has seen 2,000 points


def feed(
    detector: DriftDetector, shares: dict[int, int], blocks: int, sensitivity: float
) -> list[Drift]:
    """Feed blocks in which cluster ids come in the given numbers; return the drifts."""
    ids = [cluster for cluster, count in shares.items() for _ in range(count)]
    found = []
    for _ in range(blocks):
        drift = detector.observe(ids, detector.points + len(ids), sensitivity)
        found.extend([drift] if drift else [])
    return found


def settled(shares: dict[int, int]) -> DriftDetector:
    """Return a detector that has seen 25,600 points fall by `shares`."""
    detector = DriftDetector()
    feed(detector, shares, 100, 0.5)
    return detector


EVEN = {0: 64, 1: 64, 2: 64, 3: 64}
ELSEWHERE = {4: 128, 5: 128}


def test_equal_blocks_are_no_drift() -> None:
    assert feed(DriftDetector(), EVEN, 100, 1.0) == []


@given(seeds)
@MANY
def test_sampling_alone_is_no_drift(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detector = DriftDetector()
    for _ in range(40):
        ids = rng.integers(5, size=BLOCK).tolist()
        assert detector.observe(ids, detector.points + BLOCK, 0.5) is None


def test_points_that_all_fall_elsewhere_are_drift() -> None:
    assert len(feed(settled(EVEN), ELSEWHERE, 10, 0.5)) >= 1


def test_a_run_of_outliers_is_drift() -> None:
    assert len(feed(settled(EVEN), {-1: BLOCK}, 10, 0.5)) >= 1


def test_outliers_are_no_affected_cluster() -> None:
    found = feed(settled(EVEN), {-1: BLOCK}, 10, 0.5)
    assert {drift.affected_clusters for drift in found} == {(0, 1, 2, 3)}


def test_affected_are_those_that_lost_and_those_that_gained() -> None:
    found = feed(settled(EVEN), ELSEWHERE, 10, 0.5)
    assert found[-1].affected_clusters == (0, 1, 2, 3, 4, 5)


def test_a_cluster_that_keeps_its_share_is_not_affected() -> None:
    found = feed(settled({0: 128, 1: 128}), {0: 128, 2: 128}, 10, 0.5)
    assert {drift.affected_clusters for drift in found} == {(1, 2)}


def test_a_lasting_drift_is_told_again_only_when_it_turns_out_more_severe() -> None:
    found = feed(settled(EVEN), ELSEWHERE, 10, 0.5)
    assert [drift.severity for drift in found] == ["low", "medium", "high"]


def test_a_drift_is_told_anew_when_the_averages_have_agreed_in_between() -> None:
    detector = settled(EVEN)
    first = feed(detector, ELSEWHERE, 10, 0.5)
    calm = feed(detector, ELSEWHERE, 200, 0.5)
    second = feed(detector, EVEN, 10, 0.5)
    assert (len(first) > 0, calm, second[0].severity) == (True, [], "low")


def test_a_complete_change_is_drift_even_at_sensitivity_0() -> None:
    assert len(feed(settled(EVEN), ELSEWHERE, 10, 0.0)) >= 1


def test_a_slight_change_is_no_drift_at_sensitivity_0() -> None:
    assert feed(settled(EVEN), {0: 104, 1: 64, 2: 64, 3: 24}, 20, 0.0) == []


def test_a_slight_change_is_drift_at_sensitivity_1() -> None:
    found = feed(settled(EVEN), {0: 104, 1: 64, 2: 64, 3: 24}, 20, 1.0)
    assert found[0].affected_clusters == (0, 3)


def test_a_change_of_three_fifths_of_the_data_is_drift_at_sensitivity_0() -> None:
    even = dict.fromkeys(range(5), 50)
    found = feed(settled(even), {0: 125, 1: 125}, 20, 0.0)
    assert [drift.affected_clusters for drift in found] == [(0, 1, 2, 3, 4)]


def test_nothing_is_told_before_2000_points() -> None:
    detector = DriftDetector()
    feed(detector, {0: BLOCK}, 4, 1.0)
    assert feed(detector, {1: BLOCK}, 3, 1.0) == []


def test_the_statistic_lies_between_0_and_1() -> None:
    found = feed(settled(EVEN), ELSEWHERE, 10, 1.0)
    assert all(0.0 <= drift.statistic <= 1.0 for drift in found)


def test_the_statistic_stays_below_the_share_that_fell_elsewhere() -> None:
    found = feed(settled({0: 128, 1: 128}), {0: 128, 2: 128}, 8, 1.0)
    assert 0.05 <= max(drift.statistic for drift in found) <= 0.5


def test_a_drift_says_at_which_point_it_was_found() -> None:
    found = feed(settled(EVEN), ELSEWHERE, 1, 1.0)
    assert [drift.at for drift in found] == [101 * BLOCK]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_severity_comes_with_a_recommendation(level: int) -> None:
    drift = feed(settled(EVEN), ELSEWHERE, 10, 0.5)[level]
    assert drift.recommendation.endswith(".")


def test_a_merge_is_no_drift() -> None:
    detector = settled(EVEN)
    detector.rename([(1, 0), (2, 0)], [])
    assert feed(detector, {0: 192, 3: 64}, 20, 1.0) == []


def test_a_split_is_no_drift() -> None:
    detector = settled({0: 192, 3: 64})
    detector.rename([], [(4, 0, 0.25)])
    assert feed(detector, {0: 144, 4: 48, 3: 64}, 20, 1.0) == []


def test_a_merge_adds_up_the_shares() -> None:
    detector = settled(EVEN)
    detector.rename([(1, 0)], [])
    assert detector.slow == pytest.approx({0: 0.5, 2: 0.25, 3: 0.25})


def test_a_split_takes_its_share_along() -> None:
    detector = settled({0: BLOCK})
    detector.rename([], [(1, 0, 0.25)])
    assert detector.slow == pytest.approx({0: 0.75, 1: 0.25})


def test_two_splits_of_one_cluster_each_take_their_share_of_the_whole() -> None:
    detector = settled({0: BLOCK})
    detector.rename([], [(1, 0, 0.25), (2, 0, 0.25)])
    assert detector.slow == pytest.approx({0: 0.5, 1: 0.25, 2: 0.25})


def test_a_cluster_that_was_never_seen_may_be_split() -> None:
    detector = settled({0: BLOCK})
    detector.rename([], [(8, 7, 0.25)])
    assert detector.slow == pytest.approx({0: 1.0, 7: 0.0, 8: 0.0})


def test_what_was_merged_and_split_at_once_is_no_drift() -> None:
    detector = settled(EVEN)
    detector.rename([(1, 0)], [(4, 0, 0.5), (5, 0, 0.25)])
    assert detector.fast == pytest.approx(
        {0: 0.125, 2: 0.25, 3: 0.25, 4: 0.25, 5: 0.125}
    )


def test_an_id_that_was_never_seen_may_be_merged() -> None:
    detector = settled({0: BLOCK})
    detector.rename([(7, 0)], [])
    assert detector.slow == pytest.approx({0: 1.0})


@given(seeds)
@MANY
def test_shares_add_up_to_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detector = DriftDetector()
    for _ in range(20):
        ids = rng.integers(-1, 4, int(rng.integers(1, 300))).tolist()
        detector.observe(ids, detector.points + len(ids), 0.5)
    shares = sum(detector.fast.values()), sum(detector.slow.values())
    assert shares == pytest.approx((1.0, 1.0), abs=1e-4)


def test_a_restored_detector_goes_on_as_if_never_stopped() -> None:
    detector = settled(EVEN)
    feed(detector, ELSEWHERE, 2, 0.5)
    other = DriftDetector.restore(json.loads(json.dumps(detector.state())))
    assert feed(detector, ELSEWHERE, 8, 0.5) == feed(other, ELSEWHERE, 8, 0.5)
