"""What a run came to, in figures."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..bench.figures import percentile_ms
from .inflict import Inflictor
from .judge import Books
from .ledger import ProducerLedger, ReaderLedger, Violation
from .pushes import PushLedger

__all__ = ["Report", "make_report"]


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What came of it; `violations` empty is what was promised.

    Counts are batches unless they say otherwise.
    """

    seed: int
    seconds: float
    faults: dict[str, int]
    kills_under_load: int
    """Kills of a server that met batches in flight."""
    owners_hit: int
    """Kills, drains and stops of the one of several servers that had the stream."""
    recovery_ms: dict[str, float]
    sent: int
    acked: int
    in_doubt: int
    """Pushes that the kill of a gateway cut short: applied once, or not at all."""
    applied: int
    applied_points: int
    offered_again: int
    """Transmissions of batches that had gone out before."""
    duplicates_refused: int
    """Acks that said: in the model already, not applied again."""
    refusals: dict[str, int]
    events: int
    gaps_told: int
    ack_ms: dict[str, float]
    violations: list[Violation]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        report = dataclasses.asdict(self)
        report["violations"] = [v._asdict() for v in self.violations]
        return report


def make_report(
    *,
    seed: int,
    seconds: float,
    inflictor: Inflictor,
    producers: Sequence[ProducerLedger | PushLedger],
    readers: Sequence[ReaderLedger],
    books: Books,
    violations: list[Violation],
) -> Report:
    """Return the report on a run."""
    refusals: Counter[str] = Counter()
    for producer in producers:
        refusals.update(producer.refusals)
    return Report(
        seed=seed,
        seconds=round(seconds, 1),
        faults=dict(inflictor.inflicted),
        kills_under_load=inflictor.kills_under_load,
        owners_hit=inflictor.owners_hit,
        recovery_ms=_percentiles(inflictor.recoveries_s),
        sent=sum(p.sent for p in producers),
        acked=sum(p.acked for p in producers),
        in_doubt=sum(len(p.in_doubt) for p in producers if isinstance(p, PushLedger)),
        applied=sum(len(applied) for applied in books.applied),
        applied_points=books.points,
        offered_again=sum(p.again for p in producers),
        duplicates_refused=sum(p.duplicates for p in producers),
        refusals=dict(refusals),
        events=sum(reader.events for reader in readers),
        gaps_told=sum(reader.gaps_told for reader in readers),
        ack_ms=_percentiles([wait for p in producers for wait in p.waits_s]),
        violations=violations,
    )


def _percentiles(seconds: list[float]) -> dict[str, float]:
    return {f"p{q}": percentile_ms(seconds, q) for q in (50, 95, 99)}
