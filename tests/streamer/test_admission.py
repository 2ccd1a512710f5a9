from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ncs_engine import EngineParams
from ncs_protocol import Code, NcsError
from ncs_streamer.admission import Admission
from ncs_streamer.entry import Entry
from ncs_streamer.stream_model import Mark, StreamModel

pytestmark = pytest.mark.unit

# A step of a transcript: what comes, and what becomes of it. Points are
# (producer, epoch, seq) or (producer, epoch, seq, dimension); seq is a number, or
# (first, last) of frames that came together.
Step = tuple[Any, Any]


def entry(step: Any) -> Entry:
    match step:
        case "reset" | "configure":
            return Entry(kind=step, ingest_ns=0)
        case (producer, epoch, seq, *rest):
            points = np.zeros((2, rest[0] if rest else 3))
            first, last = seq if isinstance(seq, tuple) else (None, seq)
            return Entry(
                kind="points",
                ingest_ns=0,
                producer=producer,
                producer_epoch=epoch,
                first_seq=first,
                seq=last,
                points=points,
            )
    raise NotImplementedError(step)


def new(max_producers: int = 10) -> Admission:
    model = StreamModel("s", "e", EngineParams())
    return Admission.after(model, max_producers)


def outcome(admission: Admission, step: Any) -> Any:
    try:
        offset = admission.admit(entry(step))
    except NcsError as error:
        if error.code is Code.SEQ_GAP:
            return (error.code, error.expected_seq)
        return error.code
    return "duplicate" if offset is None else offset


def transcript(steps: list[Step], admission: Admission | None = None) -> list[Step]:
    """Return the steps with what really became of them."""
    admission = admission or new()
    return [(step, outcome(admission, step)) for step, _ in steps]


GAP, STALE, MANY = Code.SEQ_GAP, Code.STALE_PRODUCER_EPOCH, Code.TOO_MANY_PRODUCERS
OTHER = Code.DIMENSION_MISMATCH


def test_batches_in_order_get_one_offset_after_the_other() -> None:
    steps = [(("a", 0, 1), 1), (("a", 0, 2), 2), (("a", 0, 3), 3)]
    assert transcript(steps) == steps


def test_a_batch_that_was_there_is_a_duplicate_and_takes_no_offset() -> None:
    steps = [
        (("a", 0, 1), 1),
        (("a", 0, 2), 2),
        (("a", 0, 1), "duplicate"),
        (("a", 0, 2), "duplicate"),
        (("a", 0, 3), 3),
    ]
    assert transcript(steps) == steps


def test_a_gap_is_refused_with_the_seq_to_go_on_with() -> None:
    steps = [
        (("a", 0, 2), (GAP, 1)),
        (("a", 0, 1), 1),
        (("a", 0, 3), (GAP, 2)),
        (("a", 0, 2**63 - 1), (GAP, 2)),
        (("a", 0, 2), 2),
    ]
    assert transcript(steps) == steps


def test_producers_count_apart() -> None:
    steps = [
        (("a", 0, 1), 1),
        (("b", 0, 1), 2),
        (("b", 0, 2), 3),
        (("a", 0, 3), (GAP, 2)),
        (("a", 0, 2), 4),
    ]
    assert transcript(steps) == steps


def test_a_newer_epoch_counts_from_one_again_and_ends_the_older() -> None:
    steps = [
        (("a", 1, 1), 1),
        (("a", 1, 2), 2),
        (("a", 2, 3), (GAP, 1)),
        (("a", 2, 1), 3),
        (("a", 1, 3), STALE),
        (("a", 1, 1), STALE),
        (("a", 2, 1), "duplicate"),
        (("a", 7, 1), 4),
        (("a", 2, 2), STALE),
    ]
    assert transcript(steps) == steps


def test_a_gap_in_a_newer_epoch_does_not_end_the_older() -> None:
    steps = [(("a", 0, 1), 1), (("a", 1, 5), (GAP, 1)), (("a", 0, 2), 2)]
    assert transcript(steps) == steps


def test_a_producer_may_begin_with_any_epoch() -> None:
    steps = [(("a", 9, 1), 1), (("a", 9, 2), 2), (("a", 8, 3), STALE)]
    assert transcript(steps) == steps


def test_senders_without_a_name_are_not_ordered() -> None:
    steps = [((None, 0, 0), 1), ((None, 0, 9), 2), ((None, 0, 9), 3), ((None, 5, 1), 4)]
    assert transcript(steps) == steps


def test_as_many_producers_as_may_be_are_remembered() -> None:
    steps = [
        (("a", 0, 1), 1),
        (("b", 0, 1), 2),
        (("c", 0, 1), MANY),
        (("a", 0, 2), 3),
        (("b", 1, 1), 4),
        ((None, 0, 0), 5),
        (("c", 0, 1), MANY),
    ]
    assert transcript(steps, new(max_producers=2)) == steps


def test_the_first_point_fixes_the_dimension() -> None:
    steps = [
        (("a", 0, 1, 3), 1),
        (("a", 0, 2, 2), OTHER),
        (("b", 0, 1, 4), OTHER),
        ((None, 0, 0, 1), OTHER),
        (("a", 0, 2, 3), 2),
    ]
    assert transcript(steps) == steps


def test_a_reset_frees_the_dimension() -> None:
    steps: list[Step] = [
        (("a", 0, 1, 3), 1),
        ("reset", 2),
        (("a", 0, 2, 5), 3),
        (("a", 0, 3, 3), OTHER),
    ]
    assert transcript(steps) == steps


def test_a_reset_does_not_reset_the_producers() -> None:
    steps: list[Step] = [(("a", 0, 1), 1), ("reset", 2), (("a", 0, 1), "duplicate")]
    assert transcript(steps) == steps


def test_a_configuration_changes_neither_dimension_nor_order() -> None:
    steps: list[Step] = [
        (("a", 0, 1, 3), 1),
        ("configure", 2),
        (("a", 0, 2, 4), OTHER),
        (("a", 0, 2, 3), 3),
    ]
    assert transcript(steps) == steps


def test_a_duplicate_of_another_dimension_is_a_duplicate() -> None:
    steps = [(("a", 0, 1, 3), 1), (("a", 0, 1, 4), "duplicate")]
    assert transcript(steps) == steps


def test_a_mismatch_is_told_in_the_documented_words() -> None:
    admission = new()
    admission.admit(entry(("a", 0, 1, 3)))
    with pytest.raises(NcsError, match="points have 4 dimensions, expected 3"):
        admission.admit(entry(("a", 0, 2, 4)))


def test_a_gap_is_told_with_both_numbers() -> None:
    with pytest.raises(NcsError, match="seq 5 does not follow 0; send from 1 on"):
        new().admit(entry(("a", 0, 5)))


REFUSED = {
    "a gap": ("a", 0, 9),
    "an old epoch": ("b", 0, 1),
    "one producer too many": ("c", 0, 1),
    "another dimension": ("a", 0, 2, 7),
    "another dimension in a new epoch": ("a", 1, 1, 7),
    "another dimension of nobody": (None, 0, 0, 7),
}


@pytest.mark.parametrize("step", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_changes_nothing(step: Any) -> None:
    admission = new(max_producers=2)
    for done in (("a", 0, 1), ("b", 5, 1)):
        admission.admit(entry(done))
    before = admission.copy()
    with pytest.raises(NcsError):
        admission.admit(entry(step))
    assert admission == before


def test_what_is_refused_as_the_first_fixes_no_dimension() -> None:
    steps = [(("a", 0, 2, 3), (GAP, 1)), (("a", 0, 1, 5), 1)]
    assert transcript(steps) == steps


@pytest.mark.parametrize("step", [("a", 0, 2), ("a", 1, 1), ("b", 0, 1), "reset"])
def test_a_check_tells_what_would_be_admitted_and_changes_nothing(step: Any) -> None:
    admission = new()
    admission.admit(entry(("a", 0, 1)))
    before = admission.copy()
    assert admission.check(entry(step))
    assert admission == before


def test_a_check_tells_a_duplicate() -> None:
    admission = new()
    admission.admit(entry(("a", 0, 1)))
    assert not admission.check(entry(("a", 0, 1)))


@pytest.mark.parametrize("step", REFUSED.values(), ids=REFUSED)
def test_a_check_refuses_what_would_be_refused(step: Any) -> None:
    admission = new(max_producers=2)
    for done in (("a", 0, 1), ("b", 5, 1)):
        admission.admit(entry(done))
    with pytest.raises(NcsError):
        admission.check(entry(step))


def test_a_duplicate_changes_nothing() -> None:
    admission = new()
    admission.admit(entry(("a", 0, 1)))
    before = admission.copy()
    admission.admit(entry(("a", 0, 1)))
    assert admission == before


def test_a_copy_goes_its_own_way() -> None:
    admission = new()
    admission.admit(entry(("a", 0, 1)))
    copy = admission.copy()
    for step in (("a", 0, 2), ("b", 0, 1), "reset"):
        copy.admit(entry(step))
    assert (admission.offset, admission.dimension) == (1, 3)
    assert admission.marks == {"a": Mark(0, 1)}


def test_frames_that_came_together_get_one_offset() -> None:
    steps = [
        (("a", 0, (1, 3)), 1),
        (("a", 0, 4), 2),
        (("a", 0, (5, 6)), 3),
        (("a", 0, (1, 6)), "duplicate"),
        (("a", 0, 6), "duplicate"),
        (("a", 1, (1, 2)), 4),
    ]
    assert transcript(steps) == steps


@pytest.mark.parametrize("seqs", [(1, 4), (3, 4), (5, 6), (2, 9)])
def test_frames_are_not_admitted_together_unless_they_are_the_very_next(
    seqs: tuple[int, int],
) -> None:
    steps = [(("a", 0, (1, 3)), 1), (("a", 0, seqs), (GAP, 4)), (("a", 0, 4), 2)]
    assert transcript(steps) == steps


def test_admission_follows_what_the_model_has_applied() -> None:
    model = StreamModel("s", "e", EngineParams())
    model.apply(1, entry(("a", 2, 1, 4)))
    model.apply(2, entry(("a", 2, 2, 4)))
    admission = Admission.after(model, 10)
    assert (admission.offset, admission.dimension) == (2, 4)
    assert admission.marks == {"a": Mark(2, 2)}


def test_admission_does_not_change_the_model_it_follows() -> None:
    model = StreamModel("s", "e", EngineParams())
    model.apply(1, entry(("a", 0, 1)))
    Admission.after(model, 10).admit(entry(("a", 0, 2)))
    assert model.marks == {"a": Mark(0, 1)}


def test_a_model_that_applies_what_was_admitted_comes_to_the_same_place() -> None:
    model = StreamModel("s", "e", EngineParams())
    admission = Admission.after(model, 10)
    steps = [("a", 0, 1, 3), ("a", 0, 1, 3), ("b", 4, 1, 3), "reset", ("a", 1, 1, 2)]
    for step in steps:
        offset = admission.admit(entry(step))
        if offset is not None:
            model.apply(offset, entry(step))
    assert Admission.after(model, 10) == admission
