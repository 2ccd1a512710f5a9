from __future__ import annotations

import numpy as np
import pytest

from ncs_streamer.entry import Entry
from ncs_streamer.verify.batches import Batches
from ncs_streamer.verify.judge import Model, judge, read_books
from ncs_streamer.verify.ledger import ProducerLedger
from ncs_streamer.verify.pushes import PushLedger

pytestmark = pytest.mark.unit

NAMES = ["gw", "other"]
BATCHES = [Batches(seed=1, producer=i, size=3) for i in range(2)]
LIVE, BACKLOG = "gw", "gw.backfill"
Pushed = tuple[str, int, list[int]]
"""Lane, number in it, batches."""


def journal(*pushed: Pushed) -> list[tuple[int, Entry]]:
    entries = [Entry(kind="begin", ingest_ns=0, epoch="e", params={})]
    for lane, seq, numbers in pushed:
        points = np.concatenate([BATCHES[0].block(number) for number in numbers])
        entries.append(
            Entry(kind="points", ingest_ns=0, producer=lane, seq=seq, points=points)
        )
    return list(enumerate(entries, 1))


def gateway(begun: int, *in_doubt: int) -> PushLedger:
    ledger = PushLedger("gw")
    for number in range(1, begun + 1):
        ledger.began(number)
        if number not in in_doubt:
            ledger.confirm(number)
    return ledger


def verdict(
    entries: list[tuple[int, Entry]], ledger: PushLedger, live: int, backlog: int
) -> list[str]:
    books = read_books(entries, NAMES, BATCHES, {"gw"})
    models = [Model("live", books.points, {})]
    marks = {LIVE: live, BACKLOG: backlog, "other": 0}
    ledgers = [ledger, ProducerLedger("other", lambda: 0.0)]
    found = judge(ledgers, books, marks, models)
    return [f"{violation.kind}: {violation.detail}" for violation in found]


GOOD = journal((LIVE, 1, [1]), (BACKLOG, 1, [2]), (LIVE, 3, [4, 5]), (BACKLOG, 2, [3]))


def test_batches_take_either_lane_and_may_be_joined() -> None:
    assert [] == verdict(GOOD, gateway(5), 3, 2)


def test_a_push_that_was_cut_short_is_there_or_not() -> None:
    assert [] == verdict(GOOD, gateway(6, 6), 3, 2)
    assert [] == verdict(GOOD, gateway(5, 5), 3, 2)


def test_a_batch_that_was_confirmed_and_is_not_there_is_lost() -> None:
    found = verdict(GOOD, gateway(6), 3, 2)
    assert ["loss: batch 6 of gw was confirmed and is not there"] == found


def test_a_batch_in_both_lanes_counts_double() -> None:
    twice = journal((LIVE, 1, [1]), (BACKLOG, 1, [1]))
    found = verdict(twice, gateway(1), 1, 1)
    assert ["double count: batch 1 of gw was applied at offsets [2, 3]"] == found


def test_a_batch_that_nobody_pushed_is_a_phantom() -> None:
    found = verdict(GOOD, gateway(4), 3, 2)
    assert ["phantom: batch 5 of gw was applied and never sent"] == found


def test_each_lane_is_told_where_it_is() -> None:
    found = verdict(GOOD, gateway(5), 3, 1)
    assert ["resume: gw.backfill is told 1, applied is 2"] == found


def test_a_batch_is_exactly_what_was_pushed() -> None:
    entries = journal((LIVE, 1, [1]))
    entries[1][1].points[1, 2] += 1.0
    (altered, lost) = verdict(entries, gateway(1), 0, 0)
    assert "altered: entry 2: not exactly the points of batch 1 of gw" == altered
    assert lost.startswith("loss: batch 1 of gw")


def test_what_a_gateway_drops_is_a_violation() -> None:
    ledger = gateway(0)
    ledger.dropped("refused", 2)
    found = verdict(journal(), ledger, 0, 0)
    assert ["dropped: gateway gw dropped 2 batches: refused"] == found
