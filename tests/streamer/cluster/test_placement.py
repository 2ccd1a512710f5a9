"""Every node finds the same place for a stream."""

from __future__ import annotations

import pytest

from ncs_streamer.cluster.placement import preferred
from ncs_streamer.store import StreamKey

pytestmark = pytest.mark.unit

KEYS = [StreamKey("acme", f"s{i}") for i in range(3000)]


def test_the_order_in_which_nodes_are_known_does_not_matter() -> None:
    for key in KEYS[:50]:
        assert preferred(key, ["a", "b", "c"]) == preferred(key, ["c", "a", "b"])


def test_without_nodes_there_is_no_place() -> None:
    assert preferred(KEYS[0], []) is None


def test_every_node_gets_about_as_much() -> None:
    places = [preferred(key, "abc") for key in KEYS]
    for node in "abc":
        assert 900 < places.count(node) < 1100


def test_a_node_that_joins_takes_only_what_comes_to_it() -> None:
    for key in KEYS:
        assert preferred(key, "abcd") in (preferred(key, "abc"), "d")


def test_a_node_that_goes_leaves_the_others_what_they_have() -> None:
    for key in KEYS:
        before = preferred(key, "abc")
        assert before == "c" or preferred(key, "ab") == before


def test_tenants_are_kept_apart() -> None:
    pairs = [(StreamKey("a", f"b{i}"), StreamKey("ab", str(i))) for i in range(64)]
    assert any(preferred(x, "pq") != preferred(y, "pq") for x, y in pairs)
