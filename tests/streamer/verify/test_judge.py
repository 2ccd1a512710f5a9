from collections.abc import Callable

import numpy as np
import pytest

from ncs_protocol.messages import ClusterInfo
from ncs_streamer.entry import Entry
from ncs_streamer.verify.batches import Batches
from ncs_streamer.verify.judge import Books, Model, judge, read_books
from ncs_streamer.verify.ledger import ProducerLedger

pytestmark = pytest.mark.unit

NAMES = ["a", "b"]
BATCHES = [Batches(seed=1, producer=i, size=3) for i in range(2)]
Journal = list[tuple[int, Entry]]


def entry(producer: int, seq: int, last: int | None = None) -> Entry:
    seqs = range(seq, (last or seq) + 1)
    return Entry(
        kind="points",
        ingest_ns=0,
        producer=NAMES[producer],
        seq=seqs[-1],
        first_seq=seq if last else None,
        points=np.concatenate([BATCHES[producer].block(seq) for seq in seqs]),
    )


def journal(*batches: tuple[int, ...]) -> Journal:
    begin = Entry(kind="begin", ingest_ns=0, epoch="e", params={})
    return list(enumerate([begin, *(entry(*batch) for batch in batches)], 1))


def ledgers(*acked: int) -> list[ProducerLedger]:
    """Return the books of producers that sent one more than was acknowledged."""
    all = []
    for name, seq in zip(NAMES, acked, strict=True):
        ledger = ProducerLedger(name, lambda: 0.0)
        for sent in range(1, seq + 2):
            ledger.transmitted(sent)
        ledger.acknowledged(seq, duplicate=False)
        all.append(ledger)
    return all


def cluster(id: int = 1, size: int = 5) -> ClusterInfo:
    figures = dict.fromkeys(
        ("radius", "quality", "confidence", "health", "drift_coefficient"), 0.5
    )
    return ClusterInfo(
        cluster_id=id, size=size, centroid=[0.0], age=1, last_updated=0.0, **figures
    )


GOOD = journal((0, 1), (1, 1), (0, 2))


def verdict(
    entries: Journal,
    acked: tuple[int, int] = (2, 1),
    marks: tuple[int, int] | None = None,
    models: Callable[[Books], list[Model]] = lambda books: [
        Model.of(name, books.points, [cluster()]) for name in ("live", "recovered")
    ],
) -> list[str]:
    books = read_books(entries, NAMES, BATCHES)
    known = marks or [max(applied, default=0) for applied in books.applied]
    found = judge(
        ledgers(*acked), books, dict(zip(NAMES, known, strict=True)), models(books)
    )
    return [f"{violation.kind}: {violation.detail}" for violation in found]


def test_acked_is_applied_once_and_the_rest_may_be() -> None:
    assert [] == verdict(GOOD)
    assert [] == verdict(GOOD, acked=(1, 0))


def test_an_entry_of_several_frames_counts_for_each_of_them() -> None:
    assert [] == verdict(journal((0, 1, 2), (1, 1, 3)), acked=(2, 2))
    found = verdict(journal((0, 1, 2), (1, 1), (0, 2, 3)))
    assert ["double count: batch 2 of a was applied at offsets [2, 4]"] == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: setattr(e, "seq", 3), "batch 1 to 2 of a under the name of batch 1"),
        (lambda e: setattr(e, "points", e.points[:-1]), "not exactly the points of"),
        (lambda e: setattr(e, "first_seq", None), "under the name of batch 2 of a"),
    ],
)
def test_an_entry_of_several_frames_is_exactly_what_was_sent(
    change: Callable[[Entry], None], said: str
) -> None:
    entries = journal((1, 1), (0, 1, 2))
    change(entries[2][1])
    found = verdict(entries, acked=(0, 1), marks=(0, 1))
    assert 1 == len(found)
    assert found[0].startswith("altered: entry 3: ") and said in found[0]


def test_a_batch_that_was_acknowledged_and_is_not_there_is_lost() -> None:
    found = verdict(GOOD, acked=(3, 1))
    assert ["loss: batch 3 of a was acknowledged and is not there"] == found


def test_a_batch_at_two_offsets_counts_double() -> None:
    found = verdict(journal((0, 1), (1, 1), (0, 2), (0, 1)))
    assert ["double count: batch 1 of a was applied at offsets [2, 5]"] == found


def test_a_batch_that_nobody_sent_is_a_phantom() -> None:
    found = verdict(journal((0, 1), (0, 2), (0, 3), (0, 4), (1, 1)))
    assert ["phantom: batch 4 of a was applied and never sent"] == found


def test_batches_of_a_producer_stay_in_order() -> None:
    found = verdict(journal((0, 2), (1, 1), (0, 1)))
    assert ["order: batch 2 of a was applied where 1 belongs"] == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: setattr(e, "points", e.points[:2]), "not exactly the points"),
        (lambda e: setattr(e, "points", e.points[::-1]), "not exactly the points"),
        (lambda e: setattr(e, "points", e.points + 5.0), "which does not exist"),
        (lambda e: setattr(e, "seq", 7), "under the name of batch 7 of a"),
        (lambda e: setattr(e, "producer", "b"), "under the name of batch 2 of b"),
    ],
)
def test_an_entry_is_exactly_what_was_sent(
    change: Callable[[Entry], None], said: str
) -> None:
    entries = journal((0, 1), (1, 1), (0, 2))
    change(entries[3][1])
    found = verdict(entries, acked=(1, 1), marks=(1, 1))
    assert 1 == len(found)
    assert found[0].startswith("altered: entry 4: ") and said in found[0]


def test_the_journal_has_no_hole() -> None:
    found = verdict([*GOOD[:2], *((o + 1, e) for o, e in GOOD[2:])])
    assert ["journal: entry 3 is followed by 4"] == found


def test_a_producer_is_told_what_is_applied() -> None:
    assert ["resume: a is told 1, applied is 2"] == verdict(GOOD, marks=(1, 1))


def test_a_model_has_every_point_of_the_journal_once() -> None:
    def models(books: Books) -> list[Model]:
        return [Model.of(f"{by:+}", books.points + by, [cluster()]) for by in (-1, 1)]

    assert [
        "loss: model -1 has 8 points, the journal 9",
        "double count: model +1 has 10 points, the journal 9",
    ] == verdict(GOOD, models=models)


def test_models_agree_on_every_cluster() -> None:
    def models(books: Books) -> list[Model]:
        return [
            Model.of("live", 9, [cluster(1), cluster(2)]),
            Model.of("recovered", 9, [cluster(1), cluster(2, size=6)]),
        ]

    (found,) = verdict(GOOD, models=models)
    assert found.startswith("models differ: cluster 2: live has")
