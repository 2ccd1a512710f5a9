from __future__ import annotations

import pytest

from ncs_protocol import Code, NcsError

pytestmark = pytest.mark.unit


def test_without_a_detail_the_sentence_of_the_code_holds() -> None:
    assert NcsError(Code.SEQ_GAP).detail == Code.SEQ_GAP.meaning


def test_a_detail_takes_the_place_of_the_sentence() -> None:
    assert NcsError(Code.SEQ_GAP, "seq 5 after 3").detail == "seq 5 after 3"


def test_the_text_names_the_code_first() -> None:
    assert str(NcsError(Code.SEQ_GAP, "seq 5 after 3")) == "seq_gap: seq 5 after 3"


def test_where_and_when_are_carried_as_attributes() -> None:
    error = NcsError(Code.SEQ_GAP, index=1, retry_after_s=2.0, expected_seq=3)
    assert (error.index, error.retry_after_s, error.expected_seq) == (1, 2.0, 3)


def test_which_message_it_was_is_not_known_at_first() -> None:
    error = NcsError(Code.SEQ_GAP)
    assert (error.id, error.seq, error.stream) == (None, None, None)


def test_a_field_may_be_to_blame() -> None:
    assert NcsError(Code.INVALID_NAME, field="stream").field == "stream"
