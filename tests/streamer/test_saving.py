from __future__ import annotations

import pytest

from ncs_streamer.saving import SnapshotPolicy, Unsaved

pytestmark = pytest.mark.unit


@pytest.fixture
def unsaved() -> Unsaved:
    return Unsaved(SnapshotPolicy(points=100, seconds=60.0, journal_bytes=5000), 0.0)


def test_nothing_is_never_due(unsaved: Unsaved) -> None:
    assert not unsaved
    assert not unsaved.is_due(1e9)


@pytest.mark.parametrize(
    ("points", "size", "now", "due"),
    [
        (99, 4999, 159.9, False),
        (100, 1, 100.0, True),
        (0, 5000, 100.0, True),
        (0, 1, 160.0, True),
    ],
)
def test_the_first_limit_that_is_reached_makes_it_due(
    unsaved: Unsaved, points: int, size: int, now: float, due: bool
) -> None:
    unsaved.add(points, size, now=100.0)
    assert unsaved.is_due(now) is due


def test_time_counts_from_the_first_entry_that_is_not_saved(unsaved: Unsaved) -> None:
    unsaved.add(1, 1, now=100.0)
    unsaved.add(1, 1, now=150.0)
    assert unsaved.is_due(160.0)


def test_after_saving_it_begins_anew(unsaved: Unsaved) -> None:
    unsaved.add(500, 1, now=100.0)
    unsaved.clear()
    assert not unsaved.is_due(1e9)
    unsaved.add(1, 1, now=500.0)
    assert not unsaved.is_due(559.0)
