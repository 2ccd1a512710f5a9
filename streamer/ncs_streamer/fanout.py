"""When hubs are flushed and outboxes drained: one wheel for all of them.

What is published within one pass of the event loop is told together, at its end. To
tell a thousand readers takes some milliseconds; then as long a rest follows, in which
others have their turn and more events gather to share the next write. What is held
back, or waits for a slow connection, is looked at once a tick; no connection and no
subscription has a timer of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .hub import Hub
from .logs import get_log
from .outgoing import Outgoing

__all__ = ["Fanout"]

log = get_log()


class Fanout:
    """See the module. All methods belong to the event loop's thread.

    Args:
        tick_s: between two looks at what waits.
        monotonic: a clock that never goes back.
    """

    def __init__(self, tick_s: float, monotonic: Callable[[], float]) -> None:
        self._tick_s = tick_s
        self._monotonic = monotonic
        self._hubs: set[Hub] = set()  # to be flushed at the end of this pass
        self._holding: set[Hub] = set()  # with something that is due later
        self._waiting: set[Outgoing] = set()
        self._is_due = False
        self._rest_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Connections for which something waits."""
        return len(self._waiting)

    def wake(self, hub: Hub) -> None:
        """Flush the hub at the end of this pass of the event loop, or of the rest."""
        self._hubs.add(hub)
        if self._is_due:
            return
        self._is_due = True
        loop, rest = asyncio.get_running_loop(), self._rest_until - self._monotonic()
        if rest > 0:
            loop.call_later(rest, self._flush)
        else:
            loop.call_soon(self._flush)

    def wait(self, outgoing: Outgoing) -> None:
        """Attend to a connection at the next tick."""
        self._waiting.add(outgoing)
        self._set_timer()

    def forget(self, outgoing: Outgoing) -> None:
        """Attend to a connection no more."""
        self._waiting.discard(outgoing)

    def _flush(self) -> None:
        self._is_due = False
        hubs, self._hubs = self._hubs, set()
        now = self._monotonic()
        for hub in hubs:
            try:
                due = hub.flush(now)
            except Exception:  # one stream's trouble shall not stop the others
                log.exception("flush_failed", **hub.key._asdict())
                continue
            if due is None:
                self._holding.discard(hub)
            else:
                self._holding.add(hub)
        if self._holding:
            self._set_timer()
        end = self._monotonic()
        self._rest_until = end + (end - now)

    def _tick(self) -> None:
        self._timer = None
        now = self._monotonic()
        waiting, self._waiting = self._waiting, set()
        for outgoing in waiting:
            try:
                outgoing.attend(now)  # which has it wait again if it must
            except Exception:
                log.exception("drain_failed")
        self._hubs |= self._holding
        self._flush()

    def _set_timer(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._tick_s, self._tick)
