"""What earlier versions wrote stays readable; see make_format_fixtures."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from ncs_engine import EngineParams
from ncs_streamer.entry import ENTRY_FORMAT, decode_entry
from ncs_streamer.state_hash import NO_HASH
from ncs_streamer.stream_model import SNAPSHOT_FORMAT, Mark, StreamModel

from .make_format_fixtures import DATA, history, unframed

pytestmark = pytest.mark.unit

JOURNALS = sorted(DATA.glob("journal_v*.bin"))
SNAPSHOTS = sorted(DATA.glob("snapshot_v*.bin"))


def test_there_is_a_file_of_every_earlier_format() -> None:
    assert [path.stem for path in JOURNALS] == [
        f"journal_v{version}" for version in range(1, ENTRY_FORMAT)
    ]
    assert [path.stem for path in SNAPSHOTS] == [
        f"snapshot_v{version}" for version in range(1, SNAPSHOT_FORMAT)
    ]


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_journal_of_an_earlier_format_is_read_whole(path: Path) -> None:
    entries = [decode_entry(payload) for payload in unframed(path.read_bytes())]
    for found, entry in zip(entries, history(), strict=True):
        np.testing.assert_array_equal(found.points, entry.points)
        found, entry = (msgspec.structs.replace(e, points=None) for e in (found, entry))
        assert found == entry


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_journal_of_an_earlier_format_can_be_replayed(path: Path) -> None:
    model = StreamModel("s", "", EngineParams())
    for offset, payload in enumerate(unframed(path.read_bytes()), 1):
        model.apply(offset, decode_entry(payload))
    assert (model.offset, model.epoch) == (10, "e1")
    assert model.marks == {"gateway": Mark(2, 6)}


@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.stem)
def test_a_snapshot_of_an_earlier_format_is_read_and_goes_on(path: Path) -> None:
    model = StreamModel.restore(path.read_bytes())
    assert (model.stream, model.epoch, model.offset) == ("s", "e1", 10)
    assert model.marks == {"gateway": Mark(2, 6)}
    assert model.engine.points_learned == 50
    assert model.engine.params.base_threshold == 0.8
    assert model.apply(11, history()[-1]).accepted == 50


def test_a_snapshot_of_format_1_has_no_hash() -> None:
    model = StreamModel.restore((DATA / "snapshot_v1.bin").read_bytes())
    assert model.checkpoint.hash == NO_HASH
