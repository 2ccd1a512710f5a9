"""Checks what owners have written against what they may write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Accepted", "check_history"]


class Accepted(NamedTuple):
    """An entry that the store has taken, in the order in which it was answered."""

    offset: int
    epoch: int
    node: str


def check_history(accepted: Sequence[Accepted], tail: int) -> None:
    """Fail unless they are one line, of one owner after the other.

    Args:
        accepted: appends that the store has not refused.
        tail: of the journal.
    """
    in_order = sorted(accepted)
    assert [one.offset for one in in_order] == list(range(1, tail + 1)), "not one line"
    owners: dict[int, str] = {}
    epoch = 0
    for one in in_order:
        assert one.epoch >= epoch, f"{one} was written after epoch {epoch} had begun"
        epoch = one.epoch
        assert owners.setdefault(epoch, one.node) == one.node, "two owners in an epoch"
