"""How far the server's clock is from this machine's, from pings and pongs.

After RFC 5905 (NTP version 4). A ping leaves at t1, the server answers at t2, the pong
arrives at t4: offset = t2 - (t1 + t4) / 2, delay = t4 - t1 (section 8, with t3 = t2).
The true offset lies within delay / 2 of it, however unequal the two ways are. Of the
last eight samples the one with the least distance counts (section 10, the clock
filter): half its delay, and 15 microseconds for every second of its age (PHI).
"""

from __future__ import annotations

import dataclasses
from collections import deque

__all__ = ["ClockOffset"]

_STAGES = 8
_PHI = 15e-6
_RESOLUTION_S = 1e-3  # of the clocks; two samples further apart contradict each other


@dataclasses.dataclass(frozen=True, slots=True)
class _Sample:
    offset_s: float
    half_delay_s: float
    at: float

    def distance_s(self, now: float) -> float:
        return self.half_delay_s + _PHI * abs(now - self.at)


class ClockOffset:
    """Keeps the best of the last samples. Time is an argument."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=_STAGES)

    def add(self, sent: float, server: float, received: float) -> None:
        """Take one exchange.

        Args:
            sent: when the ping left, epoch seconds of this machine.
            server: what the server's clock said, epoch seconds.
            received: when the pong arrived, epoch seconds of this machine. A sample in
                which time ran backwards is left out.
        """
        if received < sent:
            return
        sample = _Sample(
            server - (sent + received) / 2, (received - sent) / 2, received
        )
        if any(self._contradict(sample, other) for other in self._samples):
            self._samples.clear()  # a clock was set: what was known is of no use
        self._samples.append(sample)

    def offset_s(self, now: float) -> float | None:
        """Return server time minus local time in seconds; None before a sample."""
        best = self._best(now)
        return None if best is None else best.offset_s

    def error_s(self, now: float) -> float | None:
        """Return the bound of the error of `offset_s`, in seconds."""
        best = self._best(now)
        return None if best is None else best.distance_s(now)

    def _best(self, now: float) -> _Sample | None:
        return min(self._samples, key=lambda s: s.distance_s(now), default=None)

    @staticmethod
    def _contradict(one: _Sample, other: _Sample) -> bool:
        reach = one.half_delay_s + other.distance_s(one.at) + _RESOLUTION_S
        return abs(one.offset_s - other.offset_s) > reach
