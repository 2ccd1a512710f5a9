"""What a gateway counts, and what `GatewayClient.stats` tells."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import Any

from ncs_protocol.messages import GatewayReport

__all__ = ["GatewayStats", "Tally"]

_MEMORY_S = 10.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GatewayStats:
    """How a gateway is doing. Counters rise from 0 with each start of the process."""

    is_connected: bool
    """Whether the live lane is."""
    failure: str | None
    """What went wrong last, while there is no connection."""
    depth_batches: int
    """In the spool: neither acknowledged nor dropped, both lanes."""
    depth_bytes: int
    """What the spool's files take."""
    live_batches: int
    """Of `depth_batches`, those of the live lane."""
    backfill_batches: int
    oldest_age_s: float | None
    """How long the oldest batch has waited; None if there is none."""
    last_acked: dict[str, tuple[int, int]]
    """Producer of each lane -> (epoch, seq) of the last acknowledged batch."""
    pushed_batches: int
    acked_batches: int
    duplicate_batches: int
    """Of those acknowledged, how many the server had already."""
    dropped_batches: dict[str, int]
    """By reason: `overflow`, `newest`, `age`, `refused`, `damaged`, `uncertain`."""
    push_rate: float
    """Batches per second, over about the last 10 seconds."""
    ack_rate: float
    clock_offset_s: float | None
    """The server's clock minus this machine's."""
    clock_error_s: float | None
    """Bound of the error of `clock_offset_s`."""

    def report(self) -> GatewayReport:
        """Return what the server is told of it."""
        return GatewayReport(
            spool_batches=self.depth_batches,
            spool_bytes=self.depth_bytes,
            oldest_age_s=self.oldest_age_s,
            dropped_batches=sum(self.dropped_batches.values()),
            clock_offset_s=self.clock_offset_s,
            clock_error_s=self.clock_error_s,
        )


class Tally:
    """What a gateway has counted since its process began.

    Args:
        now: monotonic seconds, here as everywhere.
    """

    def __init__(self, now: float) -> None:
        self._pushed = self._acked = self._duplicates = 0
        self._dropped: Counter[str] = Counter()
        self._push_rate, self._ack_rate = _Rate(now), _Rate(now)

    def pushed(self, now: float) -> None:
        """Count a batch that is in the spool."""
        self._pushed += 1
        self._push_rate.add(1, now)

    def acked(self, batches: int, is_duplicate: bool, now: float) -> None:
        """Count batches that the server has, perhaps from before."""
        self._acked += batches
        self._duplicates += batches if is_duplicate else 0
        self._ack_rate.add(batches, now)

    def dropped(self, reason: str, batches: int) -> None:
        """Count batches that are lost."""
        self._dropped[reason] += batches

    def fields(self, now: float) -> dict[str, Any]:
        """Return its part of `GatewayStats`."""
        return {
            "pushed_batches": self._pushed,
            "acked_batches": self._acked,
            "duplicate_batches": self._duplicates,
            "dropped_batches": dict(self._dropped),
            "push_rate": self._push_rate.per_s(now),
            "ack_rate": self._ack_rate.per_s(now),
        }


class _Rate:
    """Events per second, where an event counts less the longer it is ago (10 s: 1/e).

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._sum = 0.0
        self._at = now

    def add(self, count: int, now: float) -> None:
        """Take note of events."""
        self._sum = self._faded(now) + count
        self._at = now

    def per_s(self, now: float) -> float:
        """Return the rate."""
        return self._faded(now) / _MEMORY_S

    def _faded(self, now: float) -> float:
        return self._sum * math.exp((self._at - now) / _MEMORY_S)
