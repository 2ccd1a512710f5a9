"""Reconciling the ledgers with the server's journal and model, after the run."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ncs_client.results import Cluster
from ncs_protocol.messages import ClusterInfo

from ..entry import Entry
from .batches import Batches, mark_of
from .ledger import ProducerLedger, Violation
from .pushes import PushLedger, judge_pushes, lanes_of, pushed_in

__all__ = ["Books", "Model", "judge", "read_books"]

_COMPARED = tuple(set(ClusterInfo.__struct_fields__) - {"cluster_id", "last_updated"})


@dataclasses.dataclass(frozen=True, slots=True)
class Model:
    """What a model says of itself.

    Attributes:
        name: which: as it was under load, recovered, replayed.
        points: that it has learned.
        clusters: by id, each with everything that two models have to agree on.
    """

    name: str
    points: int
    clusters: Mapping[int, Mapping[str, Any]]

    @classmethod
    def of(
        cls, name: str, points: int, clusters: Iterable[Cluster | ClusterInfo]
    ) -> Model:
        """Return the model with these clusters, wherever they come from."""
        known = {
            cluster.cluster_id: {field: getattr(cluster, field) for field in _COMPARED}
            for cluster in clusters
        }
        return cls(name, points, known)


@dataclasses.dataclass(slots=True)
class Books:
    """What the journal has.

    Attributes:
        applied: per producer the offsets of each batch, which should be one.
        points: of all entries.
        last: per lane of a gateway the number of its last entry.
        violations: entries that are not what anybody sent.
    """

    applied: list[dict[int, list[int]]]
    points: int = 0
    last: dict[str, int] = dataclasses.field(default_factory=dict)
    violations: list[Violation] = dataclasses.field(default_factory=list)


def read_books(
    entries: Iterable[tuple[int, Entry]],
    names: Sequence[str],
    batches: Sequence[Batches],
    gateways: Container[str] = (),
) -> Books:
    """Return what a whole journal, from its first entry, has of each producer.

    Args:
        entries: (offset, entry).
        names: of the producers.
        batches: of each.
        gateways: names of those that are gateways.
    """
    lanes = {
        lane: number
        for number, name in enumerate(names)
        if name in gateways
        for lane in lanes_of(name)
    }
    books = Books([{} for _ in names])
    expected = 1
    for offset, entry in entries:
        if offset != expected:
            books.violations.append(
                Violation("journal", f"entry {expected} is followed by {offset}")
            )
        expected = offset + 1
        if entry.kind == "points":
            books.points += entry.count
            if entry.producer in lanes:
                _read_pushes(books, offset, entry, lanes[entry.producer], batches)
                continue
            found = _identify(entry, names, batches)
            if isinstance(found, str):
                text = f"entry {offset}: {found}"
                books.violations.append(Violation("altered", text))
            else:
                producer, seqs = found
                for seq in seqs:
                    books.applied[producer].setdefault(seq, []).append(offset)
    return books


def _read_pushes(
    books: Books, offset: int, entry: Entry, producer: int, batches: Sequence[Batches]
) -> None:
    found = pushed_in(entry, producer, batches[producer])
    if isinstance(found, str):
        books.violations.append(Violation("altered", f"entry {offset}: {found}"))
        return
    books.last[str(entry.producer)] = entry.seq
    for number in found:
        books.applied[producer].setdefault(number, []).append(offset)


def _identify(
    entry: Entry, names: Sequence[str], batches: Sequence[Batches]
) -> tuple[int, range] | str:
    """Return (producer, batches) of an entry, or what is wrong with it."""
    points = np.asarray(entry.block, np.float64)
    mark = mark_of(points[0])
    if not 0 <= mark.producer < len(batches):
        return f"points of producer {mark.producer}, which does not exist"
    own, name = batches[mark.producer], names[mark.producer]
    first = own.seq_of(mark)
    # As many as the points are, whatever the entry says.
    seqs = range(first, first + max(1, len(points) // own.size))
    if not np.array_equal(np.concatenate([own.block(seq) for seq in seqs]), points):
        return f"not exactly the points of {_told(seqs)} of {name}"
    said = range(entry.from_seq, entry.seq + 1)
    if (entry.producer, said) != (name, seqs):
        return (
            f"{_told(seqs)} of {name} under the name of {_told(said)} of"
            f" {entry.producer}"
        )
    return mark.producer, seqs


def _told(seqs: range) -> str:
    return f"batch {seqs[0]}" + (f" to {seqs[-1]}" if len(seqs) > 1 else "")


def judge(
    ledgers: Sequence[ProducerLedger | PushLedger],
    books: Books,
    marks: Mapping[str, int],
    models: Sequence[Model],
) -> list[Violation]:
    """Return every contradiction between what was said and what is.

    Args:
        ledgers: of the producers, in the order of the books.
        books: what the journal has.
        marks: producer, or lane of a gateway -> last batch, as the recovered server
            says.
        models: at the end; all have to be the same.
    """
    found = list(books.violations)
    for ledger, applied in zip(ledgers, books.applied, strict=True):
        found += ledger.violations
        found += _judge_applied(ledger, applied)
        if isinstance(ledger, PushLedger):
            found += judge_pushes(ledger, applied, books.last, marks)
            continue
        found += _judge_producer(ledger, applied)
        last = max(applied, default=0)
        if marks[ledger.name] != last:
            text = f"{ledger.name} is told {marks[ledger.name]}, applied is {last}"
            found.append(Violation("resume", text))
    for model in models:
        if model.points != books.points:
            kind = "loss" if model.points < books.points else "double count"
            text = f"model {model.name} has {model.points} points, the journal"
            found.append(Violation(kind, f"{text} {books.points}"))
    for one, other in itertools.pairwise(models):
        found += _compare(one, other)
    return found


def _judge_applied(
    ledger: ProducerLedger | PushLedger, applied: Mapping[int, list[int]]
) -> Iterable[Violation]:
    for seq, offsets in applied.items():
        if len(offsets) > 1:
            text = f"batch {seq} of {ledger.name} was applied at offsets {offsets}"
            yield Violation("double count", text)
        if seq > ledger.sent:
            text = f"batch {seq} of {ledger.name} was applied and never sent"
            yield Violation("phantom", text)


def _judge_producer(
    ledger: ProducerLedger, applied: Mapping[int, list[int]]
) -> Iterable[Violation]:
    for seq in range(1, ledger.acked + 1):
        if seq not in applied:
            text = f"batch {seq} of {ledger.name} was acknowledged and is not there"
            yield Violation("loss", text)
    order = sorted(applied, key=lambda seq: applied[seq][0])
    for place, seq in enumerate(order, 1):
        if seq != place:
            text = f"batch {seq} of {ledger.name} was applied where {place} belongs"
            yield Violation("order", text)
            return


def _compare(one: Model, other: Model) -> Iterable[Violation]:
    if one.clusters == other.clusters:
        return
    ids = sorted(one.clusters.keys() | other.clusters.keys())
    for id in ids:
        mine, its = one.clusters.get(id), other.clusters.get(id)
        if mine != its:
            text = f"cluster {id}: {one.name} has {mine}, {other.name} has {its}"
            yield Violation("models differ", text)
            return
