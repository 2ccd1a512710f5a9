"""The copy of the clusters is exact, or says that it is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ncs_client import ClusterView, GapError
from ncs_protocol.messages import (
    AlgorithmStatus,
    ClusterInfo,
    ClusterUpdate,
    ClusterUpdateEvent,
    Lagging,
    Position,
    Snapshot,
    Subscribed,
)

pytestmark = pytest.mark.unit

STATUS = AlgorithmStatus(
    is_ready=True, total_points_processed=3, active_clusters=1, algorithm_quality=0.0,
    clustering_quality=0.0, global_stability=0.0, current_dynamic_threshold=0.7,
    outlier_rate=0.0, dimension=1, memory_usage_mb=0.0, avg_processing_time_ms=0.0,
    uptime_seconds=0.0,
)  # fmt: skip
AT: Any = {"lossless": 4, "keyed": 2, "latest": 7, "sampled": 0}


def cluster(id: int, size: int = 3) -> ClusterInfo:
    return ClusterInfo(
        cluster_id=id, size=size, centroid=[1.0], radius=0.5, quality=1.0,
        confidence=1.0, health=1.0, drift_coefficient=0.0, age=1, last_updated=0.0,
    )  # fmt: skip


def subscribed(offsets: Any = AT, epoch: str = "e", recovered: bool = False) -> Any:
    snapshot = Snapshot(
        model_version=1, dimension=1, clusters=[cluster(0)], status=STATUS
    )
    return Subscribed(
        id="x", stream="s", epoch=epoch, offsets=offsets, recovered=recovered,
        snapshot=None if recovered else snapshot,
    )  # fmt: skip


def update(
    offset: int, change: str, id: int = 1, size: int = 3, delivery: str = "lossless"
) -> Any:
    fields = msgspec.structs.asdict(cluster(id, size))
    if change in ("merged", "removed"):
        fields |= {"radius": None, "centroid": None}
    data = ClusterUpdate(change=change, **fields)  # type: ignore[arg-type]
    return ClusterUpdateEvent(
        stream="s", delivery=delivery, epoch="e", offset=offset, data=data  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def view() -> ClusterView:
    view = ClusterView()
    view.apply(subscribed())
    return view


def test_it_is_nowhere_before_the_first_snapshot() -> None:
    view = ClusterView()
    assert view.position is None
    with pytest.raises(GapError):
        view.apply(update(1, "created"))
    with pytest.raises(GapError):
        view.apply(subscribed(recovered=True))


def test_it_takes_what_follows_and_says_where_it_stands(view: ClusterView) -> None:
    view.apply(update(5, "created"))
    view.apply(update(3, "updated", size=9, delivery="keyed"))
    assert {0: 3, 1: 9} == {id: c.size for id, c in view.clusters.items()}
    assert view.position == Position(
        epoch="e", offsets={**AT, "lossless": 5, "keyed": 3}
    )


def test_an_event_that_does_not_follow_is_refused_and_changes_nothing(
    view: ClusterView,
) -> None:
    for bad in (update(6, "created"), update(4, "updated", 0, 9, "keyed")):
        with pytest.raises(GapError, match="does not follow e"):
            view.apply(bad)
    assert (Position(epoch="e", offsets=AT), [0]) == (view.position, [*view.clusters])


def test_what_was_told_already_is_not_taken_again(view: ClusterView) -> None:
    view.apply(update(4, "removed", 0))
    assert [0] == [*view.clusters]


def test_an_update_of_a_cluster_that_is_gone_does_not_bring_it_back(
    view: ClusterView,
) -> None:
    view.apply(update(5, "removed", 0))
    view.apply(update(3, "updated", 0, delivery="keyed"))
    assert {} == view.clusters


def test_a_reconnect_that_missed_nothing_goes_on_where_it_stood(
    view: ClusterView,
) -> None:
    view.apply(subscribed({**AT, "latest": 0}, recovered=True))
    view.apply(Lagging(level="lagging", skipped=1, behind_ms=5))
    assert view.position == Position(epoch="e", offsets={**AT, "latest": 0})


@pytest.mark.parametrize(
    "elsewhere",
    [
        subscribed({**AT, "lossless": 5}, recovered=True),
        subscribed({**AT, "keyed": 1}, recovered=True),
        subscribed(epoch="other", recovered=True),
    ],
)
def test_one_that_goes_on_elsewhere_is_refused(
    view: ClusterView, elsewhere: Any
) -> None:
    with pytest.raises(GapError, match="resumed at"):
        view.apply(elsewhere)


def test_a_snapshot_begins_anew_wherever_it_is(view: ClusterView) -> None:
    view.apply(subscribed({"lossless": 0, "keyed": 0}, epoch="other"))
    assert view.position == Position(epoch="other", offsets={"lossless": 0, "keyed": 0})
