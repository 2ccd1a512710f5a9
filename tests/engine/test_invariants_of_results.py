from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given

from ncs_engine import Change

from .histories import LENGTH, History, histories, lives
from .streams import STEADY, Ledger

pytestmark = pytest.mark.unit

WARM_UP = 32  # points; a cluster that is created in them begins with its first point


@given(lives)
@STEADY
def test_no_id_is_ever_given_twice(life: list[Change]) -> None:
    ledger = Ledger()
    ledger.apply(life)
    assert len(ledger.given) == len(set(ledger.given))


@given(lives)
@STEADY
def test_new_ids_are_greater_than_all_given_earlier(life: list[Change]) -> None:
    new = [change for change in life if change.kind in ("created", "split")]
    highest = -1
    # Those of one density step come by kind, and may not rise among themselves.
    for _, at_once in itertools.groupby(new, key=lambda change: change.at):
        ids = [change.cluster_id for change in at_once]
        assert min(ids) > highest
        highest = max(ids)


@given(lives)
@STEADY
def test_a_reset_leaves_no_cluster(life: list[Change]) -> None:
    ledger = Ledger()
    ledger.apply(life)
    assert ledger.alive == set()


@given(histories)
@STEADY
def test_a_point_falls_into_a_cluster_that_is_there(history: History) -> None:
    ledger = Ledger()
    for result in history.results:
        before = set(ledger.alive)
        ledger.apply(result.changes)
        founded = {change.cluster_id for change in result.created}
        assert result.cluster_ids[0] in before | founded | {-1}


@given(histories)
@STEADY
def test_the_changes_tell_which_clusters_there_are(history: History) -> None:
    for look in history.looks:
        ledger = Ledger()
        for result in history.results[: look.points]:
            ledger.apply(result.changes)
        assert ledger.alive == {cluster.cluster_id for cluster in look.clusters}


@given(histories)
@STEADY
def test_the_other_cluster_of_a_change_is_there(history: History) -> None:
    ledger = Ledger()
    for change in history.changes:
        ledger.apply([change])
        assert (change.other is not None) == (change.kind in ("merged", "split"))
        assert change.other is None or change.other in ledger.alive


@given(histories)
@STEADY
def test_a_change_is_told_at_the_point_where_it_happened(history: History) -> None:
    for i, result in enumerate(history.results, start=1):
        assert {change.at for change in result.changes} <= {i}


@given(histories)
@STEADY
def test_updated_are_those_that_took_points_and_still_exist(history: History) -> None:
    ledger = Ledger()
    for result in history.results:
        ledger.apply(result.changes)
        assert result.updated == sorted(set(result.updated) & ledger.alive)
        assert set(result.cluster_ids.tolist()) & ledger.alive <= set(result.updated)


@given(histories)
@STEADY
def test_outliers_are_exactly_those_without_a_cluster(history: History) -> None:
    for result in history.results:
        assert result.is_outlier[0] == (result.cluster_ids[0] == -1)


@given(histories)
@STEADY
def test_scores_are_numbers_from_0_to_1(history: History) -> None:
    assert all(0.0 <= result.outlier_scores[0] <= 1.0 for result in history.results)


@given(histories)
@STEADY
def test_outliers_are_those_whose_score_reaches_the_threshold(history: History) -> None:
    # As float32, for that is what the scores are told in.
    threshold = np.float32(history.params.outlier_threshold)
    for result in history.results:
        assert result.is_outlier[0] == (result.outlier_scores[0] >= threshold)


@given(histories)
@STEADY
def test_what_is_a_share_lies_between_0_and_1(history: History) -> None:
    for c in history.all_clusters():
        shares = c.health, c.quality, c.confidence, c.drift_coefficient
        assert all(0.0 <= share <= 1.0 for share in shares)


@given(histories)
@STEADY
def test_the_means_over_clusters_lie_between_0_and_1(history: History) -> None:
    for look in history.looks:
        assert 0.0 <= look.statistics["clustering_quality"] <= 1.0
        assert 0.0 <= look.statistics["global_stability"] <= 1.0


@given(histories)
@STEADY
def test_health_follows_its_formula(history: History) -> None:
    for look in history.looks:
        for c in look.clusters:
            stability = 1.0 - c.drift_coefficient
            age = c.last_seen - (look.points - c.age)  # when it took its last point
            young, small = min(1.0, age / 20), min(1.0, c.size / 10)
            health = 0.3 * stability + 0.3 * c.quality + 0.2 * small + 0.2 * young
            assert math.isclose(c.health, health)


@given(histories)
@STEADY
def test_confidence_follows_its_formula(history: History) -> None:
    for c in history.all_clusters():
        assert math.isclose(c.confidence, 1 - math.exp(-c.size / 20))


@given(histories)
@STEADY
def test_age_counts_from_the_change_that_began_the_cluster(history: History) -> None:
    begun = {c.cluster_id: c.at for c in history.changes if c.kind != "merged"}
    for c in history.looks[-1].clusters:
        assert c.age == LENGTH - begun[c.cluster_id]


@given(histories)
@STEADY
def test_last_seen_is_the_last_point_taken_since_the_cluster_began(
    history: History,
) -> None:
    for c in history.looks[-1].clusters:
        taken = [
            i
            for i, result in enumerate(history.results, start=1)
            if result.cluster_ids[0] == c.cluster_id
        ]
        assert c.last_seen == max([LENGTH - c.age, *taken])


@given(histories)
@STEADY
def test_centroids_and_radii_are_finite(history: History) -> None:
    for c in history.all_clusters():
        assert np.isfinite([*c.centroid, c.radius]).all()


@given(histories)
@STEADY
def test_clusters_come_by_ascending_id(history: History) -> None:
    for look in history.looks:
        ids = [cluster.cluster_id for cluster in look.clusters]
        assert ids == sorted(set(ids))


@given(histories)
@STEADY
def test_all_ways_to_count_the_clusters_agree(history: History) -> None:
    for look in history.looks:
        assert len(look.clusters) == look.count == look.statistics["num_clusters"]


@given(histories)
@STEADY
def test_there_are_never_more_clusters_than_the_maximum(history: History) -> None:
    assert max(look.count for look in history.looks) <= history.params.max_clusters


@given(histories)
@STEADY
def test_outliers_are_counted(history: History) -> None:
    for look in history.looks:
        verdicts = [result.is_outlier[0] for result in history.results[: look.points]]
        assert look.statistics["outliers"] == sum(verdicts)


@given(histories)
@STEADY
def test_every_point_is_counted_in_one_place(history: History) -> None:
    # The points of a cluster that is born after the warm-up were outliers on arrival
    # and are counted once more in the cluster.
    for look in history.looks:
        until = [c for c in history.changes if c.at <= look.points]
        born = sum(c.size for c in until if c.kind == "created" and c.at > WARM_UP)
        gone = sum(c.size for c in until if c.kind == "removed")
        held = sum(cluster.size for cluster in look.clusters)
        assert held + gone + look.statistics["outliers"] == look.points + born


@given(histories)
@STEADY
def test_no_size_is_negative(history: History) -> None:
    for look in history.looks:
        assert all(cluster.size >= 0 for cluster in look.clusters)


@given(histories)
@STEADY
def test_the_first_points_are_all_in_clusters(history: History) -> None:
    for look in history.looks:
        if look.points < WARM_UP:
            assert sum(cluster.size for cluster in look.clusters) == look.points


@given(histories)
@STEADY
def test_the_threshold_stays_near_its_base(history: History) -> None:
    for look in history.looks:
        assert abs(look.threshold - history.params.base_threshold) <= 0.05 + 1e-12
