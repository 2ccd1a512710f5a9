"""The checker of what owners wrote finds what must not be."""

from __future__ import annotations

from pathlib import Path

import pytest
from ownership_history import Accepted, accepted_appends, check_history

from ncs_streamer.store.redis.scripts import ACQUIRE, APPEND, RECORD

pytestmark = pytest.mark.unit

HEAD, JOURNAL = "ncs:{acme:s}:head", "ncs:{acme:s}:journal"


def call(sha: str, *args: str) -> str:
    words = " ".join(
        f'"{word}"' for word in ("EVALSHA", sha, "2", HEAD, JOURNAL, *args)
    )
    return f"1.5 [0 127.0.0.1:9] {words}\n"


def added(offset: int, key: str = JOURNAL) -> str:
    return f'1.5 [0 lua] "XADD" "{key}" "{offset}-0" "e" "\\x00\\"\\\\ \\n"\n'


def test_what_was_refused_or_is_no_journal_is_not_taken(tmp_path: Path) -> None:
    told = tmp_path / "monitor"
    told.write_text(
        "OK\n"
        + call(ACQUIRE.sha, "0", "", "a", "na", "1")
        .replace('"2"', '"1"', 1)
        .replace(f'"{JOURNAL}" ', "")
        + call(APPEND.sha, "na", "1", "1", "x", "y")
        + added(1)
        + added(2)
        + call(RECORD.sha, "na", "1", "0", "7", "z")
        + added(7, "ncs:{acme:s}:events")
        + call(APPEND.sha, "old", "0", "3", "x")  # refused: nothing below it
        + '1.5 [0 127.0.0.1:9] "XADD" is no call\n'
    )
    assert accepted_appends(told) == {
        JOURNAL: [Accepted(1, 1, "a"), Accepted(2, 1, "a")]
    }


@pytest.mark.parametrize(
    ("accepted", "why"),
    [
        ([Accepted(1, 1, "a"), Accepted(3, 1, "a")], "not one line"),
        ([Accepted(1, 1, "a"), Accepted(1, 2, "b")], "not one line"),
        ([Accepted(1, 2, "b"), Accepted(2, 1, "a")], "after epoch 2 had begun"),
        ([Accepted(1, 1, "a"), Accepted(2, 1, "b")], "two owners in an epoch"),
    ],
)
def test_what_must_not_be_is_found(accepted: list[Accepted], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        check_history(accepted, 2)
