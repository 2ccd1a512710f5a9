"""All sockets of a server, how many there are, and what each of them is waited for.

aiohttp bounds the size of a header and of a frame, but not the time in which they have
to come, nor that in which a response has to be taken: a client that sends or reads one
byte now and then would hold its socket for ever. Here a header, a frame, a response and
the pause between two requests have a deadline each, all of them in a few tables that
one timer looks through; and sockets are counted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from typing import TYPE_CHECKING

from ncs_protocol import Code

from ..clock import Clock
from ..logs import get_log
from ..metrics import Metrics
from .waits import Waits

if TYPE_CHECKING:
    from .guard import Guard

__all__ = ["Door", "DoorLimits"]

_SWEEP_S = 0.5
_STRANGER_S = 2.0  # that everybody has for showing a credential
_SLOWEST_BYTES_PER_S = 500  # either way; what is slower counts as standing still

log = get_log()


@dataclasses.dataclass(frozen=True, slots=True)
class DoorLimits:
    """What a door allows; see the settings of the same names."""

    max_sockets: int
    max_unauthenticated: int
    header_timeout_s: float
    frame_timeout_s: float
    response_timeout_s: float
    idle_timeout_s: float


class Door:
    """All sockets of a server, and what each of them is waited for.

    Args:
        limits: in force.
        metrics: counts sockets and refusals.
        clock: where the time comes from.

    Attributes:
        strangers: sockets that have shown no credential, from the oldest on, and since
            when they have not.
    """

    def __init__(self, limits: DoorLimits, metrics: Metrics, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self.headers: Waits[Guard] = Waits(limits.header_timeout_s)
        self.idle: Waits[Guard] = Waits(limits.idle_timeout_s)
        self.frames: Waits[Guard] = Waits(limits.frame_timeout_s, _SLOWEST_BYTES_PER_S)
        self.responses: Waits[Guard] = Waits(
            limits.response_timeout_s, _SLOWEST_BYTES_PER_S
        )
        self.strangers: dict[Guard, float] = {}
        self._unsent: dict[Guard, int] = {}  # of the responses that are waited for
        self._sockets = 0
        self._metrics = metrics

    async def run(self) -> None:
        """Keep the deadlines until cancelled."""
        while True:
            began = self.clock.monotonic()
            await asyncio.sleep(_SWEEP_S)
            now = self.clock.monotonic()
            self.excuse(now - began - _SWEEP_S)
            try:
                self.sweep(now)
            except Exception:  # of one socket; the others still have their deadlines
                log.exception("sweep_failed")

    def excuse(self, late_s: float) -> None:
        """Let nobody be blamed for time in which this server was too busy to look.

        When thousands come back at once, what they sent lies in the system meanwhile.
        """
        if late_s > 0.0:
            for waits in (self.headers, self.frames, self.responses):
                waits.postpone(late_s)

    def sweep(self, now: float) -> None:
        """Do what is due, and tell how many sockets there are."""
        for guard in self.headers.due(now):
            guard.refuse(Code.HEADER_TIMEOUT)
        for guard in self.frames.due(now):
            if guard.is_peers_turn:
                guard.refuse(Code.FRAME_TIMEOUT)
            else:  # it is this server that takes no more just now
                self.frames.begin(guard, now)
        for guard in self.idle.due(now):
            if guard.is_written:
                guard.close()
            else:  # a response is still on its way
                self.idle.begin(guard, now)
                self.begin_response(guard)
        self._see_responses_taken(now)
        self._thin_out(now)
        self._metrics.set("ncs_sockets", self._sockets)
        self._metrics.set("ncs_unauthenticated_sockets", len(self.strangers))

    def _see_responses_taken(self, now: float) -> None:
        for guard, before in self._unsent.items():
            left = self._unsent[guard] = guard.unsent_bytes
            self.responses.arrived(guard, max(0, before - left))
        for guard in self.responses.due(now):
            del self._unsent[guard]
            self.refused(Code.RESPONSE_TIMEOUT)
            guard.abort()

    def _thin_out(self, now: float) -> None:
        """Close the oldest strangers, if there are too many.

        The oldest, not the newest: who has a credential shows it at once, so what has
        stood about for longest is what an attacker left there. And none that has just
        come: after a restart all readers come in the same moment.
        """
        too_many = len(self.strangers) - self.limits.max_unauthenticated
        for guard, since in list(
            itertools.islice(self.strangers.items(), max(0, too_many))
        ):
            if now - since >= _STRANGER_S:
                del self.strangers[guard]
                guard.refuse(Code.TOO_MANY_UNAUTHENTICATED)

    def enter(self, guard: Guard) -> bool:
        """Count a new socket; return False if there are too many."""
        if self._sockets >= self.limits.max_sockets:
            self.refused(Code.SERVER_FULL)
            return False
        self._sockets += 1
        self.doubt(guard)
        return True

    def leave(self, guard: Guard) -> None:
        """Forget a socket that entered."""
        self._sockets -= 1
        self.strangers.pop(guard, None)
        for waits in (self.headers, self.idle, self.frames):
            waits.end(guard)
        self.end_response(guard)

    def begin_response(self, guard: Guard) -> None:
        """Give the rest of a response its time to be taken."""
        self.responses.begin(guard, self.clock.monotonic())
        self._unsent.setdefault(guard, guard.unsent_bytes)

    def end_response(self, guard: Guard) -> None:
        """Wait for it no longer."""
        self.responses.end(guard)
        self._unsent.pop(guard, None)

    def doubt(self, guard: Guard) -> None:
        """Take a socket for a stranger's."""
        self.strangers[guard] = self.clock.monotonic()

    def trust(self, guard: Guard) -> None:
        """Take a socket for one whose request or credential is there."""
        self.strangers.pop(guard, None)

    def refused(self, code: Code) -> None:
        """Count a socket that was refused or cut off."""
        self._metrics.count("ncs_sockets_refused_total", code.wire)
