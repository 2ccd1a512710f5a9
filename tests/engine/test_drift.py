from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given

from ncs_engine.drift import DriftDetector, moved_weight
from ncs_engine.result import Drift
from ncs_engine.strangeness import Sample

from .streams import MANY, seeds

pytestmark = pytest.mark.unit

BLOCK = 256
TRUSTED = 4  # blocks until the detector has seen 1,000 points
SETTLED = 4  # blocks after which a change is the past
SHUFFLED = np.random.default_rng(7).permutation(BLOCK)


def observe(
    detector: DriftDetector,
    ids: list[int],
    sensitivity: float = 0.5,
    novel: float = 0.0,
    strange: Sample | None = None,
) -> Drift | None:
    """Let the detector count the ids and observe them."""
    for at, cluster in enumerate(ids, detector.ledger.at + 1):
        detector.ledger.count(cluster, at)
    strange = strange or Sample(0.0, 0.0, 0.0, 0.0)
    return detector.observe(sensitivity, novel, strange)


def feed(
    detector: DriftDetector, shares: dict[int, int], blocks: int, sensitivity: float
) -> list[Drift]:
    """Feed blocks in which cluster ids come in the given numbers, in no order."""
    ordered = [cluster for cluster, count in shares.items() for _ in range(count)]
    ids = [ordered[i] for i in SHUFFLED if i < len(ordered)]
    found = []
    for _ in range(blocks):
        drift = observe(detector, ids, sensitivity)
        found.extend([drift] if drift else [])
    return found


def told(detector: DriftDetector, name: str) -> dict[int, float]:
    """Return a row of the ledger, without zeros."""
    return dict(detector.ledger.told(getattr(detector.ledger, name)))


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
        assert observe(detector, ids) is None


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


def growing() -> list[Drift]:
    """Return what is told of a change that turns out more and more severe."""
    detector = settled(EVEN)
    shares = [0.25, 0.25, 0.5, 0.3, 0.9, 0.9]
    told = [observe(detector, [-1] * 16, novel=share) for share in shares]
    return [drift for drift in told if drift]


def test_a_lasting_drift_is_told_again_only_when_it_turns_out_more_severe() -> None:
    assert [drift.severity for drift in growing()] == ["low", "medium", "high"]


def test_a_drift_is_told_anew_when_the_last_one_is_the_past() -> None:
    detector = settled(EVEN)
    first = feed(detector, ELSEWHERE, 10, 0.5)
    calm = feed(detector, ELSEWHERE, 200, 0.5)
    second = feed(detector, EVEN, 10, 0.5)
    assert (len(first) > 0, calm, len(second) > 0) == (True, [], True)


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


def test_nothing_is_told_before_1000_points() -> None:
    detector = DriftDetector()
    feed(detector, {0: 128, 1: 128}, 1, 1.0)
    assert feed(detector, {2: 128, 3: 128}, TRUSTED - 2, 1.0) == []


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
    assert growing()[level].recommendation.endswith(".")


def test_a_merge_is_no_drift() -> None:
    detector = settled(EVEN)
    detector.follow([(0, 0, 1.0), (1, 0, 1.0), (2, 0, 1.0), (3, 3, 1.0)])
    assert feed(detector, {0: 192, 3: 64}, 20, 1.0) == []


def test_a_split_is_no_drift() -> None:
    detector = settled({0: 192, 3: 64})
    detector.follow([(0, 0, 0.75), (0, 4, 0.25)])
    assert feed(detector, {0: 144, 4: 48, 3: 64}, 20, 1.0) == []


def test_what_goes_over_to_another_cluster_is_no_drift() -> None:
    detector = settled({0: 192, 3: 64})
    detector.follow([(0, 0, 0.5), (0, 3, 0.5), (3, 3, 1.0)])
    assert feed(detector, {0: 96, 3: 160}, 20, 1.0) == []


def test_a_merge_adds_up_the_shares() -> None:
    detector = settled(EVEN)
    detector.follow([(0, 0, 1.0), (1, 0, 1.0)])
    assert told(detector, "slow") == pytest.approx({0: 0.5, 2: 0.25, 3: 0.25})


def test_a_split_takes_its_share_along() -> None:
    detector = settled({0: BLOCK})
    detector.follow([(0, 0, 0.75), (0, 1, 0.25)])
    assert told(detector, "slow") == pytest.approx({0: 0.75, 1: 0.25})


def test_two_splits_of_one_cluster_each_take_their_share_of_the_whole() -> None:
    detector = settled({0: BLOCK})
    detector.follow([(0, 0, 0.5), (0, 1, 0.25), (0, 2, 0.25)])
    assert told(detector, "slow") == pytest.approx({0: 0.5, 1: 0.25, 2: 0.25})


def test_a_cluster_that_was_never_seen_may_be_split() -> None:
    detector = settled({0: BLOCK})
    detector.follow([(7, 7, 0.75), (7, 8, 0.25)])
    assert told(detector, "slow") == pytest.approx({0: 1.0})


def test_what_was_merged_and_split_at_once_is_no_drift() -> None:
    detector = settled(EVEN)
    detector.follow([(0, 0, 0.25), (0, 4, 0.5), (0, 5, 0.25), (1, 0, 1.0)])
    assert told(detector, "fast") == pytest.approx(
        {0: 0.3125, 2: 0.25, 3: 0.25, 4: 0.125, 5: 0.0625}
    )


def test_an_id_that_was_never_seen_may_be_merged() -> None:
    detector = settled({0: BLOCK})
    detector.follow([(7, 0, 1.0)])
    assert told(detector, "slow") == pytest.approx({0: 1.0})


def test_weight_moves_by_the_micro_clusters() -> None:
    old, new = np.array([0, 0, 1, -1, 1]), np.array([0, 2, 2, 3, -1])
    weight = np.array([3.0, 1.0, 2.0, 9.0, 5.0])
    assert moved_weight(old, new, weight) == [(0, 0, 0.75), (0, 2, 0.25), (1, 2, 1.0)]


# Silence


def test_a_cluster_that_takes_no_points_any_more_is_drift() -> None:
    (drift,) = feed(settled(EVEN), {0: 86, 1: 85, 2: 85}, 4, 0.5)[:1]
    assert (drift.detector, 3 in drift.affected_clusters) == ("silence", True)


def test_a_silence_is_found_once_sixteen_visits_are_missed() -> None:
    # Of a quarter of the points about 3/16 come from elsewhere: 16 visits in 85 points.
    detector = settled(EVEN)
    calm = observe(detector, [0, 1, 2] * 23)
    (drift,) = feed(detector, {0: 86, 1: 85, 2: 85}, 1, 0.5)
    assert (calm, drift.detector) == (None, "silence")


def test_a_cluster_in_which_the_stream_dwells_may_be_silent_for_long() -> None:
    detector = DriftDetector()
    found = []
    for block in range(120):
        ids = [block // 5 % 3] * BLOCK
        found.append(observe(detector, ids))
    assert found == [None] * 120


def test_a_rare_cluster_may_be_silent_for_long() -> None:
    assert feed(settled({0: 255, 1: 1}), {0: 256}, 12, 1.0) == []


def cycle(day: int) -> list[int]:
    """Return the ids of a day: cluster 3 comes in its last block of six only."""
    return [0, 1, 2, 0] * 64 if day % 6 < 5 else [3, 0, 3, 1] * 64


def test_a_cluster_that_comes_back_every_day_is_waited_for() -> None:
    detector = DriftDetector()
    found = [observe(detector, cycle(block), 0.0) for block in range(60)]
    late = [drift.detector for drift in found[12:] if drift]
    assert "silence" not in late


def test_a_cluster_that_does_not_come_back_any_more_is_silent_in_the_end() -> None:
    detector = DriftDetector()
    for block in range(60):
        observe(detector, cycle(block), 0.0)
    found = [observe(detector, [0, 1, 2, 0] * 64) for _ in range(40)]
    assert "silence" in [drift.detector for drift in found if drift]


def test_a_merge_keeps_the_shorter_wait() -> None:
    detector = settled({0: 128, 1: 128})
    observe(detector, [0] * 10)
    detector.follow([(0, 0, 1.0), (1, 0, 1.0)])
    assert told(detector, "seen")[0] == detector.ledger.at


def test_a_part_has_waited_as_long_as_the_whole() -> None:
    detector = settled({0: 128, 1: 128})
    observe(detector, [0] * 10)
    before = told(detector, "seen")[1]
    detector.follow([(1, 1, 0.5), (1, 2, 0.5)])
    after = told(detector, "seen")
    assert (after[1], after[2]) == (before, before)
    assert detector.ledger.at - before >= 10


# Novelty


def test_a_novelty_is_told_however_small_it_is() -> None:
    drift = observe(settled(EVEN), [0, 1, 2, 3] * 4, novel=0.01)
    assert drift is not None
    assert (drift.detector, drift.severity, drift.statistic) == ("novelty", "low", 0.01)


@pytest.mark.parametrize(
    ("share", "severity"), [(0.1, "low"), (0.3, "low"), (0.5, "medium"), (0.7, "high")]
)
def test_a_novelty_is_as_severe_as_its_share(share: float, severity: str) -> None:
    drift = observe(settled(EVEN), [0, 1, 2, 3] * 4, novel=share)
    assert drift is not None
    assert drift.severity == severity


def test_where_all_points_are_new_those_that_took_none_are_affected() -> None:
    drift = observe(settled(EVEN), [-1] * 16, novel=0.9)
    assert drift is not None
    assert drift.affected_clusters == (0, 1, 2, 3)


def test_a_change_is_told_by_one_detector_only() -> None:
    detector = settled(EVEN)
    first = observe(detector, [-1] * 16, novel=0.9)
    later = feed(detector, ELSEWHERE, SETTLED - 1, 0.5)
    assert (first is not None, later) == (True, [])


def test_new_places_some_time_after_a_change_are_another_one() -> None:
    detector = settled(EVEN)
    first = observe(detector, [-1] * 16, novel=0.9)
    calm = feed(detector, ELSEWHERE, 2, 0.5)
    second = observe(detector, [-1] * 16, novel=0.3)
    assert (first is not None, calm, second is not None) == (True, [], True)


def test_after_a_change_has_settled_it_is_the_past() -> None:
    detector = settled(EVEN)
    observe(detector, [-1] * 16, novel=0.9)
    assert feed(detector, ELSEWHERE, 100, 1.0) == []


# Likelihood


def fed_strangeness(
    means: list[float], correlation: float = 0.0, sensitivity: float = 0.5
) -> list[str]:
    """Return which detectors find something in blocks of such mean strangeness."""
    detector = DriftDetector()
    ids = [i % 4 for i in range(BLOCK)]
    found = []
    for mean in means:
        sample = Sample(BLOCK, mean, mean * mean + 0.04, correlation)
        drift = observe(detector, ids, sensitivity, 0.0, sample)
        found.extend([drift.detector] if drift else [])
    return found


def test_points_that_are_stranger_on_average_are_drift() -> None:
    assert "likelihood" in fed_strangeness([0.4] * 20 + [0.6] * 4)


def test_a_change_within_the_clusters_affects_those_that_take_points() -> None:
    detector = settled(EVEN)
    ids = [i % 4 for i in range(BLOCK)]
    samples = [Sample(BLOCK, mean, mean * mean + 0.04, 0.0) for mean in [0.4, 0.8]]
    told = [
        observe(detector, ids, strange=sample)
        for sample in [samples[0]] * 8 + [samples[1]] * 4
    ]
    assert {d.affected_clusters for d in told if d} == {(0, 1, 2, 3)}


def test_points_that_are_less_strange_on_average_are_drift() -> None:
    assert "likelihood" in fed_strangeness([0.6] * 20 + [0.4] * 4)


def test_points_that_are_hardly_stranger_are_no_drift() -> None:
    assert fed_strangeness([0.4] * 20 + [0.45] * 20) == []


def test_a_higher_sensitivity_sees_points_that_are_less_stranger() -> None:
    means = [0.4] * 20 + [0.52] * 4
    assert fed_strangeness(means, sensitivity=0.0) == []
    assert "likelihood" in fed_strangeness(means, sensitivity=1.0)


def test_in_a_slow_series_the_average_may_wander() -> None:
    assert fed_strangeness([0.4] * 20 + [0.6] * 4, correlation=0.99) == []


def test_an_average_that_swings_all_the_time_may_swing() -> None:
    swing = [0.5 + 0.12 * float(np.sin(block / 4)) for block in range(100)]
    assert "likelihood" not in fed_strangeness(swing, sensitivity=1.0)[2:]


def test_points_that_are_all_alike_are_no_drift() -> None:
    assert fed_strangeness([0.4] * 100, sensitivity=1.0) == []


@given(seeds)
@MANY
def test_shares_add_up_to_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detector = DriftDetector()
    for _ in range(20):
        ids = rng.integers(-1, 4, int(rng.integers(1, 300))).tolist()
        observe(detector, ids)
    shares = float(detector.ledger.fast.sum()), float(detector.ledger.slow.sum())
    assert shares == pytest.approx((1.0, 1.0), abs=1e-4)


def test_a_restored_detector_goes_on_as_if_never_stopped() -> None:
    detector = settled(EVEN)
    feed(detector, ELSEWHERE, 2, 0.5)
    other = DriftDetector()
    other.restore(json.loads(json.dumps(detector.state())))
    assert feed(detector, ELSEWHERE, 8, 0.5) == feed(other, ELSEWHERE, 8, 0.5)
