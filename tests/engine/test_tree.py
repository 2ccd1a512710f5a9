"""The Ward tree and the evidence for its cuts, beside the definition of both."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncs_engine.tree import Tree
from ncs_engine.valley import valleys

from . import oracle
from .crowds import Scene, jumbled
from .streams import MANY, Labels, Points, seeds

pytestmark = pytest.mark.unit


def grown(scene: Scene) -> Tree:
    return Tree(scene.centres, scene.spread, scene.weight, scene.threshold)


def scattered(seed: int, most: int = 25) -> Scene:
    """Return micro-clusters anywhere, no two pairs of them equally far apart."""
    rng = np.random.default_rng(seed)
    m, d = int(rng.integers(1, most)), int(rng.integers(1, 19))
    scene = Scene.of(rng.normal(size=(m, d)), spread=0.1)
    scene.weight = rng.uniform(0.5, 30.0, m)
    return scene


@given(seeds)
@MANY
def test_merges_are_those_that_add_the_fewest_squares(seed: int) -> None:
    scene = scattered(seed, most=14)
    tree, m = grown(scene), len(scene.weight)
    made = [set(members.tolist()) for members in tree.crowds.members[m:]]
    assert made == oracle.ward(scene.centres.tolist(), scene.weight.tolist())


@given(seeds)
@MANY
def test_a_node_is_the_sum_of_its_micro_clusters(seed: int) -> None:
    scene = scattered(seed)
    c = grown(scene).crowds
    for node, own in enumerate(c.members):
        points, weight = scene.centres[own].tolist(), scene.weight[own].tolist()
        assert c.mass[node] == pytest.approx(sum(weight), rel=1e-12)
        mean = oracle.weighted_mean(points, weight)
        assert c.mean[node].tolist() == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("dimension", [2, 16, 17])
def test_the_scatter_of_a_node_is_that_of_its_centres_and_within_them(
    dimension: int,
) -> None:
    scene = Scene.of(np.random.default_rng(0).normal(size=(9, dimension)), spread=0.3)
    c = grown(scene).crowds
    between = oracle.sum_of_squares(scene.centres.tolist(), scene.weight.tolist())
    within = sum(np.trace(s) if s.ndim == 2 else s.sum() for s in c.scatter[:9])
    whole = np.trace(c.scatter[-1]) if dimension <= 16 else c.scatter[-1].sum()
    assert whole == pytest.approx(between + within, rel=1e-12)


def cuts(tree: Tree) -> list[tuple[Labels, Labels]]:
    return [tree.cut(k) for k in range(1, len(tree.evidence) + 1)]


@given(seeds)
@MANY
def test_a_cut_into_k_has_k_pieces_that_are_numbered_from_0(seed: int) -> None:
    for k, (piece, nodes) in enumerate(cuts(grown(scattered(seed))), 1):
        assert set(piece.tolist()) == set(range(k))
        assert len(nodes) == k


@given(seeds)
@MANY
def test_a_piece_has_the_members_of_its_node(seed: int) -> None:
    tree = grown(scattered(seed))
    for piece, nodes in cuts(tree):
        for i, node in enumerate(nodes):
            own = set(np.flatnonzero(piece == i).tolist())
            assert own == set(tree.crowds.members[node].tolist())


@given(seeds)
@MANY
def test_the_next_cut_takes_one_piece_apart_and_keeps_the_others(seed: int) -> None:
    told = [set(nodes.tolist()) for _, nodes in cuts(grown(scattered(seed)))]
    for coarse, fine in itertools.pairwise(told):
        assert (len(coarse - fine), len(fine - coarse)) == (1, 2)


@given(seeds)
@MANY
def test_evidence_is_members_by_how_much_deeper_than_the_threshold(seed: int) -> None:
    scene = scattered(seed)
    tree = grown(scene)
    told = [set(nodes.tolist()) for _, nodes in cuts(tree)][::-1]
    merges = []
    for fine, coarse in itertools.pairwise(told):
        a, b = sorted(fine - coarse)
        seen = float(valleys(tree.crowds, np.array([a]), np.array([b]))[0])
        merges.append((float(min(tree.crowds.mass[[a, b]])), seen))
    expected = oracle.evidence(merges, scene.threshold)
    assert tree.evidence.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def blobs(count: int, dimension: int) -> Scene:
    """Return what points of unit blobs in places far apart are gathered into."""
    rng = np.random.default_rng(count)
    places = np.zeros((count, dimension))
    places[:, 0], places[:, 1] = np.divmod(np.arange(count), 5)
    truth = np.repeat(np.arange(count), 60)
    points = 12.0 * places[truth] + rng.normal(size=(len(truth), dimension))
    return Scene.gathered(points, truth, grain=1.2 * dimension**0.5)[0]


@pytest.mark.parametrize("dimension", [2, 10, 20])
@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_there_is_most_evidence_for_as_many_as_there_are_blobs(
    count: int, dimension: int
) -> None:
    assert int(grown(blobs(count, dimension)).evidence.argmax()) + 1 == count


def test_for_one_cluster_there_is_nothing_to_be_shown() -> None:
    assert grown(blobs(5, 2)).evidence[0] == 0.0


def test_a_lone_micro_cluster_is_a_tree() -> None:
    tree = grown(Scene.of(np.zeros((1, 2)), spread=1.0))
    piece, nodes = tree.cut(1)
    assert (piece.tolist(), nodes.tolist(), tree.evidence.tolist()) == ([0], [0], [0.0])


@given(seeds, st.integers(2, 20))
@MANY
def test_a_valley_is_the_same_from_both_sides(seed: int, m: int) -> None:
    tree = grown(jumbled(seed, m, 3, 0))
    a, b = np.array([0, m]), np.array([1, 0])
    assert tree.valleys(a, b).tolist() == tree.valleys(b, a).tolist()


def places(weight: float) -> Tree:
    """Return a tree over two heaps of places, the points at each of which coincide."""
    line = np.arange(6.0)
    x: Points = np.concatenate([line, line + 40.0])[:, None]
    return grown(Scene.of(x, spread=0.0, weight=weight))


def test_places_in_a_row_are_one_crowd_though_there_is_nothing_between_them() -> None:
    tree = places(weight=50.0)
    assert int(tree.evidence.argmax()) + 1 == 2


def test_points_that_coincide_are_one_witness() -> None:
    once, often = places(weight=2.0).evidence[1], places(weight=2000.0).evidence[1]
    assert 0.0 < often <= 1.5 * once


def test_those_who_see_no_valley_weigh_less_among_many() -> None:
    tree = grown(blobs(2, 2))
    a, b = tree.cut(2)[1][:1], tree.cut(2)[1][1:]
    few, many = float(tree.seen(a, b, 1000.0)[0]), float(tree.seen(a, b, 1.0)[0])
    assert many < 0.05 < 0.5 < few < 1.0


@pytest.mark.parametrize("far", [1e160, 1e300])
def test_places_so_far_that_distances_overflow_are_merged_all_the_same(
    far: float,
) -> None:
    scene = Scene.of(np.array([[0.0], [far], [-far], [1.0]]), spread=0.1)
    with np.errstate(over="ignore", invalid="ignore"):
        tree = grown(scene)
    assert sorted(tree.crowds.members[-1].tolist()) == [0, 1, 2, 3]
