"""Rate limits: the generic cell rate algorithm (GCRA, ITU-T I.371), in memory.

A caller may use up its whole allowance at once and then gets it back evenly over the
period. One number per caller is all the state there is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

__all__ = ["STRANGERS", "RateLimiter", "Tier", "Verdict"]

_MAX_CALLERS = 100_000


@dataclasses.dataclass(frozen=True, slots=True)
class Tier:
    """So many requests in so many seconds."""

    name: str
    requests: int
    period_s: float


STRANGERS = Tier("ip", 100, 3600.0)
"""Refused credentials of one address, over REST and WebSocket together."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and where its caller stands."""

    tier: Tier
    allowed: bool
    remaining: int
    retry_after_s: float
    reset_s: float
    """Seconds until the whole allowance is back."""
    violations: int = 0
    """Refusals of this caller in a row, this one included."""


class RateLimiter:
    """Counts requests per tier and caller. The clock is an argument.

    Attributes:
        on_use: called with (tier, caller) and the seconds of allowance that were used.
    """

    def __init__(self) -> None:
        self.on_use: Callable[[tuple[str, str], float], None] | None = None
        self._full_at: dict[tuple[str, str], float] = {}
        self._violations: dict[tuple[str, str], int] = {}

    def check(
        self, tier: Tier, caller: str, now: float, *, count: bool = True
    ) -> Verdict:
        """Count one request, unless it is refused.

        Args:
            tier: the allowance.
            caller: who is asking; callers of different tiers are counted apart.
            now: monotonic seconds.
            count: False only asks.
        """
        key = (tier.name, caller)
        each = tier.period_s / tier.requests
        full_at = max(self._full_at.get(key, now), now)
        # Every interval that was added may have been rounded by one unit.
        rounding = tier.requests * math.ulp(full_at) / each
        used = (full_at - now) / each - rounding
        if used + 1 > tier.requests:
            wait = (used + 1 + rounding - tier.requests) * each
            violations = self._violations[key] = self._violations.get(key, 0) + 1
            return Verdict(tier, False, 0, wait, full_at - now, violations)
        self._violations.pop(key, None)
        if len(self._full_at) >= _MAX_CALLERS:
            self._forget(now)
        if count:
            self._full_at[key] = full_at + each
            if self.on_use is not None:
                self.on_use(key, each)
        remaining = int(tier.requests - used - 1)
        return Verdict(tier, True, remaining, 0.0, full_at + each - now)

    def use_elsewhere(self, key: tuple[str, str], seconds: float, now: float) -> None:
        """Count what a caller used at another node; it may be more than was left.

        Args:
            key: tier and caller.
            seconds: of the allowance.
            now: monotonic seconds.
        """
        if len(self._full_at) >= _MAX_CALLERS:
            self._forget(now)
        self._full_at[key] = max(self._full_at.get(key, now), now) + seconds

    def _forget(self, now: float) -> None:
        """Drop callers that have their whole allowance back, then the nearest to it."""
        self._violations.clear()
        self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        if len(self._full_at) >= _MAX_CALLERS:
            nearest = sorted(self._full_at, key=self._full_at.__getitem__)
            for key in nearest[: _MAX_CALLERS // 10]:
                del self._full_at[key]
