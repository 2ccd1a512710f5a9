from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given

from ncs_engine import Change, Cluster, Engine
from ncs_engine.clusters import ClusterBook
from ncs_engine.identity import Carried
from ncs_engine.microclusters import MicroClusters
from ncs_engine.standardizer import Standardizer

from .oracle import silhouettes
from .streams import MANY, Points, blobs, gaussian, seeds

pytestmark = pytest.mark.unit


def carried(
    created: list[int] | None = None,
    split: list[tuple[int, int, float]] | None = None,
    merged: list[tuple[int, int]] | None = None,
    removed: list[int] | None = None,
) -> Carried:
    none = np.empty(0, np.int64)
    return Carried(none, created or [], split or [], merged or [], removed or [], 9)


def heaps(points: Points, labels: list[int]) -> MicroClusters:
    micro = MicroClusters(points.shape[1], len(points))
    for point, label in zip(points, labels, strict=True):
        micro.found(point, label)
    return micro


def book_with(sizes: list[int]) -> ClusterBook:
    """Return a book in which cluster i has `sizes[i]` points."""
    book = ClusterBook()
    for size in sizes:
        cluster = book.create(1)
        for _ in range(size):
            book.ledger.count(cluster, 1)
    return book


def sizes(book: ClusterBook) -> dict[int, int]:
    return {row[0]: row[1] for row in book.state()["entries"]}


NOTHING = MicroClusters(1, 1)
IDENTITY = Standardizer(2, identity=True)
UNITS = 10.0 ** np.arange(-5, 5)


def test_ids_rise_from_0() -> None:
    assert book_with([0, 0, 0]).ids() == [0, 1, 2]


def test_an_outlier_is_counted_as_such() -> None:
    book = book_with([1])
    book.ledger.count(-1, 2)
    assert (book.outliers, sizes(book)) == (1, {0: 1})


def test_a_new_cluster_starts_with_the_points_of_its_micro_clusters() -> None:
    book = book_with([])
    micro = heaps(np.zeros((3, 1)), [4, 4, 5])
    book.follow(carried(created=[4]), micro, 7)
    assert sizes(book) == {4: 2}


def test_a_split_takes_its_points_along() -> None:
    book = book_with([10])
    book.follow(carried(split=[(4, 0, 0.2)]), heaps(np.zeros((2, 1)), [4, 4]), 7)
    assert sizes(book) == {0: 8, 4: 2}


def test_a_split_takes_no_more_points_than_there_were() -> None:
    book = book_with([3])
    book.follow(carried(split=[(4, 0, 0.9)]), heaps(np.zeros((5, 1)), [4] * 5), 7)
    assert sizes(book) == {0: 0, 4: 3}


def test_a_merge_adds_up_the_points() -> None:
    book = book_with([10, 5])
    book.follow(carried(merged=[(1, 0)]), NOTHING, 7)
    assert sizes(book) == {0: 15}


def test_a_removed_cluster_is_gone() -> None:
    book = book_with([10, 5])
    book.follow(carried(removed=[0]), NOTHING, 7)
    assert sizes(book) == {1: 5}


def test_a_removed_id_is_not_given_again() -> None:
    book = book_with([10, 5])
    book.follow(carried(removed=[1]), NOTHING, 7)
    assert book.create(8) == 9


def test_what_changed_is_told_with_place_and_size() -> None:
    book = book_with([10, 5, 7])
    changes = book.follow(
        carried([4], [(5, 0, 0.1)], [(1, 0)], [2]),
        heaps(np.zeros((3, 1)), [4, 5, 5]),
        70,
    )
    assert changes == [
        Change("created", 4, 70, None, 1),
        Change("split", 5, 70, 0, 2),
        Change("merged", 1, 70, 0, 5),
        Change("removed", 2, 70, None, 7),
    ]


def test_new_clusters_are_told_by_ascending_id_whatever_they_came_from() -> None:
    changes = book_with([10]).follow(
        carried(created=[5], split=[(6, 0, 0.1), (4, 0, 0.1)]),
        heaps(np.zeros((3, 1)), [4, 5, 6]),
        70,
    )
    told = [(change.kind, change.cluster_id) for change in changes]
    assert told == [("split", 4), ("created", 5), ("split", 6)]


def test_clearing_tells_of_every_cluster() -> None:
    changes = book_with([10, 5]).clear(70)
    assert changes == [
        Change("removed", 0, 70, None, 10),
        Change("removed", 1, 70, None, 5),
    ]


def test_a_restored_book_gives_the_same_state() -> None:
    book = book_with([10, 5])
    micro = heaps(np.array([[0.1], [0.7]]), [0, 1])
    book.review(micro, Standardizer(1, identity=True))
    state = json.loads(json.dumps(book.state()))
    assert ClusterBook.restore(state).state() == state


def described(seed: int) -> tuple[list[Cluster], MicroClusters]:
    """Return the clusters over random micro-clusters, in raw units, and these."""
    rng = np.random.default_rng(seed)
    count, dimension = int(rng.integers(1, 30)), int(rng.integers(1, 5))
    clusters = int(rng.integers(1, min(count, 6) + 1))
    labels = [*range(clusters), *rng.integers(-1, clusters, count - clusters).tolist()]
    micro = heaps(rng.normal(0, 3, (count, dimension)), labels)
    for _ in range(2 * count):
        micro.absorb(int(rng.integers(count)), rng.normal(size=dimension), 0.06)
    book = book_with([1] * clusters)
    book.judge(micro)
    return book.describe(micro, Standardizer(dimension, identity=True), 9), micro


@given(seeds)
@MANY
def test_quality_is_the_simplified_silhouette(seed: int) -> None:
    clusters, _ = described(seed)
    expected = silhouettes(
        [c.centroid.tolist() for c in clusters], [c.radius for c in clusters]
    )
    assert [c.quality for c in clusters] == pytest.approx(expected, abs=1e-9)


@given(seeds)
@MANY
def test_a_centroid_is_the_centre_of_gravity_of_its_micro_clusters(seed: int) -> None:
    clusters, micro = described(seed)
    for cluster in clusters:
        own = micro.label == cluster.cluster_id
        mean = np.average(micro.centres[:, own], axis=1, weights=micro.weight[own])
        np.testing.assert_allclose(cluster.centroid, mean, atol=1e-12)


def test_the_radius_counts_every_feature_in_its_own_unit() -> None:
    micro = heaps(np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]), [0, 0])
    micro.spread[:, :2] = [[3.0], [8.0], [5.0]]
    scaler = Standardizer(3)
    scaler.scale = np.array([0.5, 1.0, 0.0])  # the last feature is constant
    (cluster,) = book_with([1]).describe(micro, scaler, 9)
    assert cluster.radius == math.sqrt(4 * (1 + 3) + 1 * (1 + 8))


def test_the_radius_does_not_depend_on_another_cluster() -> None:
    micro = heaps(np.array([[0.0, 0.0], [500.0, 0.0]]), [0, 1])
    micro.spread[:, :2] = [[3.0, 70.0], [6.0, 90.0]]
    radii = [c.radius for c in book_with([1, 1]).describe(micro, IDENTITY, 9)]
    assert radii == [3.0, math.sqrt(160)]


def test_a_cluster_that_moved_by_its_spread_has_lost_63_percent_of_stability() -> None:
    book, micro = book_with([1]), heaps(np.zeros((1, 2)), [0])
    book.review(micro, IDENTITY)
    micro.centres[:, 0] = 3.0, 4.0
    micro.spread[:, 0] = 9.0, 16.0
    (cluster,) = book.describe(micro, IDENTITY, 9)
    assert cluster.drift_coefficient == pytest.approx(1 - math.exp(-1))


def test_quality_stays_until_it_is_judged_again() -> None:
    book = book_with([1, 1])
    micro = heaps(np.array([[0.0], [9.0]]), [0, 1])
    book.judge(micro)
    before = [c.quality for c in book.describe(micro, Standardizer(1), 9)]
    micro.centres[0, 1] = 1.0
    micro.spread[0, :2] = 1.0
    assert [c.quality for c in book.describe(micro, Standardizer(1), 9)] == before


def test_a_lone_cluster_has_quality_a_half() -> None:
    engine = Engine()
    engine.learn([[1.0, 2.0]])
    assert [c.quality for c in engine.clusters()] == [0.5]


def test_well_separated_clusters_have_high_quality() -> None:
    engine = Engine()
    engine.learn(blobs(0, 900)[0])
    assert min(c.quality for c in engine.clusters()) > 0.7


def test_only_the_wanted_clusters_are_described() -> None:
    engine = Engine()
    engine.learn([[1.0], [100.0], [10_000.0]])
    assert [c.cluster_id for c in engine.clusters([2, 0, 77])] == [0, 2]


def test_a_wanted_cluster_is_described_as_among_all() -> None:
    engine = Engine()
    engine.learn(blobs(1, 900)[0])
    everyone = engine.clusters()
    some = engine.clusters([everyone[1].cluster_id])
    assert [repr(cluster) for cluster in some] == [repr(everyone[1])]


def test_centroids_are_in_units_of_the_input() -> None:
    engine = Engine()
    centre = 20.0 * UNITS[::-1]
    engine.learn(centre + UNITS * gaussian(2, 900, 10))
    (cluster,) = engine.clusters()
    assert (np.abs(cluster.centroid - centre) < 0.5 * UNITS).all()


def test_the_radius_of_one_cluster_is_the_distance_of_its_points() -> None:
    points = UNITS * gaussian(3, 900, 10)
    engine = Engine()
    engine.learn(points)
    (cluster,) = engine.clusters()
    expected = math.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean())
    assert cluster.radius == pytest.approx(expected, rel=0.15)


def test_the_radius_of_far_clusters_is_the_distance_of_their_points() -> None:
    far = np.array([[-1000.0, 0.0, 0.0], [1000.0, 0.0, 0.0]])
    engine = Engine()
    engine.learn(blobs(4, 1500, far)[0])
    assert max(cluster.radius for cluster in engine.clusters()) < 2.0  # sqrt(3) is


def test_confidence_follows_the_size() -> None:
    engine = Engine()
    engine.learn(np.zeros((7, 2)))
    (cluster,) = engine.clusters()
    assert cluster.confidence == pytest.approx(1 - math.exp(-7 / 20))


def test_age_counts_the_points_since_the_cluster_was_created() -> None:
    engine = Engine()
    engine.learn([[1.0], [1.0], [500.0], [500.0], [1.0]])
    assert [c.age for c in engine.clusters()] == [4, 2]


def test_last_seen_is_the_last_point_taken() -> None:
    engine = Engine()
    engine.learn([[1.0], [1.0], [500.0], [500.0], [1.0]])
    assert [c.last_seen for c in engine.clusters()] == [5, 4]


def test_a_cluster_that_stands_still_has_no_drift() -> None:
    engine = Engine()
    engine.learn(np.zeros((600, 2)))
    assert [c.drift_coefficient for c in engine.clusters()] == [0.0]


def test_a_cluster_that_moves_has_more_drift_than_one_that_stays() -> None:
    points = gaussian(5, 1500, 3)
    staying, moving = Engine(), Engine()
    staying.learn(points)
    moving.learn(points + np.linspace(0, 12, 1500)[:, None])
    most = max(c.drift_coefficient for c in moving.clusters())
    assert most > 2 * max(c.drift_coefficient for c in staying.clusters())
