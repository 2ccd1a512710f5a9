from __future__ import annotations

from typing import Any

import pytest

from ncs_protocol import JSON
from ncs_protocol.messages import (
    EVENT_TYPES,
    SEVERITIES,
    ClusterInfo,
    ClusterUpdate,
    ClusterUpdateEvent,
    DriftDetection,
    DriftDetectionEvent,
    Epsilon,
    EventFilter,
    Subscribe,
)
from ncs_streamer.variant import Variant

pytestmark = pytest.mark.unit


def variant(**asked: Any) -> Variant:
    return Variant.of(Subscribe(id="a", **asked))


def update(id: int = 1, **fields: Any) -> ClusterUpdateEvent:
    data = ClusterUpdate(
        **{"cluster_id": id, "change": "updated", "size": 100, "quality": 0.5} | fields
    )
    return ClusterUpdateEvent(
        stream="s", delivery="keyed", epoch="e", offset=1, key=id, data=data
    )


def drift(severity: Any = "low", clusters: list[int] | None = None) -> Any:
    data = DriftDetection(
        severity=severity,
        affected_clusters=clusters or [],
        recommendation="",
        statistic=1.0,
        detector="occupancy",
    )
    return DriftDetectionEvent(
        stream="s", delivery="lossless", epoch="e", offset=1, data=data
    )


def info(**fields: Any) -> ClusterInfo:
    return ClusterInfo(
        **{"cluster_id": 1, "size": 100, "centroid": [0.0, 0.0]}
        | dict.fromkeys(
            ("radius", "quality", "confidence", "health", "drift_coefficient"), 0.5
        )
        | {"age": 1, "last_updated": 0.0}
        | fields
    )


def test_equal_requests_want_the_same_whatever_their_order() -> None:
    one = variant(events=["drift_detection", "cluster_update"], max_hz=2.0)
    other = variant(events=["cluster_update", "drift_detection"], max_hz=2.0)
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    "asked",
    [
        {"max_hz": 2.0},
        {"centroids": False},
        {"events": ["drift_detection"]},
        {"epsilon": Epsilon(centroid=0.1)},
        {"epsilon": Epsilon(size=0.1)},
        {"filter": EventFilter(clusters=[1])},
        {"filter": EventFilter(min_severity="high")},
    ],
    ids=str,
)
def test_each_option_makes_another_variant(asked: dict[str, Any]) -> None:
    assert variant(**asked) != variant()


def test_without_a_filter_all_is_wanted() -> None:
    assert variant().wants(update())
    assert variant().wants(drift())


def test_only_the_types_that_were_asked_for_are_wanted() -> None:
    for name in EVENT_TYPES:
        wanted = variant(events=[name])
        assert wanted.wants(update()) is (name == "cluster_update")
        assert wanted.wants(drift()) is (name == "drift_detection")


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (update(1), True),
        (update(2), False),
        (update(2, change="merged", merged_into=1), True),
        (update(2, change="split", split_from=1), False),
        (update(1, change="split", split_from=3), True),
        (drift(clusters=[2, 1]), True),
        (drift(clusters=[2]), False),
        (drift(clusters=[]), True),
    ],
)
def test_a_filter_by_cluster_lets_pass_what_concerns_it(
    event: Any, wanted: bool
) -> None:
    assert variant(filter=EventFilter(clusters=[1, 9])).wants(event) is wanted


def test_a_filter_by_severity_lets_pass_what_is_as_severe_or_more() -> None:
    passed = {
        least: [s for s in SEVERITIES if variant_of(least).wants(drift(s))]
        for least in SEVERITIES
    }
    assert passed == {
        "low": ["low", "medium", "high"],
        "medium": ["medium", "high"],
        "high": ["high"],
    }


def variant_of(least: Any) -> Variant:
    return variant(filter=EventFilter(min_severity=least))


@pytest.mark.parametrize(
    ("epsilon", "fields", "small"),
    [
        (Epsilon(centroid=1.0), {"centroid": [0.6, 0.8]}, True),
        (Epsilon(centroid=1.0), {"centroid": [0.7, 0.8]}, False),
        (Epsilon(centroid=1.0), {"centroid": [0.0, 0.0], "size": 900}, True),
        (Epsilon(size=0.1), {"size": 110, "centroid": [9.0, 9.0]}, True),
        (Epsilon(size=0.1), {"size": 111}, False),
        (Epsilon(size=0.0), {"size": 101}, False),
        (Epsilon(size=0.0), {"size": 100}, True),
        (Epsilon(size=0.1, centroid=1.0), {"size": 111, "centroid": [0.0, 0.0]}, False),
        (Epsilon(size=0.1, centroid=1.0), {"size": 101, "centroid": [2.0, 0.0]}, False),
        (Epsilon(size=0.1, centroid=1.0), {"size": 101, "centroid": [0.5, 0.0]}, True),
        (Epsilon(centroid=1.0), {}, False),  # it does not say where it lies
        (None, {}, False),
    ],
)
def test_an_update_is_small_if_nothing_exceeds_epsilon(
    epsilon: Epsilon | None, fields: dict[str, Any], small: bool
) -> None:
    assert variant(epsilon=epsilon).is_small(update(**fields).data, info()) is small


def test_the_first_update_of_a_cluster_is_never_small() -> None:
    assert not variant(epsilon=Epsilon(size=1e9)).is_small(update().data, None)


def test_centroids_can_be_left_out_and_nothing_else_is() -> None:
    event = update(centroid=[1.0, 2.0], radius=3.0)
    bare: Any = variant(centroids=False).shown(event)
    assert (bare.data.centroid, bare.data.radius) == (None, 3.0)
    assert event.data.centroid == [1.0, 2.0]
    assert b"centroid" not in JSON.encode(bare)
    assert variant().shown(event) is event
    assert variant(centroids=False).shown(drift()) == drift()


def test_a_snapshot_has_only_what_is_wanted() -> None:
    clusters = [info(), info(cluster_id=2)]
    only = variant(filter=EventFilter(clusters=[2]), centroids=False)
    (shown,) = only.shown_clusters(clusters)
    assert (shown.cluster_id, shown.centroid) == (2, None)
    assert variant().shown_clusters(clusters) == clusters
